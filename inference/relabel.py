"""Hidden labels switch: give every draw's labels the order of one pivot draw.

Renaming the labels of a mixture changes neither its likelihood nor an exchangeable prior, so chains and draws may
disagree in names alone, and a raw R-hat says nothing. Each draw is renamed by the assignment that brings its label
posteriors closest, in Kullback-Leibler divergence, to the pivot's (Stephens 2000, algorithm 2, with one pivot).
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpyro import handlers
from scipy.optimize import linear_sum_assignment

from .fit import Fit
from .joint import one_row
from .queries import log_label_posterior, log_marginal

ROWS = 200  # enough rows to tell components apart; more cost time


def relabel(fit: Fit) -> Fit:
    """The fit with every draw's labels renamed, and which label was which in diagnostics ``renamed_draws``.

    A model with a seen label, without a label, or whose prior tells labels apart is returned as it came.
    """
    if fit.shape.classes is None or np.any(fit.y >= 0) or not fit.shape.generative:
        return fit
    rows = fit.x[np.linspace(0, len(fit.x) - 1, min(ROWS, len(fit.x))).astype(int)]
    log_p = log_label_posterior(fit, rows, draws=True).stack(s=("chain", "draw")).transpose("s", "row", "label").values
    pivot = int(log_marginal(fit, rows, draws=True).sum("row").values.argmax())
    cost = -np.einsum("ik,sij->skj", np.exp(log_p[pivot]), np.maximum(log_p, -1e3))
    order = np.array([linear_sum_assignment(one)[1] for one in cost])

    params = {}
    for name, site in fit.shape.sites:
        value = fit.flat_params[name]
        for axis in (i + 1 for i, dim in enumerate(site.dims) if dim == "label"):
            index = order.reshape(len(order), *[-1 if i == axis else 1 for i in range(1, value.ndim)])
            value = np.take_along_axis(value, index, axis=axis)
        params[name] = value.reshape(fit.params[name].shape)
    renamed = int(np.any(order != np.arange(fit.shape.classes), axis=1).sum())
    if renamed == 0:
        return fit
    s = int(np.flatnonzero(np.any(order != np.arange(fit.shape.classes), axis=1))[0])
    after = replace(fit, params=params)
    after = replace(after, derived=_derived(after))
    if not np.isclose(_log_prior(fit, s), _log_prior(after, s), rtol=1e-8):
        return fit
    return replace(after, diagnostics={**fit.diagnostics, "renamed_draws": float(renamed)})


def _trace(fit: Fit, values: dict[str, Array]) -> dict:
    with handlers.trace() as trace, handlers.substitute(data=values), handlers.seed(rng_seed=0):
        fit.model(jnp.zeros((1, fit.spec.features)), jnp.zeros(1, dtype=int), one_row(fit.spec))
    return trace


def _log_prior(fit: Fit, s: int) -> float:
    with jax.enable_x64(True):
        values = {name: jnp.asarray(value[s]) for name, value in fit.flat_params.items()}
        trace = _trace(fit, values)
        return float(sum(jnp.sum(trace[name]["fn"].log_prob(value)) for name, value in values.items()))


def _derived(fit: Fit) -> dict[str, np.ndarray]:
    """The deterministic sites at the renamed parameters; they need not have a label dim by name."""

    def one(values: dict[str, Array]) -> dict[str, Array]:
        trace = _trace(fit, values)
        return {name: trace[name]["value"] for name, _ in fit.shape.derived}

    with jax.enable_x64(True):
        answer = jax.jit(jax.vmap(one))({name: jnp.asarray(value) for name, value in fit.flat_params.items()})
        return {name: np.asarray(value).reshape(*fit.draws_shape, *value.shape[1:]) for name, value in answer.items()}
