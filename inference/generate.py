"""Rows drawn from the posterior predictive, for the labels named."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import xarray as xr
from jax import Array

from .blocks import in_blocks
from .cells import few, whole
from .declare import Declared
from .errors import QueryError
from .joint import drawn_row
from .queries import log_label_prior, needs_joint
from .table import in_own_kind

if TYPE_CHECKING:
    from .fit import Fit


@partial(jax.jit, static_argnames=("model",))
def draw_x(
    key: Array, params: dict, spec: Any, number: Array, draw: Array, code: Array, like: Array, *, model: Declared
) -> Array:
    """x of each row, given its number, which parameter draw it is from and the code of its label.

    like: rows, (rows, features), in whose place they stand: of counts they have the total, where the model is told it.
    """

    def one(number: Array, draw: Array, code: Array, like: Array) -> Array:
        values = {name: value[draw] for name, value in params.items()}
        return drawn_row(jax.random.fold_in(key, number), model, values, spec, like, ("x",), code)["x"]

    return jax.vmap(one)(number, draw, code, like)


def rows_like(fit: "Fit", codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each code a row of the fit that has it, or any where none has, (codes, features); no cell is missing.

    A row is taken as often as its weight says. Where the rows are not at hand, those of a sample are taken.
    """
    table, chosen = fit.table if len(fit.x) else fit.summary.sample, np.empty(len(codes), dtype=int)
    weights = np.ones(len(table.x)) if table.weights is None else table.weights
    for k in np.unique(codes):
        own = np.flatnonzero((table.y == k) & (weights > 0)) if fit.shape.classes else np.zeros(0, dtype=int)
        own = own if len(own) else np.flatnonzero(weights > 0)
        chosen[codes == k] = rng.choice(own, size=np.sum(codes == k), p=weights[own] / weights[own].sum())
    return np.where(np.isnan(table.x[chosen]), np.asarray(fit.spec.loc), table.x[chosen])


def generate(fit: "Fit", n: int, *, label: Any = None, seed: int = 0) -> xr.Dataset:
    """n draws of x for each label named, or of (x, y) where none is, one variable a column of the input.

    P(x | y = k, D) = sum_s w_s P(x | k, theta_s) with w_s proportional to P(y = k | theta_s): naming a label is
    evidence about the parameters. Of counts whose total the model takes as given, each row has that of one of the
    label's own rows, at random. ``.to_pandas()`` makes the table.

    Raises QueryError for a model without P(x), and for a label that it does not know.
    """
    needs_joint(fit, "generate, P(x | y)")
    prior = log_label_prior(fit, draws=True)
    n, seed = whole(n, "n", 1), whole(seed, "seed", 0)
    flat = np.exp(prior.values.reshape(-1, prior.sizes["label"]))
    labels = list(fit.label_coordinate.tolist())
    rng = np.random.default_rng(seed)
    if label is None:
        draws = rng.integers(len(flat), size=n)
        codes = (rng.random((n, 1)) * flat[draws].sum(axis=1, keepdims=True) > flat[draws].cumsum(axis=1)).sum(axis=1)
    else:
        named = [label] if isinstance(label, str) or not isinstance(label, Iterable) else list(label)
        strange = [one for one in named if one not in labels]
        if strange or not named:
            what = repr(strange[0]) if strange else "an empty list"
            raise QueryError(f"label {what} is not one of {few(labels)}.")
        codes = np.repeat([labels.index(one) for one in named], n)
        weights = flat / flat.sum(axis=0)
        draws = np.concatenate([rng.choice(len(flat), size=n, p=weights[:, labels.index(one)]) for one in named])
    with jax.enable_x64(True):  # a seed may have 64 bits
        key = jax.random.key(seed)
    program = partial(draw_x, key, fit.flat_params, fit.spec, model=fit.model)
    like = rows_like(fit, codes, np.random.default_rng([seed, 1]))
    x = np.concatenate(list(in_blocks(program, np.arange(len(codes)), draws, codes, like)))
    levels = fit.schema.each_levels
    columns = [in_own_kind(x[:, j], names) for j, names in enumerate(levels)]
    table = {name: ("row", column) for name, column in zip(fit.schema.columns, columns, strict=True)}
    if fit.shape.has_y:
        table[fit.schema.target] = ("row", fit.label_coordinate[codes])
    return xr.Dataset(table, {"row": np.arange(len(codes))})
