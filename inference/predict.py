"""y given x: the label posterior summarised, or moments and an interval of a numeric response."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from .arviz import draw_rows
from .errors import DataError, QueryError
from .queries import log_label_posterior
from .table import missing_feature, read_x, whole

if TYPE_CHECKING:
    from .fit import Fit

CELLS = 4_000_000  # draws x rows held at a time
POINT_DRAWS = 4000  # draws of y for a point estimate


def predict(
    fit: "Fit", x: Any, *, draws: bool = False, interval: float = 0.9, seed: int = 0
) -> xr.Dataset | xr.DataArray:
    """The posterior predictive P(y_i | x_i, D) of each row, summarised or drawn from.

    A label: ``label``, the most probable, dims (row), and ``probability``, dims (row, label_name).
    A response: ``mean``, ``sd`` and the central ``interval`` from ``lower`` to ``upper``, dims (row), in the unit of y,
    from one draw of y a parameter draw, or 4,000 of a point estimate.
    With ``draws``: y itself, dims (chain, draw, row), as many as the fit has; 4,000 in one chain of a point estimate.
    """
    seed = whole(seed, "seed", 0)
    if not 0 < interval < 1:
        raise DataError(f"interval is a probability between 0 and 1, got {interval!r}.")
    shape = fit.draws_shape if fit.draws_shape != (1, 1) else (1, POINT_DRAWS)
    if fit.shape.classes is not None:
        probability = np.exp(log_label_posterior(fit, x))
        if draws:
            total = probability.values.cumsum(axis=1)
            uniform = np.random.default_rng(seed).random((*shape, len(total)))
            codes = sum((uniform > total[:, k]).astype(int) for k in range(total.shape[1] - 1))
            return _drawn(fit, fit.label_coordinate[codes])
        best = probability.label.values[probability.argmax("label").values]
        return xr.Dataset({"label": ("row", best), "probability": probability.rename(label="label_name")})
    if fit.shape.generative:
        raise QueryError(f"{fit.model.name} has no P(y | x) to predict with; ask log_marginal(x).")
    blocks = _response_draws(fit, x, seed)
    if draws:
        return _drawn(fit, np.concatenate(list(blocks), axis=1).reshape(*shape, -1))
    tail = (1 - interval) / 2
    parts = [[y.mean(0), y.std(0), *np.quantile(y, [tail, 1 - tail], axis=0)] for y in blocks]
    answers = dict(zip(("mean", "sd", "lower", "upper"), np.concatenate(parts, axis=1), strict=True))
    rows = np.arange(len(answers["mean"]))
    return xr.Dataset({name: ("row", value) for name, value in answers.items()}, {"row": rows})


def _drawn(fit: "Fit", values: np.ndarray) -> xr.DataArray:
    coords = {dim: np.arange(n) for dim, n in zip(("chain", "draw", "row"), values.shape, strict=True)}
    return xr.DataArray(values, coords, ("chain", "draw", "row"), name=fit.schema.target)


def _response_draws(fit: "Fit", x: Any, seed: int) -> Iterator[np.ndarray]:
    """Draws of y for a block of rows at a time, (draws, rows)."""
    values, columns = read_x(x, fit.schema)
    missing = np.argwhere(np.isnan(values))
    if len(missing):
        raise missing_feature(fit.model.name, missing[0][0], columns[missing[0][1]])
    params = fit.flat_params
    if fit.draws_shape == (1, 1):
        params = {name: np.repeat(value, POINT_DRAWS, axis=0) for name, value in params.items()}
    draws = len(next(iter(params.values())))
    size = min(1 << (len(values) - 1).bit_length(), max(1, CELLS // draws))
    for block, start in enumerate(range(0, len(values), size)):
        rows = values[start : start + size]
        with jax.enable_x64(True):
            padded = jnp.asarray(np.pad(rows, ((0, size - len(rows)), (0, 0)), mode="edge"))
            key = jax.random.fold_in(jax.random.key(seed), block)
            y = np.asarray(draw_rows(key, params, padded, fit.spec, model=fit.model, generative=False)["y"])
        yield y[:, : len(rows)]
