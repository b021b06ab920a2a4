"""Missing features filled in: P(x_missing | x_seen, D), or P(x_missing | x_seen, y, D) where the label is known."""

from collections.abc import Iterator
from functools import partial, singledispatch
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jax import Array
from numpyro import distributions as dist
from numpyro import handlers
from scipy.special import log_softmax

from ..models.columns import Columns
from ..models.spec import Spec
from .blocks import in_blocks
from .cells import whole
from .declare import Declared
from .errors import DataError, ModelError
from .joint import one_row
from .labels import read_labels
from .missing import log_prob_seen
from .progress import bar
from .queries import can_miss_features, log_joint, needs_joint, rows_of
from .table import COUNTS, in_own_kind

if TYPE_CHECKING:
    from .fit import Fit

AT_ONCE = 64  # rows that a program fills in: tables of few rows with holes and of many share it
CELLS = 4_000_000  # draws x rows x labels or features held at a time


@singledispatch
def draw_missing(fn: dist.Distribution, key: Array, value: Array, seen: Array) -> Array:
    """One row's features, (1, features), those that were seen as they are, the others drawn given them.

    Of independent features, a draw of these; another kind registers its own rule, as for ``log_prob_seen``.
    """
    if fn.event_dim == 0 and fn.batch_shape[-1:] == value.shape[-1:]:  # a plate over features
        return jnp.where(seen, value, fn.sample(key))
    raise ModelError(f"missing features cannot be drawn from a {type(fn).__name__} given the others.")


@draw_missing.register
def _(fn: dist.Independent, key: Array, value: Array, seen: Array) -> Array:
    return jnp.where(seen, value, fn.sample(key).reshape(value.shape))


@draw_missing.register
def _(fn: Columns, key: Array, value: Array, seen: Array) -> Array:
    return jnp.where(seen, value, fn.sample(key).reshape(value.shape))


@draw_missing.register
def _(fn: dist.ExpandedDistribution, key: Array, value: Array, seen: Array) -> Array:
    return draw_missing(fn.base_dist, key, value, seen)


@draw_missing.register(dist.MultivariateNormal)
@draw_missing.register(dist.LowRankMultivariateNormal)
def _(fn: dist.Distribution, key: Array, value: Array, seen: Array) -> Array:
    """A draw of all features, moved by what the seen ones miss it by (Matheron's rule: Doucet 2010, algorithm 2)."""
    covariance = fn.covariance_matrix.reshape(value.shape[-1:] * 2)
    drawn, there = fn.sample(key).reshape(value.shape), seen[0]
    both = there[:, None] & there
    away = jnp.where(there, value - drawn, 0.0)[0]
    pull = jnp.linalg.solve(jnp.where(both, covariance, jnp.eye(len(there))), away)
    return jnp.where(seen, value, drawn + jnp.where(there, pull, 0.0) @ covariance)


@draw_missing.register
def _(fn: dist.MixtureSameFamily, key: Array, value: Array, seen: Array) -> Array:
    keys, each = jax.random.split(key), fn.component_distribution
    logits = jax.nn.log_softmax(fn.mixing_distribution.logits)
    logits = (logits + log_prob_seen(each, value[..., None, :], seen[..., None, :])).reshape(-1)
    drawn = each.sample(keys[1]).reshape(len(logits), -1)[jax.random.categorical(keys[0], logits)]
    return jnp.where(seen, value, drawn)


@partial(jax.jit, static_argnames=("model",))
def _fill(
    key: Array, params: dict, spec: Spec, number: Array, x: Array, draw: Array, code: Array, *, model: Declared
) -> Array:
    """Each row (features,) filled in ``draws`` times: given its number, parameter draws and labels, (rows, draws)."""

    def one(key: Array, x: Array, draw: Array, code: Array) -> Array:
        values, seen = {name: value[draw] for name, value in params.items()}, ~jnp.isnan(x)[None]
        filled = jnp.where(seen, x[None], spec.loc)
        with handlers.trace() as trace, handlers.substitute(data=values), handlers.seed(rng_seed=key):
            model(filled, code[None], one_row(spec))
        return draw_missing(trace["x"]["fn"], key, filled, seen)[0]

    def row(number: Array, x: Array, draw: Array, code: Array) -> Array:
        keys = jax.random.split(jax.random.fold_in(key, number), draw.shape[0])
        return jax.vmap(one, in_axes=(0, None, 0, 0))(keys, x, draw, code)

    return jax.vmap(row)(number, x, draw, code)


