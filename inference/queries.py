"""Bayes' questions, as pure functions of a fit; the posterior-averaged answers integrate the joint.

P(x, y | D) = mean over draws of P(x, y | theta), and every other answer is Bayes' rule applied to it, so that
log P(x, y) = log P(y) + log P(x | y) = log P(x) + log P(y | x) holds for the averaged answers, too.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from numpyro import handlers

from .declare import Declared
from .errors import DataError, QueryError
from .joint import row_terms
from .progress import bar
from .table import missing_feature, read_labels, read_response, read_x

if TYPE_CHECKING:
    from .fit import Fit

BLOCK = 4096  # rows a compiled program sees at once; smaller tables are padded to a power of two


def _one_draw(
    values: dict,
    spec: Any,
    x: Array,
    seen: Array,
    y: Array,
    *,
    model: Declared,
    classes: int,
    partly: bool,
    sites: tuple[str, ...],
) -> Array:
    """log density of ``sites`` at (x_i, k) given theta for every label k, or at (x_i, y_i) where classes is 0."""

    def term(x: Array, seen: Array, y: Array) -> Array:
        reader = handlers.substitute(data=values)
        terms = row_terms(model, reader, spec, x, seen if partly else None, y)
        return sum(terms[name] for name in sites if name in terms)

    if classes == 0:
        return jax.vmap(term)(x, seen, y)[:, None]
    rows = jax.vmap(term, in_axes=(0, 0, None))
    return jax.vmap(lambda k: rows(x, seen, k))(jnp.arange(classes)).T


@partial(jax.jit, static_argnames=("model", "classes", "partly", "sites"))
def _averaged(params: dict, *data: Any, **static: Any) -> Array:
    """log mean over draws, (rows, max(classes, 1)); never holds more than one draw's answer."""

    def add(total: Array, values: dict) -> tuple[Array, None]:
        return jnp.logaddexp(total, _one_draw(values, *data, **static)), None

    draws = jax.tree.leaves(params)[0].shape[0]
    total, _ = jax.lax.scan(add, jnp.full((data[1].shape[0], max(static["classes"], 1)), -jnp.inf), params)
    return total - jnp.log(draws)


@partial(jax.jit, static_argnames=("model", "classes", "partly", "sites"))
def _each_draw(params: dict, *data: Any, **static: Any) -> Array:
    """The same for every draw: (rows, max(classes, 1), draws)."""
    return jnp.moveaxis(jax.lax.map(lambda values: _one_draw(values, *data, **static), params), 0, -1)


def in_blocks(
    fit: "Fit",
    over_draws: Callable,
    x: np.ndarray,
    y: np.ndarray,
    classes: int,
    sites: tuple[str, ...] = ("x", "y"),
) -> np.ndarray:
    """Answers of ``over_draws`` for all rows, a block of rows at a time."""
    missing = np.isnan(x)
    partly = bool(missing.any())
    if partly and not fit.shape.generative:
        i, j = np.argwhere(missing)[0]
        raise missing_feature(fit.model.name, i, fit.schema.columns[j])
    x = np.where(missing, np.asarray(fit.spec.loc), x)  # any finite value: what is missing is integrated out
    size = min(BLOCK, max(64, 1 << (len(x) - 1).bit_length()))
    answers = []
    with jax.enable_x64(True):
        for start in bar(range(0, len(x), size), desc="rows", unit_scale=size, unit=" rows"):
            stop = min(start + size, len(x))
            pad = ((0, size - (stop - start)), (0, 0))
            block = over_draws(
                fit.flat_params,
                fit.spec,
                jnp.asarray(np.pad(x[start:stop], pad, mode="edge")),
                jnp.asarray(np.pad(~missing[start:stop], pad, mode="edge")),
                jnp.asarray(np.pad(y[start:stop], pad[0], mode="edge")),
                model=fit.model,
                classes=classes,
                partly=partly,
                sites=sites,
            )
            answers.append(np.asarray(block)[: stop - start])
    return np.concatenate(answers)


def _per_label(fit: "Fit", values: np.ndarray, draws: bool, sites: tuple[str, ...] = ("x", "y")) -> xr.DataArray:
    codes = np.zeros(len(values), dtype=int)
    classes = fit.shape.classes or 1
    coords = {"row": np.arange(len(values)), "label": fit.label_coordinate}
    if not draws:
        return xr.DataArray(in_blocks(fit, _averaged, values, codes, classes, sites), coords, ("row", "label"))
    answer = in_blocks(fit, _each_draw, values, codes, classes, sites)
    answer = answer.reshape(*answer.shape[:2], *fit.draws_shape)
    return xr.DataArray(answer, coords, ("row", "label", "chain", "draw")).transpose("chain", "draw", "row", "label")


