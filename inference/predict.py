"""y given x: the label posterior summarised, or moments and an interval of a numeric response."""

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


def predict(fit: "Fit", x: Any, *, interval: float = 0.9, seed: int = 0) -> xr.Dataset:
    """The posterior predictive P(y_i | x_i, D) of each row.

    A label: ``label``, the most probable, dims (row), and ``probability``, dims (row, label_name).
    A response: ``mean``, ``sd`` and the central ``interval`` from ``lower`` to ``upper``, dims (row), in the unit of y,
    from one draw of y a parameter draw, or 4,000 of a point estimate.
    """
    seed = whole(seed, "seed", 0)
    if not 0 < interval < 1:
        raise DataError(f"interval is a probability between 0 and 1, got {interval!r}.")
    if fit.shape.classes is not None:
        probability = np.exp(log_label_posterior(fit, x)).rename(label="label_name")
        best = probability.label_name.values[probability.argmax("label_name").values]
        return xr.Dataset({"label": ("row", best), "probability": probability})
    if fit.shape.generative:
        raise QueryError(f"{fit.model.name} has no P(y | x) to predict with; ask log_marginal(x).")
    values, columns = read_x(x, fit.schema)
    missing = np.argwhere(np.isnan(values))
    if len(missing):
        raise missing_feature(fit.model.name, missing[0][0], columns[missing[0][1]])
    params = fit.flat_params
    if fit.draws_shape == (1, 1):
        params = {name: np.repeat(value, 4000, axis=0) for name, value in params.items()}
    draws = len(next(iter(params.values())))
    size = min(1 << (len(values) - 1).bit_length(), max(1, CELLS // draws))
    parts = []
    with jax.enable_x64(True):
        for block, start in enumerate(range(0, len(values), size)):
            rows = values[start : start + size]
            padded = jnp.asarray(np.pad(rows, ((0, size - len(rows)), (0, 0)), mode="edge"))
            key = jax.random.fold_in(jax.random.key(seed), block)
            y = np.asarray(draw_rows(key, params, padded, fit.spec, model=fit.model, generative=False)["y"])
            y = y[:, : len(rows)]
            tail = (1 - interval) / 2
            parts.append([y.mean(0), y.std(0), *np.quantile(y, [tail, 1 - tail], axis=0)])
    answers = np.concatenate(parts, axis=1)
    names = ("mean", "sd", "lower", "upper")
    return xr.Dataset(
        {name: ("row", value) for name, value in zip(names, answers, strict=True)}, {"row": np.arange(len(values))}
    )
