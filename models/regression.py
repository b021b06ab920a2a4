"""P(y | x) with a numeric y: a likelihood around a hypothesis f_w(x)."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .covariances import width
from .hypotheses import horseshoe, linear
from .spec import Spec, positive, whole


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

    w ~ the hypothesis's prior (linear, polynomial, spline, gaussian_process, horseshoe, mlp, or your own).
    sigma ~ HalfNormal(y's standard deviation): no hypothesis should do worse than the mean of y by much.
    A number fixes sigma, a distribution replaces its prior. sigma is a standard deviation in the unit of y.
    """
    f = hypothesis(x, spec, None, spec.y_loc, spec.y_scale)
    sigma = _width(sigma, spec)
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.Normal(f, sigma), obs=y)


def robust_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    hypothesis: Callable[..., Array] = linear,
    sigma: float | Distribution | None = None,
    nu: float | Distribution | None = None,
) -> Array:
    """P(y | x) = StudentT(y; nu, f_w(x), sigma): a regression that a few wild responses do not move.

    nu ~ Gamma(2, 0.1), mostly between 1 and 60 degrees of freedom (Juarez and Steel 2010, eq. 6's gamma): the data
    say how wild the tails are, and a large nu is linear_regression. A number fixes nu.
    w and sigma as in linear_regression; sigma is a scale, nu > 2 has standard deviation sigma sqrt(nu / (nu - 2)).
    """
    f = hypothesis(x, spec, None, spec.y_loc, spec.y_scale)
    sigma = _width(sigma, spec)
    nu = dist.Gamma(2.0, 0.1) if nu is None else nu
    nu = numpyro.sample("nu", nu) if isinstance(nu, Distribution) else positive("nu", nu)
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.StudentT(nu, f, sigma), obs=y)


def horseshoe_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    relevant: float = 1.0,
    slab: float = 2.5,
    sigma: float | Distribution | None = None,
) -> Array:
    """P(y | x) = Normal(y; f_w(x), sigma), f_w(x) = b + w . (x - m) with most w_j all but zero, few of any size.

    For many columns of which few matter: linear_regression under the regularised horseshoe, which is the hypothesis
    ``horseshoe`` (Piironen and Vehtari 2017, section 3.2). relevant: how many columns are thought to matter.
    slab: how large those weights are thought to be, in standard deviations of y a standard deviation of the column.
    sigma as in linear_regression.
    """
    f = partial(horseshoe, relevant=relevant, slab=slab)
    return linear_regression(x, y, spec=spec, hypothesis=f, sigma=sigma)


def mixture_of_regressions(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    hypothesis: Callable[..., Array] = linear,
    k: int = 2,
    concentration: float = 1.0,
) -> Array:
    """P(y | x) = sum_h pi_h Normal(y; f_w(x)_h, sigma_h): several lines, and which one a row is on is hidden.

    (Bishop 2006, eq. 14.34.) pi ~ Dirichlet(concentration), w ~ the hypothesis's prior for each of the k,
    sigma_h^2 ~ InverseGamma(2, (s / 2)^2), with s the standard deviation of y: a sigma of 0 would give one row an
    infinite density. The k may be renamed, so that single ones mean nothing; predictions do.
    ``bayeszoo.inference.responsibilities`` tells which line a row is on.
    """
    k = whole("k", k)
    prior = dist.Dirichlet(jnp.full(k, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["component"]})
    f = hypothesis(x, spec, ("component", k), spec.y_loc, spec.y_scale)
    with numpyro.plate("component", k, dim=-1):
        sigma = numpyro.sample("sigma", width(spec.y_scale / 2))
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.MixtureSameFamily(dist.Categorical(pi), dist.Normal(f, sigma)), obs=y)


def _width(sigma: float | Distribution | None, spec: Spec) -> Array:
    sigma = dist.HalfNormal(spec.y_scale) if sigma is None else sigma
    return numpyro.sample("sigma", sigma) if isinstance(sigma, Distribution) else positive("sigma", sigma)
