"""Bayes' questions, as pure functions of a fit; the posterior-averaged answers integrate the joint.

P(x, y | D) = mean over draws of P(x, y | theta), and every other answer is Bayes' rule applied to it, so that
log P(x, y) = log P(y) + log P(x | y) = log P(x) + log P(y | x) holds for the averaged answers, too.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from numpyro import handlers

from .errors import DataError, QueryError
from .joint import Declared, row_terms
from .table import missing_feature, read_labels, read_response, read_x

if TYPE_CHECKING:
    from .fit import Fit

BLOCK = 4096  # rows a compiled program sees at once; smaller tables are padded to a power of two


@partial(jax.jit, static_argnames=("model", "classes", "partly"))
def _averaged(params: dict, spec: Any, x: Array, seen: Array, y: Array, *, model: Declared, classes: int, partly: bool):
    """log mean over draws of P(x_i, y = k), or of P(y_i | x_i) where classes is 0; shape (rows, max(classes, 1))."""

    def one_draw(values: dict) -> Array:
        def term(x: Array, seen: Array, y: Array) -> Array:
            reader = handlers.substitute(data=values)
            return sum(row_terms(model, reader, spec, x, seen if partly else None, y).values())

        if classes == 0:
            return jax.vmap(term)(x, seen, y)[:, None]
        rows = jax.vmap(term, in_axes=(0, 0, None))
        return jax.vmap(lambda k: rows(x, seen, k))(jnp.arange(classes)).T

    def add(total: Array, values: dict) -> tuple[Array, None]:
        return jnp.logaddexp(total, one_draw(values)), None

    draws = jax.tree.leaves(params)[0].shape[0]
    total, _ = jax.lax.scan(add, jnp.full((x.shape[0], max(classes, 1)), -jnp.inf), params)
    return total - jnp.log(draws)


def _in_blocks(fit: "Fit", params: dict, x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    missing = np.isnan(x)
    partly = bool(missing.any())
    if partly and not fit.shape.generative:
        i, j = np.argwhere(missing)[0]
        raise missing_feature(fit.model.name, i, fit.schema.columns[j])
    x = np.where(missing, np.asarray(fit.spec.loc), x)  # any finite value: what is missing is integrated out
    size = min(BLOCK, max(64, 1 << (len(x) - 1).bit_length()))
    answers = []
    with jax.enable_x64(True):
        for start in range(0, len(x), size):
            stop = min(start + size, len(x))
            pad = ((0, size - (stop - start)), (0, 0))
            block = _averaged(
                params,
                fit.spec,
                jnp.asarray(np.pad(x[start:stop], pad, mode="edge")),
                jnp.asarray(np.pad(~missing[start:stop], pad, mode="edge")),
                jnp.asarray(np.pad(y[start:stop], pad[0], mode="edge")),
                model=fit.model,
                classes=classes,
                partly=partly,
            )
            answers.append(np.asarray(block)[: stop - start])
    return np.concatenate(answers)


def _per_label(fit: "Fit", x: Any, draws: bool) -> xr.DataArray:
    values, _ = read_x(x, fit.schema)
    codes = np.zeros(len(values), dtype=int)
    classes = fit.shape.classes or 1
    coords = {"row": np.arange(len(values)), "label": fit.label_coordinate}
    if not draws:
        answer = _in_blocks(fit, fit.flat_params, values, codes, classes)
        return xr.DataArray(answer, coords, ("row", "label"))
    chains, length = fit.draws_shape
    each = [
        _in_blocks(fit, {name: value[s : s + 1] for name, value in fit.flat_params.items()}, values, codes, classes)
        for s in range(chains * length)
    ]
    answer = np.stack(each).reshape(chains, length, len(values), classes)
    return xr.DataArray(answer, coords, ("chain", "draw", "row", "label"))


def _needs_joint(fit: "Fit", question: str) -> None:
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
    _needs_joint(fit, "log_joint, P(x, y)")
    return _per_label(fit, x, draws)


def log_marginal(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(x_i) = log sum_k P(x_i, y = k), dims ([chain, draw,] row)."""
    _needs_joint(fit, "log_marginal, P(x)")
    return _log_sum(_per_label(fit, x, draws))


def log_label_prior(fit: "Fit", *, draws: bool = False) -> xr.DataArray:
    """log P(y = k), dims ([chain, draw,] label)."""
    _needs_joint(fit, "log_label_prior, P(y)")
    nothing = np.full((1, len(fit.schema.columns)), np.nan)  # with every feature integrated out, P(x, y) is P(y)
    return _per_label(fit, nothing, draws).isel(row=0, drop=True)


def log_class_conditional(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(x_i | y = k) = log P(x_i, k) - log P(k), dims ([chain, draw,] row, label)."""
    _needs_joint(fit, "log_class_conditional, P(x | y)")
    answer = _per_label(fit, x, draws)
    return (answer - log_label_prior(fit, draws=draws)).transpose(*answer.dims)


def log_label_posterior(fit: "Fit", x: Any, *, draws: bool = False) -> xr.DataArray:
    """log P(y = k | x_i): the ratio of averaged joints, or the averaged conditional of a discriminative model."""
    if fit.shape.classes is None:
        raise QueryError(f"{fit.model.name} has no label; ask log_conditional(x, y) or predict(x).")
    answer = _per_label(fit, x, draws)
    return answer - _log_sum(answer)


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
    return xr.DataArray(
        _in_blocks(fit, fit.flat_params, values, response, 0)[:, 0], {"row": np.arange(len(values))}, ("row",)
    )


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
