"""P(x, y) = P(y) P(x | y) with columns independent given the label."""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .spec import Spec, positive


def gaussian_naive_bayes(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    concentration: float = 1.0,
    mu: Distribution | None = None,
    sigma: Distribution | None = None,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = prod_j Normal(x_j; mu_kj, sigma_kj).

    Naive Bayes with normal class-conditionals (Murphy 2022, section 9.3).

    pi ~ Dirichlet(concentration).
    mu_kj ~ Normal(m_j, 2 s_j), with m_j and s_j the mean and standard deviation of column j over all labels:
    the centre of a class lies within the data.
    sigma_kj^2 ~ InverseGamma(2, (s_j / 2)^2): worth four rows in which the class is half as wide as the whole, so
    that a class in which a column never varies keeps a width.
    mu and sigma are in the columns' units, shape (label, feature); sigma is a standard deviation.
    """
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        mu = numpyro.sample("mu", mu if mu is not None else dist.Normal(spec.loc, 2 * spec.scale))
        sigma = numpyro.sample("sigma", sigma if sigma is not None else _width(spec.scale / 2))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", dist.Normal(mu[y], sigma[y]).to_event(1), obs=x)


def _width(scale: Array) -> Distribution:
    """sigma where sigma^2 ~ InverseGamma(2, scale^2), whose mean is scale^2."""
    variance = dist.InverseGamma(2.0, scale**2)
    return dist.TransformedDistribution(variance, dist.transforms.PowerTransform(0.5))
