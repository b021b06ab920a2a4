"""Bayes' questions, as pure functions of a fit; the posterior-averaged answers integrate the joint.

P(x, y | D) = mean over draws of P(x, y | theta), and every other answer is Bayes' rule applied to it, so that
log P(x, y) = log P(y) + log P(x | y) = log P(x) + log P(y | x) holds for the averaged answers, too.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from .blocks import BLOCK, in_blocks, wider
from .cells import row_name
from .densities import averaged, each_draw
from .errors import DataError, QueryError
from .fewdraws import averaged_by_few
from .labels import read_labels, read_response
from .support import Kind, integrates_missing, kinds, refuse_x, refuse_y
from .table import missing_feature, read_x

if TYPE_CHECKING:
    from .fit import Fit

PATTERNS = 8  # sets of missing features up to which the rows of each are asked about by themselves


def ask(
    fit: "Fit",
    over_draws: Callable,
    x: np.ndarray,
    y: np.ndarray | None = None,
    question: str = "joint",
    sites: tuple[str, ...] = ("x", "y"),
) -> np.ndarray:
    """Answers of ``over_draws`` for all rows: for every label, or at y where it is given."""
    partly = has_missing(x)
    if partly and not can_miss_features(fit):
        i, j = np.argwhere(np.isnan(x))[0]
        raise missing_feature(fit.model.name, i, fit.schema.columns[j], fit.shape.generative)
    parts = _by_missing(x) if partly else []
    if len(parts) > 1:
        answers = (ask(fit, over_draws, x[i], None if y is None else y[i], question, sites) for i in parts)
        return _in_order(parts, answers)

    y, classes = (np.zeros(len(x), dtype=int), fit.shape.classes or 1) if y is None else (y, 0)
    with jax.enable_x64(True):
        params = {name: jnp.asarray(value) for name, value in fit.flat_params.items()}
    alike = partly and bool(np.all(np.isnan(x) == np.isnan(x[0])))
    static = {"model": fit.model, "classes": classes, "sites": sites, "question": question}
    static |= {"partly": partly, "alike": alike}
    if over_draws is averaged:
        answer = averaged_by_few(params, fit.spec, x, y, **static)
        if answer is not None:
            return answer
    most = BLOCK * wider() if over_draws is averaged else BLOCK  # an answer for each draw takes memory
    return np.concatenate(list(in_blocks(partial(over_draws, params, fit.spec, **static), x, y, most=most)))


def rows_of(fit: "Fit", x: Any) -> np.ndarray:
    """A table that a fit is asked about, (rows, features). Raises DataError where it is none that the model takes."""
    values, columns, _ = read_x(x, fit.schema)
    refuse_x(_kinds(fit), fit.model.name, values, columns, partial(row_name, x))
    return values


def response_of(fit: "Fit", y: Any) -> np.ndarray:
    """Responses that a fit is asked about, (rows,). Raises DataError where one is none that the model takes."""
    response = read_response(y, fit.schema.target)
    refuse_y(_kinds(fit), fit.model.name, response, fit.schema.target, partial(row_name, y))
    return response


def _kinds(fit: "Fit") -> dict[str, Kind]:
    return kinds(fit.model, fit.shape, fit.spec.features, fit.spec.classes, fit.spec.kinds)


def _in_order(parts: list[np.ndarray], answers: Iterator[np.ndarray]) -> np.ndarray:
    """Answers of all rows, from those of parts of them; holds no more than all and one part."""
    for number, (rows, answer) in enumerate(zip(parts, answers, strict=True)):
        if number == 0:
            every = np.empty((sum(map(len, parts)), *answer.shape[1:]))
        every[rows] = answer
    return every


def can_miss_features(fit: "Fit") -> bool:
    """Whether rows may be asked about that miss some."""
    return integrates_missing(fit.model, fit.shape, fit.spec.features, fit.spec.classes, fit.spec.kinds)


def has_missing(x: np.ndarray) -> bool:
    return any(np.isnan(x[start : start + BLOCK]).any() for start in range(0, len(x), BLOCK))


def _by_missing(x: np.ndarray) -> list[np.ndarray]:
    """Numbers of the rows that miss the same features, where these are few sets; else of whole rows and of others."""
    missing = np.isnan(x)
    sets = np.unique(missing[:BLOCK], axis=0)  # sorting all rows takes longer than asking a point fit about them
    if len(sets) <= PATTERNS:
        parts = [np.flatnonzero((missing == one).all(axis=1)) for one in sets]
        if sum(map(len, parts)) == len(x):
            return parts
    partly = missing.any(axis=1)
    return [rows for rows in map(np.flatnonzero, (~partly, partly)) if len(rows)]


def _per_label(
    fit: "Fit", x: np.ndarray, draws: bool, question: str, sites: tuple[str, ...] = ("x", "y")
) -> xr.DataArray:
    coords = {"row": np.arange(len(x)), "label": fit.label_coordinate}
    if question == "marginal":
        del coords["label"]
    dims = tuple(coords)
    answer = ask(fit, each_draw if draws else averaged, x, None, question, sites)
    answer = answer[:, 0] if question == "marginal" else answer
    if not draws:
        return xr.DataArray(answer, coords, dims)
    answer = answer.reshape(*answer.shape[:-1], *fit.draws_shape)
    return xr.DataArray(answer, coords, (*dims, "chain", "draw")).transpose("chain", "draw", *dims)


def log_likelihood(fit: "Fit", x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """log likelihood of each row under each draw, (chain, draw, row); y holds codes, -1 where the label is hidden."""
    hidden = y < 0 if fit.shape.classes is not None else np.zeros(len(x), dtype=bool)
    each = np.empty((len(x), *fit.draws_shape))
    flat = each.reshape(len(x), -1)
    if not hidden.all():
        flat[~hidden] = ask(fit, each_draw, x[~hidden], y[~hidden])[:, 0]
    if hidden.any():
        flat[hidden] = ask(fit, each_draw, x[hidden], question="marginal")[:, 0]
    return np.moveaxis(each, 0, -1)


def needs_joint(fit: "Fit", question: str) -> None:
    if not fit.shape.generative:
        raise QueryError(
            f"{fit.model.name} declares P(y | x) only, so it cannot answer {question}; fit a generative model, "
            "such as gaussian_naive_bayes, or ask log_conditional(x, y)."
        )
    if fit.shape.has_y and fit.shape.classes is None:
        raise QueryError(
            f"{fit.model.name} has a numeric y, so it cannot answer {question}; ask log_conditional(x, y)."
        )


def log_joint(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(x_i, y = k), dims ([chain, draw,] row, label)."""
    needs_joint(fit, "log_joint, P(x, y)")
    return _per_label(fit, rows_of(fit, x), draws, "joint")


