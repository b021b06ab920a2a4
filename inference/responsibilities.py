"""Of which component of a mixture a row is, where the model sums it out: the line it is on, the kind of its label."""

from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from numpyro import handlers
from numpyro.distributions import MixtureGeneral, MixtureSameFamily

from .blocks import in_blocks
from .declare import Declared
from .densities import add_exp
from .errors import DataError, QueryError
from .joint import one_row
from .labels import read_labels
from .queries import response_of, rows_of, same_length

if TYPE_CHECKING:
    from .fit import Fit


def responsibilities(fit: "Fit", x: Any, y: Any) -> xr.DataArray:
    """P(h | x_i, y_i, D) of each component h of the mixture that site 'y' or 'x' is, dims (row, component).

    P(h | row, theta) is proportional to w_h P(row | h, theta), and draws of theta count as they explain the row:
    P(h | row, D) = E[w_h P(row | h, theta)] / E[sum_g w_g P(row | g, theta)] (Bishop 2006, eq. 9.13, integrated over
    the posterior as every other answer is). Components have the order that all draws were brought to. Hidden *labels*
    are no components: their probabilities are ``fit.assign(x, soft=True)``.
    x, y: rows with their label or response, without missing values. Raises QueryError for a model without such a site.
    """
    values = rows_of(fit, x)
    missing = np.argwhere(np.isnan(values))
    if len(missing):
        row, column = missing[0][0], fit.schema.columns[missing[0][1]]
        raise DataError(
            f"row {row}, column '{column}' is missing; responsibilities need whole rows, so drop or fill it."
        )
    codes = read_labels(y, fit.schema.labels)[0] if fit.shape.classes else response_of(fit, y)
    same_length(codes, len(values))
    if fit.shape.classes and np.any(codes < 0):
        raise DataError(f"row {np.flatnonzero(codes < 0)[0]}: the label is missing; give one for every row.")
    with jax.enable_x64(True):
        params = {name: jnp.asarray(value) for name, value in fit.flat_params.items()}
    program = partial(_averaged, params, fit.spec, model=fit.model)
    log_p = np.concatenate(list(in_blocks(program, values, codes)))
    return xr.DataArray(
        np.exp(log_p), {"row": np.arange(len(log_p)), "component": np.arange(log_p.shape[1])}, ("row", "component")
    )


@partial(jax.jit, static_argnames="model")
def _averaged(params: dict, spec: Any, x: Array, y: Array, *, model: Declared) -> Array:
    """log P(h | row, D), (rows, components); never holds more than one draw's."""

    def joint(values: dict) -> Array:
        return jax.vmap(partial(_log_components, values, spec, model=model))(x, y)

    first = joint(jax.tree.map(lambda value: value[0], params))
    others = jax.tree.map(lambda value: value[1:], params)
    sums = first, jnp.ones_like(first)
    (largest, total), _ = jax.lax.scan(lambda sums, values: (add_exp(sums, joint(values)), None), sums, others)
    return jax.nn.log_softmax(largest + jnp.log(total), axis=-1)


def _log_components(values: dict, spec: Any, x: Array, y: Array, *, model: Declared) -> Array:
    """log w_h P(row | h, theta) of one row, (components,): of the site that is a mixture, times that of the other."""
    with handlers.trace() as trace, handlers.substitute(data=values):
        model(x[None], y[None], one_row(spec))
    found, other = None, jnp.zeros(())
    for name, value in (("x", x[None]), ("y", y[None])):
        if name not in trace or trace[name]["type"] != "sample":
            continue
        if isinstance(trace[name]["fn"], MixtureSameFamily | MixtureGeneral):
            found = trace[name]["fn"].component_log_probs(value)
        else:
            other += jnp.sum(trace[name]["fn"].log_prob(value))
    if found is None:
        raise QueryError(
            f"{model.name} has no site that is a mixture of components; the probabilities of hidden labels are "
            "assign(x, soft=True)."
        )
    return found.reshape(-1) + other
