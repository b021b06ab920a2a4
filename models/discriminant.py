"""P(x, y) = P(y) P(x | y) with columns that may depend on each other given the label."""

from collections.abc import Callable

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .covariances import full, tied, width
from .spec import Spec, positive, whole


def quadratic_discriminant(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    covariance: Callable = full,
    concentration: float = 1.0,
    mu: Distribution | None = None,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = Normal(x; mu_k, Sigma_k), each label with a covariance of its own.

    Its label posterior is quadratic in x (Hastie, Tibshirani and Friedman 2009, eq. 4.12).

    pi ~ Dirichlet(concentration). mu_kj ~ Normal(m_j, 2 s_j), with m_j and s_j the mean and standard deviation of
    column j over all labels. Sigma_k: full by default; see bayeszoo.models.covariances.
    """
    pi, mu = _labels(spec, concentration, mu)
    around = covariance(spec, spec.classes)
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", around(mu, y), obs=x)


def linear_discriminant(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    covariance: Callable = tied,
    concentration: float = 1.0,
    mu: Distribution | None = None,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = Normal(x; mu_k, Sigma), all labels with one covariance.

    What is quadratic in x is the same for all labels, so the label posterior is the softmax of a linear function
    (Hastie, Tibshirani and Friedman 2009, eq. 4.9). pi and mu as in quadratic_discriminant; Sigma: tied by default.
    """
    return quadratic_discriminant(x, y, spec=spec, covariance=covariance, concentration=concentration, mu=mu)


def mixture_discriminant(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    components: int = 2,
    concentration: float = 1.0,
    mu: Distribution | None = None,
    sigma: Distribution | None = None,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = sum_h rho_kh prod_j Normal(x_j; mu_khj, sigma_kj): a mixture for each label.

    For labels that come in several kinds (Hastie and Tibshirani 1996).

    pi ~ Dirichlet(concentration), rho_k ~ Dirichlet(1), mu_khj ~ Normal(m_j, 2 s_j),
    sigma_kj^2 ~ InverseGamma(2, (s_j / 2)^2). components: how many normals a label has. They may be renamed, so that
    single ones mean nothing; the queries do.
    """
    h = whole("components", components)
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("label", spec.classes, dim=-1):
        rho = numpyro.sample("rho", dist.Dirichlet(jnp.ones(h)), infer={"event_dims": ["component"]})
    with (
        numpyro.plate("label", spec.classes, dim=-3),
        numpyro.plate("component", h, dim=-2),
        numpyro.plate("feature", spec.features, dim=-1),
    ):
        mu = numpyro.sample("mu", mu if mu is not None else dist.Normal(spec.loc, 2 * spec.scale))
    with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        sigma = numpyro.sample("sigma", sigma if sigma is not None else width(spec.scale / 2))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        kind = dist.Normal(mu[y], sigma[y][..., None, :]).to_event(1)
        return numpyro.sample("x", dist.MixtureSameFamily(dist.Categorical(rho[y]), kind), obs=x)


def pca_discriminant(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    components: int = 2,
    concentration: float = 1.0,
    mu: Distribution | None = None,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = Normal(x; mu_k, W_k W_k' + sigma_k^2 diag(s^2)): a factor plane for each label.

    Probabilistic PCA of the standardised columns (Tipping and Bishop 1999) as class-conditional: a covariance of
    many columns by few numbers. W_kjh ~ Normal(0, s_j), sigma_k ~ what makes sigma_k^2 ~ InverseGamma(2, 1/4).
    components: columns of W_k, which may be turned and reflected, so that single numbers mean nothing.
    """
    h = whole("components", components)
    pi, mu = _labels(spec, concentration, mu)
    with (
        numpyro.plate("label", spec.classes, dim=-3),
        numpyro.plate("feature", spec.features, dim=-2),
        numpyro.plate("component", h, dim=-1),
    ):
        w = numpyro.sample("W", dist.Normal(0.0, spec.scale[:, None]))
    with numpyro.plate("label", spec.classes, dim=-1):
        sigma = numpyro.sample("sigma", width(jnp.asarray(0.5)))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        noise = (sigma[y][..., None] * spec.scale) ** 2
        return numpyro.sample("x", dist.LowRankMultivariateNormal(mu[y], w[y], noise), obs=x)


def _labels(spec: Spec, concentration: float, mu: Distribution | None) -> tuple[Array, Array]:
    """pi and mu, each label's share and centre."""
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        mu = numpyro.sample("mu", mu if mu is not None else dist.Normal(spec.loc, 2 * spec.scale))
    return pi, mu
