"""Exact compression: few weighted rows in place of many, wherever the likelihood cannot tell them apart.

A log-likelihood that is linear in a row sees only the mean of a group of rows, one that is quadratic only mean and
covariance, and any sees only how often a row occurs. Which of these a model is, is found out and not declared: the
same model function runs on the few rows and on all of them at several parameters, and the two log-likelihoods may
differ by a constant only.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..models.spec import Spec
from .declare import Declared
from .joint import Rows
from .moments import mean_rows, sigma_points, spread_rows
from .standin import by_moments, counted, reweighted, some, stand_in
from .structure import Structure
from .target import lifted, log_likelihood, row_log_likelihoods, what_the_table_decides

EXACT = 1e-9  # relative error of a difference of two log-likelihoods that counts as none
TRIED = 5_000  # rows on which a kind of compression is tried before it is applied to all
CHECKED = 100_000  # rows up to which the result is checked against all of them, too

POINTS = 256  # parameter points, half of which is the most features that are looked for
WORTH = 1_000  # rows from which on a reweighted part of them is looked for

GROUPWISE = {
    "the mean of each group": by_moments(mean_rows, full=False),
    "mean and spread of each group": by_moments(spread_rows, full=False),
    "mean and covariance of each group": by_moments(sigma_points, full=True),
    "equal rows counted": counted,
}


def compress(
    model: Declared, shape: Structure, spec: Spec, rows: Rows, vectors: np.ndarray, points: np.ndarray
) -> tuple[Rows, str]:
    """The first exact stand-in for the rows that is found, and a sentence on what was done.

    A group is the rows of one label with the same features missing. vectors: unconstrained parameters at which
    exactness is checked; points: others, from which the features of a row are made that a likelihood sees.
    Of more than TRIED rows a sample with the extremes of each column is tried, and of more than CHECKED rows that is
    the only check, as one of all rows would cost more than the fit.
    """
    keywords = {"model": model, "shape": shape}
    count, few = rows.x.shape[0], some(rows, TRIED)
    kinds = {name: partial(stand_in, kind, shape) for name, kind in GROUPWISE.items()}
    if count >= WORTH:
        each = partial(_each_row, points, spec, **keywords)
        kinds["some of the rows, reweighted"] = partial(reweighted, each, shape, few)
    least = np.inf
    for name, kind in kinds.items():
        small = kind(few)
        if small.x.shape[0] > few.x.shape[0] // 2:
            continue
        error = _difference(few, small, spec, vectors, **keywords)
        least = min(least, error)
        if not error <= EXACT:
            continue
        if not decide_alike(few, small, spec, vectors[0], **keywords):
            return rows, f"all {count} rows: a prior or a deterministic site of {model.name} looks at them"
        whole = small if few is rows else kind(rows)
        if few is not rows and count <= CHECKED:
            error = _difference(rows, whole, spec, vectors, **keywords)
        if error <= EXACT:
            return whole, f"{count} rows as {whole.x.shape[0]}, {name}: exact to {max(error, 1e-16):.1g}"
    if not np.isfinite(least):
        return rows, f"all {count} rows: too few to gain by less, or hidden labels and no two rows alike"
    return rows, f"all {count} rows: {model.name} tells apart what fewer would stand for (by {least:.1g} of its value)"


def _padded(rows: Rows, like: Rows) -> Rows:
    """The rows with as many of weight 0 as make them as many as ``like``, so that one compiled program does for all."""
    known, hidden = rows.y.shape[0], rows.x.shape[0] - rows.y.shape[0]
    more = (like.y.shape[0] - known, like.x.shape[0] - like.y.shape[0] - hidden)

    def pad(part: np.ndarray | None, mode: str) -> np.ndarray | None:
        if part is None:
            return None
        pieces = zip((part[:known], part[known:]), more, strict=True)
        return np.concatenate(
            [np.pad(p, [(0, n)] + [(0, 0)] * (p.ndim - 1), mode=mode) if len(p) else p for p, n in pieces]
        )

    weights = np.ones(rows.x.shape[0]) if rows.weights is None else rows.weights
    y = np.pad(rows.y, (0, more[0]), mode="edge") if known else rows.y
    return Rows(pad(rows.x, "edge"), pad(rows.seen, "edge"), y, pad(weights, "constant"))


def _difference(
    full: Rows, small: Rows, spec: Spec, vectors: np.ndarray, *, model: Declared, shape: Structure
) -> float:
    """How far the difference of the two log-likelihoods is from a constant, relative to the full one."""
    a, b = (
        np.asarray(_log_likelihoods(vectors, spec, rows, model=model, shape=shape))
        for rows in (_padded(full, full), _padded(small, full))
    )
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


def decide_alike(a: Rows, b: Rows, spec: Spec, vector: np.ndarray, **keywords: object) -> bool:
    """Whether priors, parameters and deterministic sites come out the same with either table."""
    decided = (jax.tree.leaves(what_the_table_decides(jnp.asarray(vector), spec, rows, **keywords)) for rows in (a, b))
    return all(np.allclose(one, other, rtol=1e-9, equal_nan=True) for one, other in zip(*decided, strict=True))


@partial(jax.jit, static_argnames=("model", "shape"))
def _each_row(vectors: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> Array:
    """log-likelihood of each row at each vector, (vectors, rows)."""

    def one(vector: Array) -> Array:
        return row_log_likelihoods(model, shape, lifted(model, shape, vector, spec, rows).values, spec, rows)

    return jax.lax.map(one, vectors)
