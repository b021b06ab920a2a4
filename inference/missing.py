"""Missing features, integrated out exactly: log density of the features of a row that were seen."""

from functools import singledispatch

import jax
import jax.numpy as jnp
from jax import Array
from numpyro import distributions as dist

from ..models.columns import Columns
from .errors import ModelError


@singledispatch
def log_prob_seen(fn: dist.Distribution, value: Array, seen: Array) -> Array:
    """log density of the features that were seen, the others integrated out.

    Exact for a distribution that factorises over features; another kind registers its own rule.
    """
    if fn.event_dim == 0 and fn.batch_shape[-1:] == value.shape[-1:]:  # a plate over features
        return jnp.sum(jnp.where(seen, fn.log_prob(value), 0.0), axis=-1)
    raise ModelError(
        f"missing features cannot be integrated out of a {type(fn).__name__}; drop or fill the rows that miss one."
    )


@log_prob_seen.register
def _(fn: dist.Independent, value: Array, seen: Array) -> Array:
    return jnp.sum(jnp.where(seen, fn.base_dist.log_prob(value), 0.0), axis=-1)


@log_prob_seen.register
def _(fn: dist.ExpandedDistribution, value: Array, seen: Array) -> Array:
    return log_prob_seen(fn.base_dist, value, seen)


@log_prob_seen.register
def _(fn: dist.MultivariateNormal, value: Array, seen: Array) -> Array:
    return _normal_seen(fn.loc, fn.covariance_matrix, value, seen)


@log_prob_seen.register
def _(fn: dist.LowRankMultivariateNormal, value: Array, seen: Array) -> Array:
    return _normal_seen(fn.loc, fn.covariance_matrix, value, seen)


def _normal_seen(loc: Array, covariance: Array, value: Array, seen: Array) -> Array:
    """The normal of the features that were seen; a missing one becomes an independent standard normal, at its mean."""
    both = seen[..., :, None] & seen[..., None, :]
    factor = jnp.linalg.cholesky(jnp.where(both, covariance, jnp.eye(loc.shape[-1])))
    away = jnp.where(seen, value - loc, 0.0)
    white = jax.scipy.linalg.solve_triangular(factor, away[..., None], lower=True)[..., 0]
    determinant = jnp.log(jnp.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    return -0.5 * (white**2).sum(axis=-1) - determinant - 0.5 * jnp.log(2 * jnp.pi) * seen.sum(axis=-1)


@log_prob_seen.register
def _(fn: Columns, value: Array, seen: Array) -> Array:
    return jnp.sum(jnp.where(seen, fn.log_prob_each(value), 0.0), axis=-1)


@log_prob_seen.register
def _(fn: dist.MixtureSameFamily, value: Array, seen: Array) -> Array:
    each = log_prob_seen(fn.component_distribution, value[..., None, :], seen[..., None, :])
    return jax.nn.logsumexp(jax.nn.log_softmax(fn.mixing_distribution.logits) + each, axis=-1)
