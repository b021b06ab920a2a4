"""Exact compression: few weighted rows in place of many, wherever the likelihood cannot tell them apart.

A log-likelihood that is linear in a row sees only the mean of a group of rows, one that is quadratic only mean and
covariance, one that is a sum of products of parameters' and rows' functions the sums of the latter, and any sees only
how often a row occurs. Which of these a model is, is not declared but proved from its program (``separable``). What the
arithmetic makes of it is looked at, too: the same model function runs on the few rows and on a sample at several
parameters, and the two log-likelihoods may differ by a constant only.
"""

from collections.abc import Callable
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
from .separable import Visible, crossed, some_values, visible
from .standin import BLOCK, counted, from_moments, reweighted
from .structure import Structure
from .summary import Part, Summary, summary_of
from .support import are_known
from .target import lifted, log_likelihood

EXACT = 1e-9  # relative error of a difference of two log-likelihoods that counts as none
HARMLESS = 1e-3  # nats by which few rows may miss a difference of log-likelihoods near the mode
NEAR = 100.0  # nats from the mode that are near it
CURVED = 40  # free values up to which second derivatives are looked at, too
THROUGH = 700  # free values up to which derivatives are looked at at all
POINTS = 17  # free values, at the first of which there are derivatives, and at the others values
TOLD = 4  # free values of one scale, and as many of all scales, at which it is told whether these make up all
WORTH = 1_000  # rows from which on a reweighted part of them is looked for

MEAN, SPREAD = "the mean of each group", "mean and spread of each group"
COVARIANCE = "mean and covariance of each group"
GROUPWISE = {MEAN: mean_rows, SPREAD: spread_rows, COVARIANCE: sigma_points}


class Compressed(NamedTuple):
    """What compression came to: few rows, or None for all; the summary, with the covariances that it took; whether
    moments alone would not do; a sentence on what was done; and by how many nats the few rows miss differences of the
    log-likelihood between vectors near a mode and it, the first of them, as the sample tells.
    """

    part: Part | None
    summary: Summary
    needs_rows: bool
    said: str
    nats_off: Callable[[np.ndarray], float] | None = None


def compress(
    model: Declared,
    shape: Structure,
    spec: Spec,
    summary: Summary,
    vectors: np.ndarray,
    lay: Callable[..., Rows],
) -> Compressed:
    """The first stand-in for the rows that is proved to have their likelihood, and has it in float64.

    A group is the rows of one label with the same features missing. vectors: unconstrained parameters at which the
    summary's sample, with the extremes of each column, is compared with what it comes to.
    """
    few, count = summary.few, summary.rows
    sample = summary_of(few, summary.columns, summary.target, full=True)
    full, errors = lay(few), []
    likelihoods = partial(_log_likelihoods, spec=spec, model=model, shape=shape)
    values, vectors = _finite(likelihoods, vectors, full)
    for name, kind in _kinds(model, shape, spec, summary).items():
        small = kind(sample)
        if small is None or len(small.x) > len(few.x) // 2:
            continue
        rows = _padded_like(lay(small), full)
        errors.append(_difference(values, np.asarray(likelihoods(vectors, rows=rows))))
        if not errors[-1] <= EXACT:
            continue
        if name == COVARIANCE:
            summary = summary.with_covariances()
        if len(few.x) < count:
            small = kind(summary)
            if small is None or _leaves_the_support(likelihoods, vectors, values, lay(small)):
                continue
        where = "" if len(few.x) == count else f" on {len(few.x)} of them"
        said = f"{count} rows as {len(small.x)}, {name}: exact to {max(errors[-1], 1e-16):.1g}{where}"
        off = partial(_nats_off, likelihoods, full, rows, count / len(few.x))
        return Compressed(small, summary, name not in GROUPWISE or summary.hidden, said, off)
    return Compressed(None, summary, True, f"all {count} rows: {_why(model, shape, spec, summary, errors)}")


def _why(model: Declared, shape: Structure, spec: Spec, summary: Summary, errors: list[float]) -> str:
    if errors:
        return f"in float64, fewer stand for them to a share of {min(errors):.1g} of the log-likelihood only"
    if shape.classes and np.all(summary.label == len(summary.labels)):
        return "all labels are hidden, and few rows are alike"
    if _view(model, shape, spec, summary) is None:
        return f"the likelihood of {model.name} is no sum of products of parameters and rows, and few rows are alike"
    return "the likelihood sees so much of each that fewer would gain nothing"


def _view(model: Declared, shape: Structure, spec: Spec, summary: Summary, by: str = "by group") -> Visible | None:
    missing = by if not summary.seen[:, : spec.features].all() else ""
    return visible(model, shape, spec.features, spec.classes, spec.kinds, missing)


