"""P(x) as a mixture whose label is hidden."""

from collections.abc import Callable

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from jax.typing import ArrayLike
from numpyro.distributions import Distribution

from .covariances import diagonal
from .spec import Spec, positive, whole


def fixed_variance_mixture(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    k: int | None = None,
    sigma: ArrayLike | None = None,
    equal_weights: bool = False,
    concentration: float = 1.0,
    mu: Distribution | None = None,
) -> Array:
    """P(x) = sum_k pi_k prod_j Normal(x_j; mu_kj, sigma_j), sigma fixed, the label k hidden.

    With one sigma for all columns and equal weights its hard assignment is k-means as sigma goes to 0
    (Bishop 2006, section 9.3.2).

    pi ~ Dirichlet(concentration), or 1/k each with ``equal_weights``.
    mu_kj ~ Normal(m_j, 2 s_j), with m_j and s_j the mean and standard deviation of column j.
    sigma: standard deviation in the columns' units, a number for all or one a column; half of s_j by default.
    k: number of components; by default as many as there are label names, or 2.
    """
    k = spec.classes if k is None else whole("k", k)
    sigma = 0.5 * spec.scale if sigma is None else positive("sigma", sigma, spec.features)
    if equal_weights:
        pi = jnp.full(k, 1 / k)
    else:
        prior = dist.Dirichlet(jnp.full(k, positive("concentration", concentration)))
        pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("label", k, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        mu = numpyro.sample("mu", mu if mu is not None else dist.Normal(spec.loc, 2 * spec.scale))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", dist.Normal(mu[y], sigma).to_event(1), obs=x)


def gaussian_mixture(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    k: int | None = None,
    covariance: Callable = diagonal,
    concentration: float = 1.0,
    mu: Distribution | None = None,
) -> Array:
    """P(x) = sum_k pi_k Normal(x; mu_k, Sigma_k), the label k hidden (Bishop 2006, eq. 9.7).

    Sigma_k: spherical, diagonal, shared_diagonal, tied or full. Its likelihood grows without bound where a component
    shrinks around one row, which mle refuses where the search gets there; the prior of the widths bounds it, and
    map_estimate is the way.

    pi, mu and k as in fixed_variance_mixture.
    """
    k = spec.classes if k is None else whole("k", k)
    prior = dist.Dirichlet(jnp.full(k, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("label", k, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        mu = numpyro.sample("mu", mu if mu is not None else dist.Normal(spec.loc, 2 * spec.scale))
    around = covariance(spec, k)
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", around(mu, y), obs=x)
