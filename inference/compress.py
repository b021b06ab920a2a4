"""Exact compression: few weighted rows in place of many, wherever the likelihood cannot tell them apart.

A log-likelihood that is linear in a row sees only the mean of a group of rows, one that is quadratic only mean and
covariance, and any sees only how often a row occurs. Which of these a model is, is found out and not declared: the
same model function runs on the few rows and on all of them at several parameters, and the two log-likelihoods may
differ by a constant only.
"""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np
from jax import Array

from ..models.spec import Spec
from .declare import Declared
from .joint import Rows, counts, lay_out, padded
from .moments import mean_rows, sigma_points, spread_rows
from .standin import BLOCK, counted, from_moments, reweighted
from .structure import Structure
from .summary import Part, Summary, joined, summary_of
from .target import lifted, log_likelihood, row_log_likelihoods

EXACT = 1e-9  # relative error of a difference of two log-likelihoods that counts as none
CHECKED = 100_000  # rows up to which the result is checked against all of them, too

POINTS = 256  # parameter points, half of which is the most features that are looked for
WORTH = 1_000  # rows from which on a reweighted part of them is looked for

GROUPWISE = {
    "the mean of each group": mean_rows,
    "mean and spread of each group": spread_rows,
    "mean and covariance of each group": sigma_points,
}


def compress(
    model: Declared,
    shape: Structure,
    spec: Spec,
    summary: Summary,
    vectors: np.ndarray,
    points: np.ndarray,
    lay: Callable[[Part], Rows],
) -> tuple[Part | None, bool, str]:
    """The first exact stand-in for the rows that is found, None for all rows; whether rows and not moments alone made
    it; and a sentence on what was done.

    A group is the rows of one label with the same features missing. vectors: unconstrained parameters at which
    exactness is checked; points: others, from which the features of a row are made that a likelihood sees.
    The summary's sample, with the extremes of each column, is tried, and of more than CHECKED rows that is the only
    check, as one of all rows would cost more than the fit.
    """
    few, count = summary.few, summary.rows
    sample = summary_of(few, summary.columns, summary.target, full=True)
    full, errors = lay(few), []
    likelihoods = partial(_log_likelihoods, np.asarray(vectors), spec, model=model, shape=shape)
    for name, kind in _kinds(model, shape, spec, points, few, count).items():
        small = kind(sample)
        if small is None or len(small.x) > len(few.x) // 2:
            continue
        errors.append(_difference(likelihoods, full, lay(small)))
        if not errors[-1] <= EXACT:
            continue
        if len(few.x) < count:
            small = kind(summary)
        error = errors[-1]
        if small is not None and len(few.x) < count <= CHECKED and summary.in_memory:
            every = lay(joined(list(summary.parts())))
            error = _difference(likelihoods, every, lay(small))
        if small is not None and error <= EXACT:
            by_rows = name not in GROUPWISE or (shape.classes and np.any(summary.label == len(summary.labels)))
            return small, bool(by_rows), f"{count} rows as {len(small.x)}, {name}: exact to {max(error, 1e-16):.1g}"
    least = min(errors, default=np.inf)
    if not np.isfinite(least):
        return None, True, f"all {count} rows: too few to gain by less, or hidden labels and no two rows alike"
    return (
        None,
        True,
        f"all {count} rows: {model.name} tells apart what fewer would stand for (by {least:.1g} of its value)",
    )


def _kinds(
    model: Declared, shape: Structure, spec: Spec, points: np.ndarray, few: Part, count: int
) -> dict[str, Callable[[Summary], Part | None]]:
    """Ways to make few rows of a summary, the one with the fewest first."""
    kinds = {name: partial(from_moments, rows, shape) for name, rows in GROUPWISE.items()}
    kinds["equal rows counted"] = lambda of: counted(of.parts())
    if count >= WORTH:
        partly = bool(np.isnan(few.x).any())
        each = partial(_each_row, np.asarray(points), spec, model, shape, partly)
        kinds["some of the rows, reweighted"] = lambda of: reweighted(each, few, of.parts())
    return kinds


def _difference(likelihoods: Callable[[Rows], Array], full: Rows, small: Rows) -> float:
    """How far the difference of the two log-likelihoods is from a constant, relative to the full one."""
    # Rows of weight 0 make them as many, so that one compiled program does for both.
    fits = all(0 <= a <= b and (a > 0) == (b > 0) for a, b in zip(counts(small), counts(full), strict=True))
    a, b = (np.asarray(likelihoods(rows)) for rows in (full, padded(small, counts(full)) if fits else small))
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
) -> np.ndarray:
    """log-likelihood of each row at each point, (rows, points); BLOCK rows at a time, for one program.

    The rows are all known or all hidden, so that they come out in their order.
    """
    answers = []
    for start in range(0, len(part.x), BLOCK):
        index = np.minimum(np.arange(start, start + BLOCK), len(part.x) - 1)
        block = part.take(index)
        rows = lay_out(block.x, block.y, shape, np.ones(BLOCK), np.asarray(spec.loc))
        if partly and rows.seen is None:
            rows = Rows(rows.x, np.ones(rows.x.shape, dtype=bool), rows.y, rows.weights)
        values = np.asarray(_at_points(points, spec, rows, model=model, shape=shape)).T
        answers.append(values[: len(part.x) - start])
    return np.concatenate(answers)


@partial(jax.jit, static_argnames=("model", "shape"))
def _at_points(points: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> Array:
    """log-likelihood of each row at each vector, (points, rows)."""

    def one(vector: Array) -> Array:
        return row_log_likelihoods(model, shape, lifted(model, shape, vector, spec, rows).values, spec, rows)

    return jax.lax.map(one, points)
