"""P(y | x) with a numeric y: a Gaussian likelihood around a hypothesis."""

from collections.abc import Callable

import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .hypotheses import linear
from .spec import Spec, positive


def linear_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    hypothesis: Callable[..., Array] = linear,
    sigma: float | Distribution | None = None,
) -> Array:
    """P(y | x) = Normal(y; f_w(x), sigma).

    Least squares is its maximum likelihood: log P(y | x) = -(y - f_w(x))^2 / (2 sigma^2) - log sigma + const
    (Bishop 2006, eq. 3.10).

    w ~ the hypothesis's prior (linear, polynomial, mlp, or your own).
    sigma ~ HalfNormal(y's standard deviation): no hypothesis should do worse than the mean of y by much.
    A number fixes sigma, a distribution replaces its prior. sigma is a standard deviation in the unit of y.
    """
    f = hypothesis(x, spec, None, spec.y_loc, spec.y_scale)
    if sigma is None:
        sigma = dist.HalfNormal(spec.y_scale)
    sigma = numpyro.sample("sigma", sigma) if isinstance(sigma, Distribution) else positive("sigma", sigma)
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.Normal(f, sigma), obs=y)
