"""y given x: the label posterior summarised, or moments and an interval of a numeric response."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from numpyro import handlers
from numpyro.distributions import Distribution, constraints

from .arviz import draw_rows
from .blocks import BLOCK, in_blocks
from .cells import whole
from .declare import Declared
from .errors import DataError, QueryError
from .joint import one_row
from .queries import log_label_posterior, rows_of
from .table import missing_feature

if TYPE_CHECKING:
    from .fit import Fit

CELLS = 4_000_000  # draws x rows held at a time
MOST = 2.0**62  # counts up to which a quantile is looked for
POINT_DRAWS = 4000  # draws of y for a point estimate


def predict(
    fit: "Fit", x: Any, *, draws: bool = False, interval: float = 0.9, seed: int = 0
) -> xr.Dataset | xr.DataArray:
    """The posterior predictive P(y_i | x_i, D) of each row, summarised or drawn from.

    A label: ``label``, the most probable, dims (row), and ``probability``, dims (row, label_name).
    A response: ``mean``, ``sd`` and the central ``interval`` from ``lower`` to ``upper``, dims (row), in the unit of y.
    Mean and sd are exact given the parameter draws (E y = E E(y | theta), Var y = E Var(y | theta) + Var E(y | theta));
    the interval is exact for a point estimate of a distribution with a quantile function, or of a count with a
    distribution function, else that of one draw of y a parameter draw, or of 4,000 of a point estimate.
    With ``draws``: y itself, dims (chain, draw, row), as many as the fit has; 4,000 in one chain of a point estimate.
    A discriminative model's draw of y is of the parameter draw at its place, so that rows vary together. A generative
    model's is of P(y_i | x_i, D), each row for itself, as every x_i is evidence about the parameters, too.
    """
    seed = whole(seed, "seed", 0)
    if not (isinstance(interval, int | float) and 0 < interval < 1):
        raise DataError(f"interval is a probability between 0 and 1, got {interval!r}.")
    if fit.shape.classes is not None:
        return _drawn_labels(fit, x, seed) if draws else _label_summary(fit, x)
    if fit.shape.generative:
        raise QueryError(f"{fit.model.name} has no P(y | x) to predict with; ask log_marginal(x).")
    values = rows_of(fit, x)
    missing = np.argwhere(np.isnan(values))
    if len(missing):
        raise missing_feature(fit.model.name, missing[0][0], fit.schema.columns[missing[0][1]])
    blocks = _response_draws(fit, values, seed)
    if draws:
        return _drawn(fit, np.concatenate(list(blocks), axis=1).reshape(*_axes(fit), -1))
    mean, variance = _moments_or_nan(fit, values)
    if not np.all(np.isfinite(variance)):
        raise QueryError(f"P(y | x) of {fit.model.name} has no mean or no variance; ask predict(x, draws=True).")
    tails = np.array([(1 - interval) / 2, (1 + interval) / 2])
    limits = _quantiles_of_a_point(fit, values, tails)
    if limits is None:
        limits = np.concatenate([np.quantile(y, tails, axis=0) for y in blocks], axis=1)
    answers = {"mean": mean, "sd": np.sqrt(variance), "lower": limits[0], "upper": limits[1]}
    return xr.Dataset({name: ("row", value) for name, value in answers.items()}, {"row": np.arange(len(values))})


def _axes(fit: "Fit") -> tuple[int, int]:
    return fit.draws_shape if fit.draws_shape != (1, 1) else (1, POINT_DRAWS)


def _label_summary(fit: "Fit", x: Any) -> xr.Dataset:
    probability = np.exp(log_label_posterior(fit, x))
    best = probability.label.values[probability.argmax("label").values]
    return xr.Dataset({"label": ("row", best), "probability": probability.rename(label="label_name")})


def _drawn_labels(fit: "Fit", x: Any, seed: int) -> xr.DataArray:
    values = rows_of(fit, x)
    rng, shape = np.random.default_rng(seed), _axes(fit)
    size = max(1, CELLS // (shape[0] * shape[1]))
    parts = []
    for start in range(0, len(values), size):
        total = np.exp(log_label_posterior(fit, values[start : start + size], draws=not fit.shape.generative)).cumsum(
            "label"
        )
        uniform = rng.random((*shape, total.sizes["row"]))
        # Label k where the uniform number lies between the sums up to k - 1 and up to k.
        steps = [uniform > total.isel(label=k).values for k in range(total.sizes["label"] - 1)]
        parts.append(np.sum(steps, axis=0, dtype=int))
    return _drawn(fit, fit.label_coordinate[np.concatenate(parts, axis=-1)])


def _drawn(fit: "Fit", values: np.ndarray) -> xr.DataArray:
    coords = {dim: np.arange(n) for dim, n in zip(("chain", "draw", "row"), values.shape, strict=True)}
    return xr.DataArray(values, coords, ("chain", "draw", "row"), name=fit.schema.target)


def _site_y(values: dict[str, Array], x: Array, spec: Any, model: Declared) -> Distribution:
    """P(y | x) of one row x (features,), as the distribution of the site."""
    with handlers.trace() as trace, handlers.substitute(data=values):
        model(x[None], jnp.zeros(1), one_row(spec))
    return trace["y"]["fn"]


def _moments_or_nan(fit: "Fit", values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    program = partial(_moments, fit.flat_params, fit.spec, model=fit.model)
    try:
        mean, variance = zip(*in_blocks(program, values), strict=True)
    except (NotImplementedError, ImportError):  # NumPyro has no formula for it
        return np.full(len(values), np.nan), np.full(len(values), np.nan)
    return np.concatenate(mean), np.concatenate(variance)


@partial(jax.jit, static_argnames=("model",))
def _moments(params: dict[str, Array], spec: Any, x: Array, *, model: Declared) -> tuple[Array, Array]:
    """Mean and variance of y in each row over all draws."""

    def each(values: dict[str, Array]) -> tuple[Array, Array]:
        def row(x: Array) -> tuple[Array, Array]:
            y = _site_y(values, x, spec, model)
            return y.mean.reshape(()), y.variance.reshape(())

        return jax.vmap(row)(x)

    origin, _ = each(jax.tree.map(lambda value: value[0], params))  # distances from it lose no digits when squared

    def add(sums: tuple[Array, Array], values: dict[str, Array]) -> tuple[tuple[Array, Array], None]:
        mean, variance = each(values)
        return (sums[0] + (mean - origin), sums[1] + variance + (mean - origin) ** 2), None

    draws = jax.tree.leaves(params)[0].shape[0]
    (first, second), _ = jax.lax.scan(add, (jnp.zeros_like(origin), jnp.zeros_like(origin)), params)
    return origin + first / draws, second / draws - (first / draws) ** 2


def _quantiles_of_a_point(fit: "Fit", values: np.ndarray, tails: np.ndarray) -> np.ndarray | None:
    """Quantiles of P(y | x) at a point, (tails, rows); None of several draws, or where NumPyro has no formula."""
    if fit.draws_shape != (1, 1):
        return None
    point = {name: value[0] for name, value in fit.flat_params.items()}
    program = partial(_quantiles, point, fit.spec, tails, model=fit.model)
    try:
        return np.concatenate(list(in_blocks(program, values))).T
    except (NotImplementedError, ImportError):  # NumPyro has no formula for it
        return None


@partial(jax.jit, static_argnames=("model",))
def _quantiles(point: dict[str, Array], spec: Any, tails: Array, x: Array, *, model: Declared) -> Array:
    def row(x: Array) -> Array:
        y = _site_y(point, x, spec, model)
        quantile = partial(_count_quantile, y) if y.support is constraints.nonnegative_integer else y.icdf
        return quantile(tails[:, None]).reshape(tails.shape)

    return jax.vmap(row)(x)


def _count_quantile(y: Distribution, tails: Array) -> Array:
    """The least count whose P(y <= count) is a tail's: doubled until it is, then halved; NumPyro has no formula."""
    low, high = -jnp.ones_like(tails), jnp.ones_like(tails)

    def short(ends: tuple[Array, Array]) -> Array:
        return y.cdf(ends[1]) < tails

    def further(ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        return jnp.where(short(ends), high, low), jnp.where(short(ends), 2 * high, high)

    def halved(ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = jnp.floor(sum(ends) / 2)
        enough = y.cdf(middle) >= tails
        return jnp.where(enough, ends[0], middle), jnp.where(enough, middle, ends[1])

    ends = jax.lax.while_loop(lambda ends: jnp.any(short(ends) & (ends[1] < MOST)), further, (low, high))
    return jax.lax.while_loop(lambda ends: jnp.any(ends[1] - ends[0] > 1), halved, ends)[1]


def _response_draws(fit: "Fit", values: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Draws of y for a block of rows at a time, (draws, rows)."""
    params = fit.flat_params
    if fit.draws_shape == (1, 1):
        params = {name: np.repeat(value, POINT_DRAWS, axis=0) for name, value in params.items()}
    draws = len(next(iter(params.values())))
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), draws)
    program = partial(draw_rows, keys, params, fit.spec, model=fit.model, generative=False)
    for block in in_blocks(program, np.arange(len(values)), values, most=max(1, min(BLOCK, CELLS // draws))):
        yield block["y"].T
