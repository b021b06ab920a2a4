"""Minibatches: the log-likelihood of all rows, estimated from a few of them without bias and with little noise.

The plain estimate gives each row of a batch the weight rows / batch. Its gradient, in posterior standard deviations,
has a variance of about rows / batch, which of a million rows no few thousand steps average out. So it is corrected by
what a batch b is known to get wrong at a centre c near the mode (a control variate: Baker, Fearnhead, Fox and Nemeth
2019, doi:10.1007/s11222-018-9826-2):

    l(u)  ~  sum_b w_i l_i(u)  +  [l(c) - l_b(c)]  +  [g(c) - g_b(c)]' (u - c),      g, g_b: gradients of l and l_b.

What is left is second order in u - c. With z = L^-1 (u - c) in posterior standard deviations, the gradient's variance
is of order |z|^2 / batch, whatever the number of rows. It costs a pass over all rows, in blocks, for l(c) and g(c).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING

import jax
import numpy as np
from jax import Array

from ..models.spec import Spec
from .declare import Declared
from .devices import filled
from .errors import DataError, NoMaximumError
from .joint import Rows, counts, take
from .progress import bar
from .structure import Structure
from .summary import joined
from .target import lifted, log_target

if TYPE_CHECKING:
    from .problem import Problem

BLOCK = 16_384  # rows that a pass over all rows holds on the device at a time
SAMPLE = 262_144  # rows of a stream that lie in memory at a time
AHEAD = 131_072  # rows of batches that one compiled call gets
PASSES = 6  # Newton's steps, at most, from a sample's mode to that of all rows
NEAR = 1e-3  # nats below the maximum at which the centre is good enough

Tangent = tuple[np.ndarray, np.ndarray]  # log-likelihood of all rows at the centre, and its gradient there


def batches(rows: Rows, size: int, seed: int, share: float | None = None) -> Iterator[Rows]:
    """Batches for ever: all rows in a random order, then all in another one; weighted to stand for all rows.

    Rows whose y is known and others come in the proportion that the table has (or in the ``share`` given), at least one
    of each, so that all batches have one shape.
    """
    known = rows.y.shape[0]
    hidden = rows.x.shape[0] - known
    if known and hidden and size < 2:
        raise DataError(f"batch is {size}, but some labels are hidden and some known; take at least 2, one of each.")
    some_known = round(size * (known / (known + hidden) if share is None else share))
    if known and hidden:
        some_known = min(max(some_known, 1), size - 1)
    sizes = (some_known, size - some_known)
    weights = np.repeat([known / max(sizes[0], 1), hidden / max(sizes[1], 1)], sizes)
    rng = np.random.default_rng(seed)
    for one, other in zip(_shuffled(known, sizes[0], rng), _shuffled(hidden, sizes[1], rng), strict=True):
        yield _weighing(take(rows, np.concatenate([one, known + other])), weights)


def _shuffled(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    left = np.zeros(0, dtype=int)
    while True:
        while len(left) < size:
            left = np.concatenate([left, rng.permutation(count)])
        yield np.sort(left[:size])  # as rows that are near each other are read faster
        left = left[size:]


def stacked(source: Iterator[Rows], several: int) -> Rows:
    """The next ``several`` batches along a first axis, for one compiled call."""
    return jax.tree.map(lambda *parts: np.stack(parts), *islice(source, several))


def blocks(rows: Rows) -> Iterator[Rows]:
    """All rows once, in blocks of one shape; rows that fill the last one up have weight 0."""
    known, hidden = counts(rows)
    number = -(-(known + hidden) // BLOCK)
    kinds = [filled(n, number * -(-n // number)) for n in (known, hidden)]
    (one, first), (other, other_first) = ((index.reshape(number, -1), f.reshape(number, -1)) for index, f in kinds)
    for i in range(number):
        index, weights = np.concatenate([one[i], known + other[i]]), np.concatenate([first[i], other_first[i]])
        yield _weighing(take(rows, index), weights.astype(float))


def _weighing(rows: Rows, times: np.ndarray) -> Rows:
    return replace(rows, weights=times if rows.weights is None else times * rows.weights)


def streamed_batches(problem: "Problem", size: int, seed: int) -> Iterator[Rows]:
    """Batches for ever of rows that do not lie in memory: all of a random sample of them, then all of another one.

    Each sample takes a pass, has SAMPLE rows, each row as likely as any other, and is weighted to stand for all.
    """
    summary, rng = problem.summary, np.random.default_rng(seed)
    share = None
    for epoch in count():
        chosen = np.sort(rng.choice(summary.rows, size=min(SAMPLE, summary.rows), replace=False, shuffle=False))
        kept, start = [], 0
        for part in bar(problem.own.parts(), desc="a sample of all rows"):
            stop = start + len(part.x)
            kept.append(part.take(chosen[(chosen >= start) & (chosen < stop)] - start))
            start = stop
        rows = problem.lay(joined(kept), pad=False)
        if rows.seen is None and problem.misses_features:
            rows = replace(rows, seen=np.ones(rows.x.shape, dtype=bool))
        share = counts(rows)[0] / len(chosen) if share is None else share
        for batch in islice(batches(rows, size, seed + epoch, share), max(1, len(chosen) // size)):
            yield replace(batch, weights=batch.weights * (summary.rows / len(chosen)))


@partial(jax.jit, static_argnames=("model", "shape"))
def tangent(vector: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> tuple[Array, Array]:
    """The log-likelihood of the rows and its gradient at an unconstrained vector."""
    return jax.value_and_grad(log_target)(vector, spec, rows, model=model, shape=shape, prior=False, jacobian=False)


@partial(jax.jit, static_argnames=("model", "shape"))
def _prior_tangent(vector: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> tuple[Array, Array]:
    def log_prior(vector: Array) -> Array:
        lift = lifted(model, shape, vector, spec, rows)
        return lift.log_prior + lift.log_jacobian

    return jax.value_and_grad(log_prior)(vector)


def _sum(every: Iterable[Rows], vector: np.ndarray, problem: "Problem") -> Tangent:
    each = (tangent(vector, problem.spec, block, **problem.keywords) for block in bar(every, desc="all rows"))
    value, gradient = 0.0, np.zeros(len(vector))
    for one, slope in each:
        value, gradient = value + np.asarray(one), gradient + np.asarray(slope)
    return value, gradient


def climb_on_all(
    every: Callable[[], Iterable[Rows]], start: np.ndarray, whiten: np.ndarray, problem: "Problem"
) -> tuple[np.ndarray, Tangent]:
    """From a sample's mode to that of all rows, by Newton's steps with the sample's Hessian; the tangent there.

    The sample's mode is sqrt(rows / sample) posterior standard deviations off. A step of all rows' gradient leaves of
    that what the Hessian is wrong by, about sqrt(parameters / sample). every: makes a pass over all rows.
    whiten: L with L L' the inverse Hessian.
    """
    vector, best, found = start, -np.inf, None
    for _ in range(PASSES):
        likelihood = _sum(every(), vector, problem)
        prior = _prior_tangent(vector, problem.spec, problem.rows, **problem.keywords)
        value, gradient = (float(likelihood[0] + prior[0]), likelihood[1] + np.asarray(prior[1]))
        if not value > best:
            break
        best, found = value, (vector, likelihood)
        step = whiten @ (whiten.T @ gradient)
        if 0.5 * gradient @ step < NEAR:
            break
        vector = vector + step
    if found is None:
        raise NoMaximumError(
            "the log density of all rows is not finite at the mode of a sample of them; check that every row lies in "
            "the support of its distribution."
        )
    return found


def corrected(
    value: Array, vector: Array, centre: Array, of_all: Tangent, spec: Spec, rows: Rows, **keywords: object
) -> Array:
    """A batch's log density with its control variate."""
    of_batch = tangent(centre, spec, rows, **keywords)
    return value + of_all[0] - of_batch[0] + (of_all[1] - of_batch[1]) @ (vector - centre)