def log_marginal(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(x_i) = log sum_k P(x_i, y = k), dims ([chain, draw,] row)."""
    needs_joint(fit, "log_marginal, P(x)")
    return _per_label(fit, rows_of(fit, x), draws, "marginal")


def log_label_prior(fit: "Fit", *, draws: bool = False) -> xr.DataArray:
    """log P(y = k), dims ([chain, draw,] label)."""
    needs_joint(fit, "log_label_prior, P(y)")
    any_row = np.asarray(fit.spec.loc)[None]
    return _per_label(fit, any_row, draws, "joint", sites=("y",)).isel(row=0, drop=True)


def log_class_conditional(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(x_i | y = k) = log P(x_i, k) - log P(k), dims ([chain, draw,] row, label)."""
    needs_joint(fit, "log_class_conditional, P(x | y)")
    answer = _per_label(fit, rows_of(fit, x), draws, "joint")
    return (answer - log_label_prior(fit, draws=draws)).transpose(*answer.dims)


def label_likelihood(fit: "Fit", x: Any) -> xr.DataArray:
    """log E[P(x_i | y = k, theta) | D], dims (row, label): P(x | y) where the label is no evidence about P(y)."""
    return _per_label(fit, rows_of(fit, x), False, "joint", sites=("x",))


def log_label_posterior(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(y = k | x_i): the ratio of averaged joints, or the averaged conditional of a discriminative model."""
    if fit.shape.classes is None:
        raise QueryError(f"{fit.model.name} has no label; ask log_conditional(x, y) or predict(x).")
    answer = _per_label(fit, rows_of(fit, x), draws, "posterior")
    lost = np.isnan(answer.values)  # 0 / 0
    if lost.any():
        row = lost.nonzero()[-2][0]
        raise DataError(f"row {row} is so far from every label that its density is 0 in float64; check its values.")
    return answer


def log_conditional(fit: "Fit", x: Any, y: Any) -> xr.DataArray:
    """log P(y_i | x_i) of the labels or responses given, for every model; dims (row)."""
    if fit.shape.classes is not None:
        posterior = log_label_posterior(fit, x)
        codes, _ = read_labels(y, fit.schema.labels)
        same_length(codes, posterior.sizes["row"])
        if np.any(codes < 0):
            raise DataError(f"row {np.flatnonzero(codes < 0)[0]}: the label is missing; give one for every row.")
        return xr.DataArray(posterior.values[np.arange(len(codes)), codes], {"row": posterior.row}, ("row",))
    if fit.shape.generative:
        raise QueryError(f"{fit.model.name} has no P(y | x) in closed form; declare y as a label or model P(y | x).")
    values = rows_of(fit, x)
    response = response_of(fit, y)
    same_length(response, len(values))
    return xr.DataArray(ask(fit, averaged, values, response)[:, 0], {"row": np.arange(len(values))}, ("row",))


def assign(fit: "Fit", x: Any, *, soft: bool = False) -> xr.DataArray:
    """The most probable label of each row, dims (row); with ``soft`` the responsibilities P(y = k | x_i)."""
    posterior = log_label_posterior(fit, x)
    if soft:
        return np.exp(posterior)
    best = posterior.label.values[posterior.argmax("label").values]
    return xr.DataArray(best, {"row": posterior.row}, ("row",), name=fit.schema.target)


def same_length(y: np.ndarray, rows: int) -> None:
    """Raise DataError where y is not of as many rows as x."""
    if len(y) != rows:
        raise DataError(f"x has {rows} rows but y has {len(y)}; give one y for every row.")