def log_likelihood(fit: "Fit", x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """log likelihood of each row under each draw, (chain, draw, row); y holds codes, -1 where the label is hidden."""
    if fit.shape.classes is None:
        each = in_blocks(fit, _each_draw, x, y, 0)[:, 0]
    else:
        per_label = in_blocks(fit, _each_draw, x, np.zeros(len(x), dtype=int), fit.shape.classes)
        known = per_label[np.arange(len(x)), y]
        each = np.where((y < 0)[:, None], np.logaddexp.reduce(per_label, axis=1), known)
    return np.moveaxis(each.reshape(len(x), *fit.draws_shape), 0, -1)


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
    return _per_label(fit, read_x(x, fit.schema)[0], draws)


def log_marginal(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(x_i) = log sum_k P(x_i, y = k), dims ([chain, draw,] row)."""
    needs_joint(fit, "log_marginal, P(x)")
    return _log_sum(_per_label(fit, read_x(x, fit.schema)[0], draws))


def log_label_prior(fit: "Fit", *, draws: bool = False) -> xr.DataArray:
    """log P(y = k), dims ([chain, draw,] label)."""
    needs_joint(fit, "log_label_prior, P(y)")
    any_row = np.asarray(fit.spec.loc)[None]
    return _per_label(fit, any_row, draws, sites=("y",)).isel(row=0, drop=True)


def log_class_conditional(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(x_i | y = k) = log P(x_i, k) - log P(k), dims ([chain, draw,] row, label)."""
    needs_joint(fit, "log_class_conditional, P(x | y)")
    answer = _per_label(fit, read_x(x, fit.schema)[0], draws)
    return (answer - log_label_prior(fit, draws=draws)).transpose(*answer.dims)


def log_label_posterior(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(y = k | x_i): the ratio of averaged joints, or the averaged conditional of a discriminative model."""
    if fit.shape.classes is None:
        raise QueryError(f"{fit.model.name} has no label; ask log_conditional(x, y) or predict(x).")
    answer = _per_label(fit, read_x(x, fit.schema)[0], draws)
    total = _log_sum(answer)
    lost = np.argwhere(~np.isfinite(total.transpose(..., "row").values))
    if len(lost):
        raise DataError(
            f"row {lost[0][-1]} is so far from every label that its density is 0 in float64; check its values."
        )
    return answer - total


def log_conditional(fit: "Fit", x: Any, y: Any) -> xr.DataArray:
    """log P(y_i | x_i) of the labels or responses given, for every model; dims (row)."""
    if fit.shape.classes is not None:
        posterior = log_label_posterior(fit, x)
        codes, _ = read_labels(y, fit.schema.labels)
        _same_length(codes, posterior.sizes["row"])
        if np.any(codes < 0):
            raise DataError(f"row {np.flatnonzero(codes < 0)[0]}: the label is missing; give one for every row.")
        return xr.DataArray(posterior.values[np.arange(len(codes)), codes], {"row": posterior.row}, ("row",))
    if fit.shape.generative:
        raise QueryError(f"{fit.model.name} has no P(y | x) in closed form; declare y as a label or model P(y | x).")
    values, _ = read_x(x, fit.schema)
    response = read_response(y, fit.schema.target)
    _same_length(response, len(values))
    return xr.DataArray(in_blocks(fit, _averaged, values, response, 0)[:, 0], {"row": np.arange(len(values))}, ("row",))


def assign(fit: "Fit", x: Any, *, soft: bool = False) -> xr.DataArray:
    """The most probable label of each row, dims (row); with ``soft`` the responsibilities P(y = k | x_i)."""
    posterior = log_label_posterior(fit, x)
    if soft:
        return np.exp(posterior)
    best = posterior.label.values[posterior.argmax("label").values]
    return xr.DataArray(best, {"row": posterior.row}, ("row",), name=fit.schema.target)


def _same_length(y: np.ndarray, rows: int) -> None:
    if len(y) != rows:
        raise DataError(f"x has {rows} rows but y has {len(y)}; give one y for every row.")


def _log_sum(joint: xr.DataArray) -> xr.DataArray:
    return xr.apply_ufunc(lambda a: np.logaddexp.reduce(a, axis=-1), joint, input_core_dims=[["label"]])
