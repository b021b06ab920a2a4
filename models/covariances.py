"""How wide a normal class-conditional is: what P(x | y) = Normal(x; mu_y, Sigma_y) is made of beside its centres.

Each is a function ``covariance(spec, labels)`` that samples its own widths and returns ``around(mu, y)``, the
distribution of x for labels y and centres mu, (label, feature). Another covariance is another such function;
hyperparameters bind with ``functools.partial``.

Every sd ~ what makes sd^2 ~ InverseGamma(2, (s_j / 2)^2), s_j the standard deviation of column j over all labels: worth
four rows in which a label is half as wide as the whole, so that a label in which a column never varies keeps a width.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .spec import Spec, positive

Around = Callable[[Array, Array], Distribution]


def width(scale: Array) -> Distribution:
    """sigma where sigma^2 ~ InverseGamma(2, scale^2), whose mean is scale^2."""
    variance = dist.InverseGamma(2.0, scale**2)
    return dist.TransformedDistribution(variance, dist.transforms.PowerTransform(0.5))


def spherical(spec: Spec, labels: int, *, sigma: Distribution | None = None) -> Around:
    """Sigma_k = sigma_k^2 I: all columns equally wide, so they should share a unit. sigma: shape (label,)."""
    whole = jnp.sqrt(jnp.mean(spec.scale**2))
    with numpyro.plate("label", labels, dim=-1):
        sigma = numpyro.sample("sigma", sigma if sigma is not None else width(whole / 2))
    return lambda mu, y: dist.Normal(mu[y], sigma[y][..., None]).to_event(1)


def diagonal(spec: Spec, labels: int, *, sigma: Distribution | None = None) -> Around:
    """Sigma_k = diag(sigma_k1^2, ...): columns independent given the label. sigma: shape (label, feature)."""
    with numpyro.plate("label", labels, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        sigma = numpyro.sample("sigma", sigma if sigma is not None else width(spec.scale / 2))
    return lambda mu, y: dist.Normal(mu[y], sigma[y]).to_event(1)


def shared_diagonal(spec: Spec, labels: int, *, sigma: Distribution | None = None) -> Around:
    """Sigma_k = diag(sigma_1^2, ...), the same for every label. sigma: shape (feature,)."""
    with numpyro.plate("feature", spec.features, dim=-1):
        sigma = numpyro.sample("sigma", sigma if sigma is not None else width(spec.scale / 2))
    return lambda mu, y: dist.Normal(mu[y], sigma).to_event(1)


def tied(spec: Spec, labels: int, *, eta: float = 2.0, sigma: Distribution | None = None) -> Around:
    """Sigma_k = D R D, the same for every label: D = diag(sigma), R a correlation matrix ~ LKJ(eta).

    sigma: shape (feature,). L: the Cholesky factor of R (Lewandowski, Kurowicka and Joe 2009).
    """
    with numpyro.plate("feature", spec.features, dim=-1):
        sigma = numpyro.sample("sigma", sigma if sigma is not None else width(spec.scale / 2))
    factor = numpyro.sample("L", _correlation(spec, eta), infer={"event_dims": ["feature", "feature_2"]})
    return lambda mu, y: dist.MultivariateNormal(mu[y], scale_tril=sigma[:, None] * factor)


def full(spec: Spec, labels: int, *, eta: float = 2.0, sigma: Distribution | None = None) -> Around:
    """Sigma_k = D_k R_k D_k, each label its own; as ``tied``. sigma: shape (label, feature)."""
    with numpyro.plate("label", labels, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        sigma = numpyro.sample("sigma", sigma if sigma is not None else width(spec.scale / 2))
    with numpyro.plate("label", labels, dim=-1):
        factor = numpyro.sample("L", _correlation(spec, eta), infer={"event_dims": ["feature", "feature_2"]})
    return lambda mu, y: dist.MultivariateNormal(mu[y], scale_tril=sigma[y][..., None] * factor[y])


def _correlation(spec: Spec, eta: float) -> Distribution:
    if spec.features < 2:
        raise ValueError("a covariance needs two columns or more; of one, diagonal is the same")
    return dist.LKJCholesky(spec.features, concentration=float(positive("eta", eta)))
