"""P(x) without a label: few hidden numbers behind many columns."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .covariances import width
from .spec import Spec, whole


def probabilistic_pca(
    x: Array | None = None,
    *,
    spec: Spec,
    components: int = 2,
    mu: Distribution | None = None,
) -> Array:
    """P(x) = Normal(x; mu, W W' + sigma^2 diag(s^2)): x = mu + W z + noise, the hidden z ~ Normal(0, I) integrated out.

    Probabilistic PCA of the standardised columns (Tipping and Bishop 1999, eq. 6): at its maximum likelihood, W spans
    the first principal components, and sigma^2 is the mean variance of the others.

    mu_j ~ Normal(m_j, 2 s_j), W_jh ~ Normal(0, s_j), sigma^2 ~ InverseGamma(2, 1/4), with m_j and s_j the mean and
    standard deviation of column j. W may be turned and reflected: look at W W', the ``covariance``.
    """
    h = whole("components", components)
    with numpyro.plate("feature", spec.features, dim=-1):
        mu = numpyro.sample("mu", mu if mu is not None else dist.Normal(spec.loc, 2 * spec.scale))
    with numpyro.plate("feature", spec.features, dim=-2), numpyro.plate("component", h, dim=-1):
        w = numpyro.sample("W", dist.Normal(0.0, spec.scale[:, None]))
    sigma = numpyro.sample("sigma", width(jnp.asarray(0.5)))
    noise = (sigma * spec.scale) ** 2
    numpyro.deterministic("covariance", w @ w.T + jnp.diag(noise))
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("x", dist.LowRankMultivariateNormal(mu, w, noise), obs=x)
