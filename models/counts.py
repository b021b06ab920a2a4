"""P(y | x) with y a count: a likelihood around a hypothesis for its log mean."""

from collections.abc import Callable

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .hypotheses import linear
from .spec import Spec, positive


def poisson_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    hypothesis: Callable[..., Array] = linear,
) -> Array:
    """P(y | x) = Poisson(y; exp f_w(x)).

    The log-linear model of counts (McCullagh and Nelder 1989, chapter 6): one unit of f multiplies the mean by e.
    w ~ the hypothesis's prior, around the log of the mean count and 1 wide.
    """
    f = hypothesis(x, spec, None, jnp.log(spec.y_loc), 1.0)
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.Poisson(jnp.exp(f)), obs=y)


def negative_binomial_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    hypothesis: Callable[..., Array] = linear,
    phi: float | Distribution | None = None,
) -> Array:
    """P(y | x) = NegativeBinomial(y; mean m = exp f_w(x), variance m + m^2 / phi): counts wider than Poisson's.

    A Poisson whose rate varies from row to row by a Gamma of shape phi (Cameron and Trivedi 2013, section 3.3).
    1 / sqrt(phi) ~ HalfNormal(1), the coefficient of variation of that rate; its limit 0 is poisson_regression.
    A number fixes phi. w as in poisson_regression.
    """
    f = hypothesis(x, spec, None, jnp.log(spec.y_loc), 1.0)
    if phi is None:
        spread = dist.HalfNormal(1.0)
        phi = dist.TransformedDistribution(spread, dist.transforms.PowerTransform(-2.0))
    phi = numpyro.sample("phi", phi) if isinstance(phi, Distribution) else positive("phi", phi)
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.NegativeBinomial2(jnp.exp(f), phi), obs=y)
