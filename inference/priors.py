"""What the prior says of a fit's draws."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpyro import handlers

from ..models.spec import Spec
from .declare import Declared
from .joint import Rows, lay_out, scaled
from .structure import Structure

if TYPE_CHECKING:
    from .fit import Fit


def prior_and_derived(fit: "Fit") -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """log prior density of each site at each draw, (draws,), and the deterministic sites, (draws, *shape)."""
    with jax.enable_x64(True):
        part = fit.table
        rows = lay_out(part.x, part.y, fit.shape)
        params = {name: jnp.asarray(value) for name, value in fit.flat_params.items()}
        return jax.tree.map(np.asarray, _each(params, fit.spec, rows, model=fit.model, shape=fit.shape))


def with_params(fit: "Fit", params: dict[str, np.ndarray]) -> "Fit":
    """The fit with other values of its parameters, each (draws, *shape), and its deterministic sites at these."""
    after = replace(fit, params={name: value.reshape(fit.params[name].shape) for name, value in params.items()})
    _, derived = prior_and_derived(after)
    return replace(
        after, derived={name: value.reshape(*fit.draws_shape, *value.shape[1:]) for name, value in derived.items()}
    )


def log_prior(fit: "Fit") -> np.ndarray:
    """log prior density of all parameters at each draw, (draws,)."""
    return np.sum(list(prior_and_derived(fit)[0].values()), axis=0)


@partial(jax.jit, static_argnames=("model", "shape"))
def _each(
    params: dict[str, Array], spec: Spec, rows: Rows, *, model: Declared, shape: Structure
) -> tuple[dict[str, Array], dict[str, Array]]:
    def one(values: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        with handlers.trace() as trace, handlers.substitute(data=values):
            model(*rows.table, replace(spec, rows=rows.x.shape[0]))
        prior = {
            name: jnp.sum(scaled(trace[name], trace[name]["fn"].log_prob(value))) for name, value in values.items()
        }
        return prior, {name: trace[name]["value"] for name, _ in shape.derived}

    return jax.lax.map(one, params, batch_size=64)
