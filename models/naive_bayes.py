"""P(x, y) = P(y) P(x | y) with columns independent given the label."""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .covariances import width
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
        sigma = numpyro.sample("sigma", sigma if sigma is not None else width(spec.scale / 2))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", dist.Normal(mu[y], sigma[y]).to_event(1), obs=x)


def hierarchical_naive_bayes(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    concentration: float = 1.0,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = prod_j Normal(x_j; mu_kj, sigma_kj), labels alike as far as the data say so.

    A label of few rows borrows centre and width from the others (partial pooling: Gelman et al. 2013, chapter 5).

    pi ~ Dirichlet(concentration).
    mu_kj = mean_j + tau_j z_kj with z_kj ~ Normal(0, 1), mean_j ~ Normal(m_j, s_j), tau_j ~ HalfNormal(s_j).
    log sigma_kj = log width_j + omega_j v_kj with v_kj ~ Normal(0, 1), width_j^2 ~ InverseGamma(2, (s_j / 2)^2),
    omega_j ~ HalfNormal(0.5). m_j and s_j: mean and standard deviation of column j over all labels.
    """
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("feature", spec.features, dim=-1):
        mean = numpyro.sample("mean", dist.Normal(spec.loc, spec.scale))
        tau = numpyro.sample("tau", dist.HalfNormal(spec.scale))
        typical = numpyro.sample("width", width(spec.scale / 2))
        omega = numpyro.sample("omega", dist.HalfNormal(0.5))
    with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        v = numpyro.sample("v", dist.Normal(0.0, 1.0))
        mu = numpyro.deterministic("mu", mean + tau * z)
        sigma = numpyro.deterministic("sigma", typical * jnp.exp(omega * v))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", dist.Normal(mu[y], sigma[y]).to_event(1), obs=x)


def bernoulli_naive_bayes(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    concentration: float = 1.0,
    theta: Distribution | None = None,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = prod_j theta_kj^x_j (1 - theta_kj)^(1 - x_j), every x_j being 0 or 1.

    (Murphy 2022, section 9.3.2.) theta_kj ~ Beta(1, 1): averaged over its posterior, this is Laplace's rule of
    succession, (n_kj + 1) / (n_k + 2); of Beta(1 + a, 1 + a), the mode is smoothing by a.
    """
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        theta = numpyro.sample("theta", theta if theta is not None else dist.Beta(1.0, 1.0))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", dist.Bernoulli(theta[y]).to_event(1), obs=x)


def poisson_naive_bayes(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    concentration: float = 1.0,
    rate: Distribution | None = None,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = prod_j Poisson(x_j; rate_kj), every x_j a count.

    Given a row's total, the counts are multinomial with probabilities rate_kj / sum_l rate_kl, and the total is itself
    evidence about the label, which multinomial_naive_bayes leaves out.
    rate_kj ~ Gamma(1, 1 / m_j), m_j the mean of column j: worth one row.
    """
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        rate = numpyro.sample("rate", rate if rate is not None else dist.Gamma(1.0, jnp.reciprocal(spec.loc)))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", dist.Poisson(rate[y]).to_event(1), obs=x)


def multinomial_naive_bayes(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    concentration: float = 1.0,
    theta: Distribution | None = None,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = Multinomial(x; n, theta_k), n = sum_j x_j the row's total, every x_j a count.

    (Murphy 2022, section 9.3.2.) The total is given and says nothing of the label; a row that is generated has the mean
    total. theta_k ~ Dirichlet(1, ..., 1): averaged over its posterior, this is Laplace's rule; of
    Dirichlet(1 + a, ...), the mode is smoothing by a.
    """
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("label", spec.classes, dim=-1):
        even = dist.Dirichlet(jnp.ones(spec.features))
        theta = numpyro.sample("theta", theta if theta is not None else even, infer={"event_dims": ["feature"]})
    total = (jnp.round(spec.loc.sum()) if x is None else x.sum(axis=-1)).astype(int)
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", _Counts(theta[y], total), obs=x)


class _Counts(dist.MultinomialProbs):
    """The multinomial with draws of any total; NumPyro's own need a bound that is known before the data are."""

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        shape = sample_shape + self.batch_shape
        return jax.random.multinomial(key, self.total_count, self.probs, shape=shape).astype(int)