def impute(fit: "Fit", x: Any, y: Any = None, *, draws: int = 200, every: bool = False, seed: int = 0) -> Any:
    """The table with its missing cells filled in, a frame in the user's columns.

    Each is the mean of ``draws`` draws of P(x_missing | x_seen, y, D), rounded to a whole number in a column of counts,
    and of a column of names the most frequent one; the cells that were seen stay as they are. y: labels where they are
    known, missing ones and y=None are summed out.
    every: all draws, an xarray.Dataset, a variable a column, dims (draw, row), for multiple imputation (Rubin 1987).
    The mean's Monte Carlo error is the posterior predictive sd over sqrt(draws).
    Raises QueryError for a model without P(x), and ModelError where P(x) has no rule for fewer columns.
    """
    needs_joint(fit, "impute, P(x_missing | x_seen)")
    values, draws, seed = rows_of(fit, x), whole(draws, "draws", 1), whole(seed, "seed", 0)
    codes = np.full(len(values), -1)
    if y is not None:
        codes, _ = read_labels(y, fit.schema.labels)
        if len(codes) != len(values):
            raise DataError(f"x has {len(values)} rows but y has {len(codes)}; give one y for every row, or none.")
    holes = np.flatnonzero(np.isnan(values).any(axis=1))
    if len(holes) and not can_miss_features(fit):
        raise ModelError(
            f"missing features cannot be integrated out of P(x) of {fit.model.name}, and so none is filled in; drop "
            "the rows that miss one, or use a model of independent columns."
        )
    drawn = _drawn(fit, values, codes, holes, draws, seed)
    levels = fit.schema.each_levels
    if every:
        filled = np.broadcast_to(values, (draws, *values.shape)).copy()
        for rows, block in drawn:
            filled[:, rows] = block.swapaxes(0, 1)
        coords = {"draw": np.arange(draws), "row": np.arange(len(values))}
        columns = [in_own_kind(filled[..., j], names) for j, names in enumerate(levels)]
        table = dict(zip(fit.schema.columns, columns, strict=True))
        return xr.Dataset({name: (("draw", "row"), column) for name, column in table.items()}, coords)
    best = values.copy()
    for rows, block in drawn:
        middle = np.stack([_middle(block[..., j], names) for j, names in enumerate(levels)], axis=1)
        best[rows] = np.where(np.isnan(values[rows]), middle, values[rows])
    table = {
        column: in_own_kind(best[:, j], names)
        for j, (column, names) in enumerate(zip(fit.schema.columns, levels, strict=True))
    }
    index = getattr(x, "index", None)
    return pd.DataFrame(table, index=index if isinstance(index, pd.Index) else None)


def _middle(drawn: np.ndarray, names: Any) -> np.ndarray:
    """What stands for draws of a column's cells, (rows, draws): the most frequent name, the mean, as a whole count."""
    if isinstance(names, tuple):
        return np.sum(drawn[..., None] == np.arange(len(names)), axis=1).argmax(axis=-1)
    mean = drawn.mean(axis=1)
    return np.rint(mean) if names == COUNTS else mean


def _drawn(
    fit: "Fit", values: np.ndarray, codes: np.ndarray, holes: np.ndarray, draws: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that miss cells, and these rows filled in, (rows, draws, features), a block at a time."""
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):  # a seed may have 64 bits
        key = jax.random.key(seed)
    program = partial(_fill, key, fit.flat_params, fit.spec, model=fit.model)
    size = max(64, CELLS // (draws * values.shape[1]))
    for start in bar(range(0, len(holes), size), desc="rows with holes", unit_scale=size, unit=" rows"):
        rows = holes[start : start + size]
        draw, label = _parameters_and_labels(fit, values[rows], codes[rows], draws, rng)
        yield rows, np.concatenate(list(in_blocks(program, rows, values[rows], draw, label, most=AT_ONCE)))


def _parameters_and_labels(
    fit: "Fit", values: np.ndarray, codes: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of (theta, y) given what was seen of each row, as numbers of posterior draws and codes, (rows, draws)."""
    classes = fit.shape.classes or 1
    count = fit.draws_shape[0] * fit.draws_shape[1]
    draw, label = np.empty((2, len(values), draws), dtype=int)
    size = max(1, CELLS // (count * classes))
    for start in range(0, len(values), size):
        rows = slice(start, start + size)
        joint = (
            log_joint(fit, values[rows], draws=True).stack(s=("chain", "draw")).transpose("row", "s", "label").values
        )
        known = codes[rows][:, None, None]
        joint = np.where((known < 0) | (known == np.arange(classes)), joint, -np.inf)
        total = np.exp(log_softmax(joint.reshape(len(joint), -1), axis=1)).cumsum(axis=1)
        uniform = rng.random((len(joint), draws)) * total[:, -1:]
        for i, (steps, points) in enumerate(zip(total, uniform, strict=True), start):
            draw[i], label[i] = np.divmod(np.searchsorted(steps, points, side="right"), classes)
    return draw, label
