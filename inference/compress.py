"""Exact compression: few weighted rows in place of many, wherever the likelihood cannot tell them apart.

A log-likelihood that is linear in a row sees only the mean of a group of rows, one that is quadratic only mean and
covariance, and any sees only how often a row occurs. Which of these a model is, is found out and not declared: the
same model function runs on the few rows and on all of them at several parameters, and the two log-likelihoods may
differ by a constant only.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..models.spec import Spec
from .declare import Declared
from .joint import Rows, counts, lay_out, padded
from .moments import mean_rows, sigma_points, spread_rows
from .standin import BLOCK, counted, from_moments, reweighted
from .structure import Structure
from .summary import Part, Summary, joined, summary_of
from .sweep import few_ahead
from .target import lifted, log_likelihood, row_log_likelihoods

EXACT = 1e-9  # relative error of a difference of two log-likelihoods that counts as none
CHECKED = 500_000  # rows in memory up to which all of them are checked

CURVED = 40  # parameters up to which second derivatives are looked at, too
THROUGH = 700  # parameters up to which derivatives are looked at at all
WORTH = 1_000  # rows from which on a reweighted part of them is looked for

COVARIANCE = "mean and covariance of each group"
GROUPWISE = {
    "the mean of each group": mean_rows,
    "mean and spread of each group": spread_rows,
    COVARIANCE: sigma_points,
}


class Compressed(NamedTuple):
    """What compression came to: few rows, or None for all; the summary, with the covariances that it took; whether
    moments alone would not do; a sentence on what was done; and how far from exact the sample's few rows are at another
    vector, which random ones do not tell where rows fit so well that their moments cancel.
    """

    part: Part | None
    summary: Summary
    needs_rows: bool
    said: str
    error_at: Callable[[np.ndarray], float] | None = None


def compress(
    model: Declared,
    shape: Structure,
    spec: Spec,
    summary: Summary,
    vectors: np.ndarray,
    points: np.ndarray,
    lay: Callable[..., Rows],
) -> Compressed:
    """The first exact stand-in for the rows that is found.

    A group is the rows of one label with the same features missing. vectors: unconstrained parameters at which
    exactness is checked; points: others, at which it is looked what of a row a likelihood sees.
    The summary's sample, with the extremes of each column, is tried; what it comes to is checked on all rows in memory,
    or on CHECKED of them, but not on rows in files, as that would take another pass.
    """
    few, count = summary.few, summary.rows
    sample = summary_of(few, summary.columns, summary.target, full=True)
    full, errors = lay(few), []
    likelihoods = partial(_log_likelihoods, spec=spec, model=model, shape=shape)
    for name, kind in _kinds(model, shape, spec, points, few, count).items():
        small = kind(sample)
        if small is None or len(small.x) > len(few.x) // 2:
            continue
        error_at = partial(_error_at, likelihoods, vectors, full, _padded_like(lay(small), full))
        error = error_at(vectors[0])
        errors.append(error)
        if not error <= EXACT:
            continue
        if name == COVARIANCE:
            summary = summary.with_covariances()
        seen = len(few.x)
        if seen < count:
            small = kind(summary)
            if small is None:
                continue
            if summary.in_memory:
                looked = _evenly(summary)
                seen, one = len(looked.x), small
                if seen < count:
                    one = kind(summary_of(looked, summary.columns, summary.target, full=summary.full))
                values = _sum(likelihoods, vectors[[1, -1]], _blocks(looked, full, lay))
                error = _difference(values, np.asarray(likelihoods(vectors[[1, -1]], rows=lay(one))))
                errors.append(error)
        where = "" if seen == count else f" on {seen} of them"
        if error <= EXACT:
            said = f"{count} rows as {len(small.x)}, {name}: exact to {max(error, 1e-16):.1g}{where}"
            return Compressed(small, summary, name not in GROUPWISE or summary.hidden, said, error_at)
    return Compressed(None, summary, True, f"all {count} rows: {_why(model, errors)}")


def _why(model: Declared, errors: list[float]) -> str:
    least = min((error for error in errors if error > EXACT), default=np.inf)
    if np.isfinite(least):
        return f"{model.name} tells apart what fewer would stand for (by {least:.1g} of its value)"
    return "too few to gain by less, or hidden labels and no two rows alike"


def _evenly(summary: Summary) -> Part:
    """All rows that lie in memory, or CHECKED of them, evenly."""
    parts, most = list(summary.parts()), min(1.0, CHECKED / summary.rows)
    if most == 1.0:
        return parts[0] if len(parts) == 1 else joined(parts)
    return joined([p.take(np.linspace(0, len(p.x) - 1, max(1, round(most * len(p.x)))).astype(int)) for p in parts])


def _blocks(part: Part, like: Rows, lay: Callable[..., Rows]) -> Iterator[Rows]:
    """The rows, as many at a time, known and hidden, as ``like`` has, for the program that it has compiled."""
    size = [n or like.x.shape[0] for n in counts(like)]
    hidden = (
        part.y < 0 if part.labels is not None and like.y.shape[0] < like.x.shape[0] else np.zeros(len(part.x), bool)
    )
    kinds = np.flatnonzero(~hidden), np.flatnonzero(hidden)
    for i in range(max(-(-len(index) // n) for index, n in zip(kinds, size, strict=True))):
        index = np.concatenate([index[i * n : (i + 1) * n] for index, n in zip(kinds, size, strict=True)])
        yield _padded_like(lay(part.take(index), pad=False), like)


def _padded_like(rows: Rows, like: Rows) -> Rows:
    """The rows with as many of weight 0 as make them as many as others, where these are enough."""
    seen = np.ones(rows.x.shape, dtype=bool) if rows.seen is None and like.seen is not None else rows.seen
    rows, to = replace(rows, seen=seen), counts(like)
    fits = all(a <= b and (a > 0 or b == 0) for a, b in zip(counts(rows), to, strict=True))
    return padded(rows, to) if fits else padded(rows)


def _sum(likelihoods: Callable[..., Array], vectors: np.ndarray, blocks: Iterator[Rows]) -> np.ndarray:
    """Log-likelihoods of all blocks together, at each vector; on all cores."""

    def one(rows: Rows) -> np.ndarray:
        with jax.enable_x64(True):  # a thread has a context of its own
            return np.asarray(likelihoods(vectors, rows=rows))

    total = one(next(blocks))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for value in few_ahead(pool, one, blocks):
            total = total + value
    return total


def _kinds(
    model: Declared, shape: Structure, spec: Spec, points: np.ndarray, few: Part, count: int
) -> dict[str, Callable[[Summary], Part | None]]:
    """Ways to make few rows of a summary, the one with the fewest first."""
    kinds = {name: partial(from_moments, rows, shape) for name, rows in GROUPWISE.items()}
    kinds["equal rows counted"] = counted
    if count >= WORTH and points.shape[1] <= THROUGH:
        partly = bool(np.isnan(few.x).any())
        each = partial(_each_row, np.asarray(points), spec, model, shape, partly)
        kinds["some of the rows, reweighted"] = partial(reweighted, each, few, count)
    return kinds


def _error_at(
    likelihoods: Callable[..., Array], vectors: np.ndarray, full: Rows, few: Rows, vector: np.ndarray
) -> float:
    """How far from exact few rows are, at a vector and at others."""
    vectors = np.stack([vector, *vectors[1:]])
    return _difference(*(np.asarray(likelihoods(vectors, rows=rows)) for rows in (full, few)))


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """How far the difference of two log-likelihoods is from a constant, relative to the first."""
    finite = np.isfinite(a)
    if finite.sum() < 2 or not np.all(np.isfinite(b[finite])):
        return np.inf
    a, b = a[finite], b[finite]
    constant = (a - b)[np.abs(a).argmin()]
    return float(np.max(np.abs(a - b - constant) / np.maximum(np.abs(a), np.abs(a).min())))


@partial(jax.jit, static_argnames=("model", "shape"))
def _log_likelihoods(vectors: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> Array:
    def one(vector: Array) -> Array:
        values = lifted(model, shape, vector, spec, rows).values
        return log_likelihood(model, shape, values, spec, rows)

    return jax.lax.map(one, vectors)


def _each_row(
    points: np.ndarray, spec: Spec, model: Declared, shape: Structure, partly: bool, part: Part
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of each row's log-likelihood at the first point, (rows, columns), and itself at the others, (rows,
    points); BLOCK rows at a time, for one program.

    The rows are all known or all hidden, so that they come out in their order.
    """
    answers = []
    for start in range(0, len(part.x), BLOCK):
        index = np.minimum(np.arange(start, start + BLOCK), len(part.x) - 1)
        block = part.take(index)
        rows = lay_out(block.x, block.y, shape, np.ones(BLOCK), np.asarray(spec.loc))
        if partly and rows.seen is None:
            rows = Rows(rows.x, np.ones(rows.x.shape, dtype=bool), rows.y, rows.weights)
        looks = _derivatives(points, spec, rows, model=model, shape=shape)
        answers.append([np.asarray(look)[: len(part.x) - start] for look in looks])
    return tuple(map(np.concatenate, zip(*answers, strict=True)))


@partial(jax.jit, static_argnames=("model", "shape"))
def _derivatives(points: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> tuple[Array, Array]:
    """Each row's log-likelihood, gradient and, of few parameters, Hessian at one vector; and its value at others."""

    def one(vector: Array) -> Array:
        return row_log_likelihoods(model, shape, lifted(model, shape, vector, spec, rows).values, spec, rows)

    columns = [one(points[0])[:, None], jax.jacfwd(one)(points[0])]
    if points.shape[1] <= CURVED:
        upper = np.triu_indices(points.shape[1])
        columns.append(jax.jacfwd(jax.jacfwd(one))(points[0])[:, *upper])
    return jnp.concatenate(columns, axis=1), jax.lax.map(one, points[1:]).T