def _kinds(
    model: Declared, shape: Structure, spec: Spec, summary: Summary
) -> dict[str, Callable[[Summary], Part | None]]:
    """Ways to make few rows of a summary that are proved to be exact, the one with the fewest first."""
    view, kinds = _view(model, shape, spec, summary), {}
    # Moments do not tell a row that the model excludes; where it is not refused by name, rows are looked at.
    if view is not None and view.degree <= 2 and are_known(model, shape, spec.features, spec.classes, spec.kinds):
        name = MEAN if view.degree <= 1 else COVARIANCE if crossed(view, spec, shape.classes) else SPREAD
        kinds[name] = partial(from_moments, GROUPWISE[name], shape)
    kinds["equal rows counted"] = counted
    view = _view(model, shape, spec, summary, "by row")
    if view is not None and summary.rows >= WORTH and view.size <= THROUGH:
        each = partial(_each_row, view, spec, shape)
        kinds["some of the rows, reweighted"] = partial(reweighted, each, summary.few, summary.rows)
    return kinds


def _padded_like(rows: Rows, like: Rows) -> Rows:
    """The rows with as many of weight 0 as make them as many as others, where these are enough."""
    seen = np.ones(rows.x.shape, dtype=bool) if rows.seen is None and like.seen is not None else rows.seen
    rows, to = replace(rows, seen=seen), counts(like)
    fits = all(a <= b and (a > 0 or b == 0) for a, b in zip(counts(rows), to, strict=True))
    return padded(rows, to) if fits else padded(rows)


def _finite(likelihoods: Callable[..., Array], vectors: np.ndarray, full: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihoods at vectors, and these; at others, near 0, where a vague prior puts too many out of all range."""
    values = np.asarray(likelihoods(vectors, rows=full))
    if np.isfinite(values).sum() < 2:
        vectors = np.random.default_rng(0).normal(size=vectors.shape)
        values = np.asarray(likelihoods(vectors, rows=full))
    return values, vectors


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """How far the difference of two log-likelihoods is from a constant, relative to the first."""
    finite = np.isfinite(a) & np.isfinite(b)
    if finite.sum() < 2:
        return np.inf
    a, b = a[finite], b[finite]
    constant = (a - b)[np.abs(a).argmin()]
    return float(np.max(np.abs(a - b - constant) / np.maximum(np.abs(a), np.abs(a).min())))


def _leaves_the_support(likelihoods: Callable[..., Array], vectors: np.ndarray, values: np.ndarray, few: Rows) -> bool:
    """Whether few rows have no likelihood where the rows do: a mean and spread may be that of no row that there is."""
    return bool(np.any(np.isfinite(values) & ~np.isfinite(np.asarray(likelihoods(vectors, rows=few)))))


def _nats_off(likelihoods: Callable[..., Array], full: Rows, few: Rows, times: float, vectors: np.ndarray) -> float:
    """By how many nats, of as many rows as ``times`` the sample, differences from the first vector are missed.

    What rounding takes from log-likelihoods of this size, however many rows they are of, is not counted.
    """
    a, b = (np.asarray(likelihoods(vectors, rows=rows)) for rows in (full, few))
    near = np.abs(a - a[0]) * times < NEAR
    off = np.abs((a - b) - (a[0] - b[0]))[near]
    off = times * np.maximum(off - 8 * np.finfo(float).eps * np.abs(a[0]), 0.0)
    return float(off.max()) if np.isfinite(off).all() else np.inf


@partial(jax.jit, static_argnames=("model", "shape"))
def _log_likelihoods(vectors: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> Array:
    def one(vector: Array) -> Array:
        values = lifted(model, shape, vector, spec, rows).values
        return log_likelihood(model, shape, values, spec, rows)

    return jax.lax.map(one, vectors)


def _each_row(view: Visible, spec: Spec, shape: Structure, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Each row's log-likelihood at some free values, and its derivatives, (rows, columns), and itself at others, (rows,
    points); BLOCK rows at a time, for one program.
    """
    answers, u = [], some_values(POINTS + TOLD, view.size)
    u = np.concatenate([u, some_values(TOLD, view.size, scales=6)])
    for start in range(0, len(part.x), BLOCK):
        index = np.minimum(np.arange(start, start + BLOCK), len(part.x) - 1)
        block = part.take(index)
        rows = lay_out(block.x, block.y, shape, np.ones(BLOCK), np.asarray(spec.loc))
        there = np.ones(rows.x.shape, dtype=bool) if rows.seen is None and view.masked else rows.seen
        looks = _looks(u, spec, rows.x, there, rows.y, free=view.free)
        answers.append([np.asarray(look)[: len(part.x) - start] for look in looks])
    return tuple(map(np.concatenate, zip(*answers, strict=True)))


@partial(jax.jit, static_argnames="free")
def _looks(u: Array, spec: Spec, x: Array, seen: Array | None, y: Array, *, free: Callable) -> tuple[Array, Array]:
    each = jax.vmap(free, in_axes=(None, None, 0, None if seen is None else 0, 0))

    def one(u: Array) -> Array:
        return each(u, spec, x, seen, y)

    values = jax.lax.map(one, u).T
    columns = [values[:, :POINTS], jax.jacfwd(one)(u[0])]
    if u.shape[1] <= CURVED:
        upper = np.triu_indices(u.shape[1])
        columns.append(jax.jacfwd(jax.jacfwd(one))(u[0])[:, *upper])
    return jnp.concatenate(columns, axis=1), values[:, POINTS:]
