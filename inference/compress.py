"""Exact compression: few weighted rows in place of many, wherever the likelihood cannot tell them apart.

A log-likelihood that is linear in a row sees only the mean of a group of rows, one that is quadratic only mean and
covariance, one that is a sum of products of parameters' and rows' functions the sums of the latter, and any sees only
how often a row occurs. Which of these a model is, is not declared but proved from its program (``separable``). What the
arithmetic makes of it is looked at, too: the same model function runs on the few rows and on a sample at several
parameters, and the two log-likelihoods may differ by a constant only.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..models.spec import Spec
from .declare import Declared
from .forms import ALL
from .joint import Rows, counts, lay_out, padded
from .moments import mean_rows, sigma_points, spread_rows, whole_rows
from .separable import Visible, crossed, some_values, visible
from .standin import BLOCK, counted, few_different, from_moments, reweighted
from .structure import Structure
from .summary import Part, Summary, summary_of
from .support import are_known
from .target import lifted, log_likelihood, row_log_likelihoods

EXACT = 1e-9  # relative error of a difference of two log-likelihoods that counts as none
CURVED = 40  # free values up to which second derivatives are looked at, too
THROUGH = 700  # free values, or columns, up to which derivatives, or means in whole numbers, are looked at at all
POINTS = 17  # free values at which features are made
SMALL = 1e-9  # of free values, so small that what they are multiplied with is nothing beside what stands alone
TOLD = 4  # free values, as many of each of SCALES, at which it is told whether these make up all
SCALES = 0.0, 6.0, 12.0
ROWS = 65_536  # that are looked at at a time
WORTH = 1_000  # rows from which on a reweighted part of them is looked for

COUNTED = "equal rows counted"
MEAN, SPREAD = "the mean of each group", "mean and spread of each group"
COVARIANCE = "mean and covariance of each group"
WHOLE = "the mean of each group in whole numbers"
GROUPWISE = {MEAN: mean_rows, WHOLE: whole_rows, SPREAD: spread_rows, COVARIANCE: sigma_points}


class Compressed(NamedTuple):
    """What compression came to: few rows, or None for all; the summary, with the covariances that it took; whether
    moments alone would not do; a sentence on what was done; and by how many nats a width of the posterior the few rows
    miss the slope of the log-likelihood, of vectors and a matrix of widths, as the sample tells: None of counted rows,
    which are the rows themselves.
    """

    part: Part | None
    summary: Summary
    needs_rows: bool
    said: str
    nats_off: Callable[[np.ndarray, np.ndarray], float] | None = None


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
    excluded = cache(partial(_excludes_a_row, model, shape, spec, summary, vectors[np.isfinite(values)], full))
    for name, kind in _kinds(model, shape, spec, summary).items():
        small = kind(sample)
        if small is None or (name != COUNTED and len(small.x) > len(few.x) // 2):
            continue
        rows = _padded_like(lay(small), full)
        errors.append(_difference(values, np.asarray(likelihoods(vectors, rows=rows))))
        if not errors[-1] <= EXACT:
            continue
        if name == COVARIANCE:
            summary = summary.with_covariances()
        if len(few.x) < count:
            small = kind(summary)
            if small is None or 2 * len(small.x) > count:
                continue
            if _leaves_the_support(likelihoods, vectors, values, lay(small)) or (name in GROUPWISE and excluded()):
                continue
        where = "" if len(few.x) == count else f" on {len(few.x)} of them"
        said = f"{count} rows as {len(small.x)}, {name}: exact to {max(errors[-1], 1e-16):.1g}{where}"
        slopes = partial(_slopes, spec=spec, model=model, shape=shape)
        off = None if name == COUNTED else partial(_nats_off, slopes, full, rows, count / len(few.x))
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
    known = are_known(model, shape, spec.features, spec.classes, spec.kinds)
    if view is not None and view.degree <= 2 and known and not view.guarded:
        kinds |= {name: partial(from_moments, GROUPWISE[name], shape) for name in _moments(view, spec, shape)}
    if few_different(summary):
        kinds[COUNTED] = counted
    view = _view(model, shape, spec, summary, "by row")
    if view is not None and summary.rows >= WORTH and view.size <= THROUGH:
        each = partial(_each_row, view, spec, shape)
        kinds["some of the rows, reweighted"] = partial(reweighted, each, summary.few, summary.rows)
    return kinds


def may_exclude_rows(model: Declared, shape: Structure, spec: Spec, summary: Summary) -> bool:
    """Whether a model may exclude rows that lie in its supports, which moments would not tell.

    What does not depend on theta does so, as where an exposure is 0, unless it is a polynomial.
    """
    view = _view(model, shape, spec, summary)
    return view is None or view.alone >= ALL


def row_without_density(
    model: Declared, shape: Structure, spec: Spec, summary: Summary, values: dict[str, np.ndarray]
) -> str | None:
    """The name of the first row with a known label that has no density at some values of the sites; None of none.

    None, too, where rows are no longer at hand.
    """
    for part in summary.parts() if summary.sources is not None else ():
        known = np.flatnonzero(part.y >= 0) if shape.classes else np.arange(len(part.x))
        for start in range(0, len(known), ROWS):
            index = known[start : start + ROWS]
            some = part.take(index)
            rows = padded(lay_out(some.x, some.y, shape, None, np.asarray(spec.loc)))
            bad = np.flatnonzero(~np.isfinite(_each(values, spec, rows, model=model, shape=shape)[: len(index)]))
            if len(bad):
                return str(part.name(index[bad[0]]))
    return None


@partial(jax.jit, static_argnames=("model", "shape"))
def _each(values: dict[str, Array], spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> Array:
    return row_log_likelihoods(model, shape, values, spec, rows)


def _excludes_a_row(
    model: Declared, shape: Structure, spec: Spec, summary: Summary, vectors: np.ndarray, few: Rows
) -> bool:
    if not may_exclude_rows(model, shape, spec, summary):
        return False
    values = lifted(model, shape, jnp.asarray(vectors[0]), spec, few).values
    return row_without_density(model, shape, spec, summary, values) is not None


def _moments(view: Visible, spec: Spec, shape: Structure) -> tuple[str, ...]:
    """Which moments a likelihood of degree two at most sees."""
    if view.degree > 1:
        return (COVARIANCE,) if crossed(view, spec, shape.classes) else (SPREAD,)
    return (MEAN, WHOLE) if spec.features <= THROUGH else (MEAN,)  # of a mean in whole numbers, rows are many


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


def _nats_off(
    slopes: Callable[..., Array], full: Rows, few: Rows, times: float, vectors: np.ndarray, widths: np.ndarray
) -> float:
    """How far slopes at vectors, of as many rows as ``times`` the sample, are off along any column of ``widths``.

    But for an EXACT share of slopes, which far from the mode are large. Infinite where the first vector has no slope.
    """
    a, b = (times * np.asarray(slopes(vectors, rows=rows)) for rows in (full, few))
    there = np.isfinite(a).all(axis=1)
    if not there[0]:
        return np.inf
    a, b = (part[there] @ widths for part in (a, b))
    off = np.abs(a - b).max(axis=1, initial=0.0) - EXACT * np.abs(a).max(axis=1, initial=0.0)
    return float(off.max(initial=0.0)) if np.isfinite(off).all() else np.inf


@partial(jax.jit, static_argnames=("model", "shape"))
def _log_likelihoods(vectors: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> Array:
    return jax.lax.map(partial(_log_likelihood, spec=spec, rows=rows, model=model, shape=shape), vectors)


@partial(jax.jit, static_argnames=("model", "shape"))
def _slopes(vectors: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure) -> Array:
    """Gradients of the log-likelihood, (vectors, parameters)."""
    one = partial(_log_likelihood, spec=spec, rows=rows, model=model, shape=shape)
    return jax.lax.map(jax.grad(one), vectors)


def _log_likelihood(vector: Array, spec: Spec, rows: Rows, model: Declared, shape: Structure) -> Array:
    return log_likelihood(model, shape, lifted(model, shape, vector, spec, rows).values, spec, rows)


def _each_row(view: Visible, spec: Spec, shape: Structure, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Each row's log-likelihood at some free values, and its derivatives, (rows, columns), and itself at others, (rows,
    points); BLOCK rows at a time, for one program.

    Derivatives are taken where free values are about 1 and, as in (y - w x)^2 a large x would hide y there, where they
    are SMALL, so that each product of cells has a column in which it stands out.
    """
    answers, u = [], some_values(POINTS, view.size)
    told = np.concatenate([some_values(TOLD, view.size, scales=scales) for scales in SCALES])
    u = np.concatenate([u[:1], SMALL * u[:1], u[1:], told])
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
    def of_all(one: Callable) -> Callable:
        each = jax.vmap(one, in_axes=(None, None, 0, None if seen is None else 0, 0))
        return lambda u: each(u, spec, x, seen, y)

    first = jax.grad(free)
    values = jax.lax.map(of_all(free), u).T
    columns = [values[:, : POINTS + 1], *jax.lax.map(of_all(first), u[:2])]
    if u.shape[1] <= CURVED:
        upper = np.triu_indices(u.shape[1])
        columns += [second[:, *upper] for second in jax.lax.map(of_all(jax.jacfwd(first)), u[:2])]
    return jnp.concatenate(columns, axis=1), values[:, POINTS + 1 :]
