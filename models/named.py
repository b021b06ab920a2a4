"""P(x, y) of columns of names, alone or among counts and numbers."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array

from .columns import Columns, names, only_names, shares
from .covariances import width
from .spec import COUNT, NUMBER, Spec, WrongColumn, positive, whole


def categorical_naive_bayes(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    kinds: tuple[int, ...],
    concentration: float = 1.0,
    alpha: float = 1.0,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = prod_j theta_kj[x_j], every column one of its own names.

    (Murphy 2022, section 9.3.2.) theta_kj ~ Dirichlet(alpha, ...): averaged over its posterior, this is smoothing by
    alpha. Site ``theta_j`` is column j's, (label, name), names in their sorted order or that of the category.
    """
    only_names(kinds)
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    theta = shares(spec, kinds, spec.classes, float(positive("alpha", alpha)))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", Columns([(range(len(kinds)), dist.Categorical(theta[y]))]), obs=x)


def latent_class(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    kinds: tuple[int, ...],
    k: int | None = None,
    concentration: float = 1.0,
    alpha: float = 1.0,
) -> Array:
    """P(x) = sum_k pi_k prod_j theta_kj[x_j]: a mixture of columns of names, the class k hidden.

    Latent class analysis (Lazarsfeld and Henry 1968). Priors as in categorical_naive_bayes.
    k: number of classes; by default as many as there are label names, or 2.
    """
    only_names(kinds)
    of = replace(spec, classes=spec.classes if k is None else whole("k", k))
    return categorical_naive_bayes(x, y, spec=of, kinds=kinds, concentration=concentration, alpha=alpha)


def mixed_naive_bayes(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    kinds: tuple[int, ...],
    concentration: float = 1.0,
    alpha: float = 1.0,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = prod_j P(x_j | y = k), each column by its kind.

    Numbers: Normal(mu_kj, sigma_kj), priors as in gaussian_naive_bayes. Counts, whole numbers of at least 0 that came
    as integers: Poisson(rate_kj), rate_kj ~ Gamma(1, 1 / m_j); 0 and 1 are counts, too, unless they come as truth
    values. Names, text, categories and truth values: theta_kj[x_j], theta_kj ~ Dirichlet(alpha, ...).
    Sites hold the columns of their kind, in the table's order; ``theta_j`` is that of column j.
    """
    prior = dist.Dirichlet(jnp.full(spec.classes, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    numbers = [j for j, kind in enumerate(kinds) if kind == NUMBER]
    counts = [j for j, kind in enumerate(kinds) if kind == COUNT]
    parts = []
    if numbers:
        loc, scale = spec.loc[np.array(numbers)], spec.scale[np.array(numbers)]
        with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("number", len(numbers), dim=-1):
            mu = numpyro.sample("mu", dist.Normal(loc, 2 * scale))
            sigma = numpyro.sample("sigma", width(scale / 2))
        parts.append((numbers, lambda y: dist.Normal(mu[y], sigma[y])))
    if counts:
        mean = spec.loc[np.array(counts)]
        with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("count", len(counts), dim=-1):
            rate = numpyro.sample("rate", dist.Gamma(1.0, jnp.reciprocal(mean)))
        parts.append((counts, lambda y: dist.Poisson(rate[y])))
    if names(kinds):
        theta = shares(spec, kinds, spec.classes, float(positive("alpha", alpha)))
        parts.append((names(kinds), lambda y: dist.Categorical(theta[y])))
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        return numpyro.sample("x", Columns([(places, part(y)) for places, part in parts]), obs=x)


def dawid_skene(
    x: Array | None = None,
    y: Array | None = None,
    *,
    spec: Spec,
    kinds: tuple[int, ...],
    concentration: float = 1.0,
    skill: float = 2.0,
) -> Array:
    """P(y = k) = pi_k,  P(x | y = k) = prod_j theta_jk[x_j]: the true label y is hidden, column j is what rater j said.

    (Dawid and Skene 1979.) theta_jk, what rater j says of rows whose label is k, ~ Dirichlet(1, ..., 1 + skill, ..., 1)
    with the larger number at k itself: raters are better than chance, which tells the labels apart.
    A rater who did not see a row has a missing value. All columns hold the same names, which are the labels: make
    them categories of one list. Site theta: shape (feature, label, label_2): rater,
    truth, said.
    """
    only_names(kinds)
    k = max(kinds)
    if min(kinds) < k:
        column = kinds.index(min(kinds))
        raise WrongColumn(
            "takes raters who choose among the same names",
            column,
            f"holds {kinds[column]} names, where another holds {k}; make all columns categories of one list, as by "
            ".astype(pandas.CategoricalDtype(names))",
        )
    prior = dist.Dirichlet(jnp.full(k, positive("concentration", concentration)))
    pi = numpyro.sample("pi", prior, infer={"event_dims": ["label"]})
    with numpyro.plate("feature", len(kinds), dim=-2), numpyro.plate("label", k, dim=-1):
        better = dist.Dirichlet(1.0 + float(positive("skill", skill)) * jnp.eye(k))
        theta = numpyro.sample("theta", better, infer={"event_dims": ["label_2"]})
    with numpyro.plate("row", spec.rows, dim=-1):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        said = jnp.moveaxis(theta, 0, 1)[y]
        return numpyro.sample("x", Columns([(range(len(kinds)), dist.Categorical(said))]), obs=x)
