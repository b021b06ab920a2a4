"""Few weighted rows with the likelihood of all: which models allow it is found out, and their fits are the same."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import map_estimate, nuts
from bayeszoo.inference.moments import sigma_points, spread_rows
from bayeszoo.inference.problem import Problem
from bayeszoo.inference.standin import reweighted
from bayeszoo.inference.summary import Part, summary_of
from bayeszoo.inference.sweep import one_pass
from bayeszoo.inference.target import log_target
from bayeszoo.models import (
    fixed_variance_mixture,
    gaussian_naive_bayes,
    gaussian_process,
    linear_regression,
    polynomial,
    softmax_regression,
    spline,
)
from numpyro import plate, sample
from numpyro.diagnostics import effective_sample_size
from sklearn.datasets import load_iris

X = load_iris(as_frame=True).data
CODES = load_iris().target
HOLES = X.mask(np.random.default_rng(0).random(X.shape) < 0.1)
WIDTH = X["petal width (cm)"].rename("width")
FEW = X.round(0)  # 57 different rows of 150 in the first two columns
SOME = np.where(np.arange(150) % 3 > 0, CODES.astype(object), None)
COUNTS = np.random.default_rng(0).poisson(np.exp(FEW.iloc[:, 0] - 5))


def discriminant(x, y=None, *, spec, own=True):
    """P(x | y) = Normal(mu_y, Sigma_y) with a Sigma for each label, or one for all."""
    k, d = spec.classes, spec.features
    pi = sample("pi", dist.Dirichlet(jnp.ones(k)))
    mu = sample("mu", dist.Normal(spec.loc, 2 * spec.scale).expand([k, d]).to_event(2))
    factor = sample("factor", dist.LKJCholesky(d, 2.0).expand([k] if own else []).to_event(int(own)))
    sd = sample("sd", dist.HalfNormal(spec.scale).expand([k, d] if own else [d]).to_event(1 + own))
    scale = sd[..., None] * factor
    with plate("row", spec.rows):
        y = sample("y", dist.Categorical(pi), obs=y)
        sample("x", dist.MultivariateNormal(mu[y], scale_tril=scale[y] if own else scale), obs=x)


def bernoulli_naive_bayes(x, y=None, *, spec):
    p = sample("p", dist.Beta(1, 1).expand([spec.classes, spec.features]).to_event(2))
    pi = sample("pi", dist.Dirichlet(jnp.ones(spec.classes)))
    with plate("row", spec.rows):
        y = sample("y", dist.Categorical(pi), obs=y)
        sample("x", dist.BernoulliProbs(p[y]).to_event(1), obs=x)


class Counts(dist.Distribution):
    """A multinomial given how many there are, but for what does not depend on the parameters."""

    support = dist.constraints.real_vector

    def __init__(self, log_p):
        self.log_p = log_p
        super().__init__(log_p.shape[:-1], log_p.shape[-1:])

    def log_prob(self, value):
        return (value * self.log_p).sum(axis=-1)

    def sample(self, key, sample_shape=()):
        return jax.random.poisson(key, jnp.exp(self.log_p), sample_shape + self.log_p.shape).astype(float)


class Categories(dist.Distribution):
    """Columns of categories 0, 1, ... as numbers."""

    support = dist.constraints.real_vector

    def __init__(self, log_p):
        self.log_p = log_p
        super().__init__(log_p.shape[:-2], log_p.shape[-2:-1])

    def log_prob(self, value):
        return jnp.take_along_axis(self.log_p, value[..., None].astype(int), axis=-1).sum(axis=(-1, -2))

    def sample(self, key, sample_shape=()):
        return jax.random.categorical(key, self.log_p, shape=sample_shape + self.log_p.shape[:-1]).astype(float)


def multinomial_naive_bayes(x, y=None, *, spec):
    p = sample("p", dist.Dirichlet(jnp.ones(spec.features)).expand([spec.classes]).to_event(1))
    pi = sample("pi", dist.Dirichlet(jnp.ones(spec.classes)))
    with plate("row", spec.rows):
        y = sample("y", dist.Categorical(pi), obs=y)
        sample("x", Counts(jnp.log(p[y])), obs=x)


def categorical_naive_bayes(x, y=None, *, spec):
    p = sample("p", dist.Dirichlet(jnp.ones(4)).expand([spec.classes, spec.features]).to_event(2))
    pi = sample("pi", dist.Dirichlet(jnp.ones(spec.classes)))
    with plate("row", spec.rows):
        y = sample("y", dist.Categorical(pi), obs=y)
        sample("x", Categories(jnp.log(p[y])), obs=x)


class Mixed(dist.Distribution):
    """A measurement, a count and a bit in one row."""

    support = dist.constraints.real_vector

    def __init__(self, mu, sigma, rate, p):
        self.parts = dist.Normal(mu, sigma), dist.Poisson(rate), dist.BernoulliProbs(p)
        super().__init__(jnp.shape(mu), (3,))

    def log_prob(self, value):
        return sum(part.log_prob(value[..., j]) for j, part in enumerate(self.parts))

    def sample(self, key, sample_shape=()):
        keys = jax.random.split(key, 3)
        drawn = [part.sample(k, sample_shape) for part, k in zip(self.parts, keys, strict=True)]
        return jnp.stack([jnp.asarray(one, float) for one in drawn], axis=-1)


def mixed_naive_bayes(x, y=None, *, spec):
    pi = sample("pi", dist.Dirichlet(jnp.ones(spec.classes)))
    with plate("label", spec.classes):
        mu, sigma = sample("mu", dist.Normal(0, 3)), sample("sigma", dist.HalfNormal(2))
        rate, p = sample("rate", dist.Gamma(2, 1)), sample("p", dist.Beta(1, 1))
    with plate("row", spec.rows):
        y = sample("y", dist.Categorical(pi), obs=y)
        sample("x", Mixed(mu[y], sigma[y], rate[y], p[y]), obs=x)


def poisson_regression(x, y=None, *, spec):
    w = sample("w", dist.Normal(0, 1).expand([spec.features]).to_event(1))
    b = sample("b", dist.Normal(0, 3))
    with plate("row", spec.rows):
        sample("y", dist.Poisson(jnp.exp(b + (x - spec.loc) @ w)), obs=y)


def students_regression(x, y=None, *, spec):
    w = sample("w", dist.Normal(0, 1).expand([spec.features]).to_event(1))
    with plate("row", spec.rows):
        sample("y", dist.StudentT(4.0, (x - spec.loc) @ w, 1.0), obs=y)


def informed_regression(x, y=None):
    b = sample("b", dist.Normal(x[:, 0].max(), 1.0))
    sample("y", dist.Normal(b * x[:, 0], 1.0), obs=y)


CASES = {
    "naive Bayes": (gaussian_naive_bayes, X, CODES, 6, "mean and spread"),
    "naive Bayes, missing features": (gaussian_naive_bayes, HOLES, CODES, 46, "mean and spread"),
    "labelled normals of fixed width": (fixed_variance_mixture, X, CODES, 3, "the mean"),
    "regression": (linear_regression, X.iloc[:, :3], WIDTH, 8, "mean and covariance"),
    "regression, fixed sigma": (partial(linear_regression, sigma=0.2), X.iloc[:, :3], WIDTH, 8, "mean and covariance"),
    "quadratic discriminant": (discriminant, X, CODES, 24, "mean and covariance"),
    "linear discriminant": (partial(discriminant, own=False), X, CODES, 24, "mean and covariance"),
    "counts, few different rows": (poisson_regression, FEW.iloc[:, :1], COUNTS, 32, "equal rows counted"),
    "softmax, few different rows": (softmax_regression, FEW.iloc[:, :2], CODES, 18, "equal rows counted"),
    "hidden labels, few different rows": (partial(fixed_variance_mixture, k=2), FEW.iloc[:, :2], None, 13, "equal"),
    "some labels hidden": (gaussian_naive_bayes, X, SOME, 56, "mean and spread"),
}


@pytest.mark.parametrize(("model", "x", "y", "rows", "kind"), CASES.values(), ids=CASES)
def test_the_likelihood_is_that_of_all_rows(model, x, y, rows, kind):
    """At other parameters than those that the engine looked at."""
    with jax.enable_x64(True):
        few, every = (Problem(model, x, y, compression=compression) for compression in (True, False))
        assert few.compression.startswith(f"150 rows as {rows}, {kind}")
        assert every.compression == "all rows, as asked for"
        a, b = (
            np.array(
                [
                    float(log_target(v, p.spec, p.rows, prior=True, jacobian=True, **p.keywords))
                    for v in few.prior_draws(7)[:5]
                ]
            )
            for p in (few, every)
        )
    constant = (a - b)[np.abs(b).argmin()]
    np.testing.assert_allclose(a - constant, b, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "most"), [(multinomial_naive_bayes, 2), (mixed_naive_bayes, 2 * 6), (categorical_naive_bayes, 2 * 64)]
)
def test_columns_of_other_kinds_compress(model, most):
    """4,000 rows of two labels with three columns each: counts, a table of several kinds, or of categories 0 to 3."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=4_000)
    kinds = {
        multinomial_naive_bayes: rng.poisson(np.array([[3, 2, 1], [1, 2, 9]])[y]),
        mixed_naive_bayes: np.column_stack([rng.normal(y), rng.poisson(1 + 2 * y), rng.random(4_000) < 0.2 + 0.5 * y]),
        categorical_naive_bayes: rng.integers(4, size=(4_000, 3)),
    }
    with jax.enable_x64(True):
        problem = Problem(model, kinds[model], y)
        every = Problem(model, kinds[model], y, compression=False)
        values = [
            [float(log_target(v, p.spec, p.rows, prior=False, jacobian=False, **p.keywords)) for p in (problem, every)]
            for v in problem.prior_draws(7)[:4]
        ]
    assert int(problem.compression.split()[3].rstrip(",")) <= most, problem.compression
    gaps = np.array([few - all_rows for few, all_rows in values])
    np.testing.assert_allclose(gaps - gaps[0], 0, atol=1e-9 * np.abs(values).max())


@pytest.mark.slow
@pytest.mark.parametrize("case", ["naive Bayes, missing features", "regression", "counts, few different rows"])
def test_the_mode_is_that_of_all_rows(case):
    model, x, y, *_ = CASES[case]
    few, every = (map_estimate(model, x, y, compress=compress) for compress in (True, False))
    for name, value in every.params.items():
        np.testing.assert_allclose(few.params[name], value, rtol=1e-5, atol=1e-6 * np.abs(value).max(), err_msg=name)


@pytest.mark.parametrize(
    ("model", "x", "y", "why"),
    [
        (students_regression, X.iloc[:, :3], WIDTH, "no sum of products"),
        (softmax_regression, X, CODES, "no sum of products"),
        (partial(fixed_variance_mixture, k=3), X, None, "labels are hidden"),
        (informed_regression, FEW.iloc[:, :1], COUNTS, "looks at them"),
    ],
)
def test_rows_that_the_likelihood_tells_apart_stay(model, x, y, why):
    fit = map_estimate(model, x, y)
    assert fit.compression.startswith("all 150 rows")
    assert why in fit.compression


@pytest.mark.slow
def test_the_posterior_is_that_of_all_rows():
    """Means of 5 parameters within 5 Monte Carlo errors of each other (false-alarm rate 3e-6)."""
    few, every = (nuts(linear_regression, X.iloc[:, :3], WIDTH, compress=compress) for compress in (True, False))
    for name, a in few.params.items():
        b = every.params[name]
        error = np.hypot(*(z.std((0, 1)) / np.sqrt(effective_sample_size(z)) for z in (a, b)))
        assert np.all(np.abs(a.mean((0, 1)) - b.mean((0, 1))) < 5 * error)


def moments(z, group, weights, full):
    """Of groups 0 to 3 in this order, by the engine."""
    found = one_pass([z], group.astype(np.int32), 4, weights, full=full)
    place = np.full(4, -1)
    place[found.label] = np.arange(len(found.label))
    return found.moments.take(place)


@pytest.mark.parametrize("full", [False, True])
def test_moments_merge_and_keep_their_digits(full):
    """Also where the first row of a group, from which squares are taken, lies far from all others."""
    rng = np.random.default_rng(0)
    z, group, weights = 1e8 + rng.normal(size=(50_000, 3)), rng.integers(3, size=50_000), rng.integers(1, 4, 50_000)
    z[0] = 0
    whole = moments(z, group, weights.astype(float), full)
    cut = (slice(0, 700), slice(700, None))
    parts = [moments(z[s], group[s], weights[s].astype(float), full) for s in cut]
    merged = parts[0].merge(parts[1])
    for g in range(3):
        rows = np.repeat(z[group == g].astype(np.longdouble) - 1e8, weights[group == g], axis=0)
        centred = rows - rows.mean(axis=0)
        want = (centred[:, :, None] * centred[:, None]).sum(axis=0).astype(float)
        for got in (whole, merged):
            np.testing.assert_allclose(got.mean[g] - 1e8, rows.mean(axis=0).astype(float), rtol=1e-9, atol=1e-7)
            np.testing.assert_allclose(got.scatter[g], want if full else np.diag(want), rtol=1e-9, atol=1e-3)
    assert whole.count[3] == 0
    points, where, w = (sigma_points if full else spread_rows)(whole)
    again = moments(points, where, w, full)
    np.testing.assert_allclose(again.count, whole.count)
    np.testing.assert_allclose(again.scatter, whole.scatter, rtol=1e-6, atol=1e-3)


def test_a_group_is_a_label_and_what_its_rows_miss():
    rng = np.random.default_rng(0)
    z, group = rng.normal(size=(40_000, 3)), rng.integers(2, size=40_000).astype(np.int32)
    z[rng.random(z.shape) < 0.1] = np.nan
    found = one_pass([z], group, 2, None, full=True)
    assert len(found.label) == 16
    np.testing.assert_array_equal(found.least, np.nanargmin(z, axis=0))
    np.testing.assert_array_equal(found.most, np.nanargmax(z, axis=0))
    for g in range(16):
        rows = z[(group == found.label[g]) & (~np.isnan(z) == found.seen[g]).all(axis=1)][:, found.seen[g]]
        own = np.ix_(found.seen[g], found.seen[g])
        assert found.moments.count[g] == len(rows)
        np.testing.assert_allclose(found.moments.mean[g][found.seen[g]], rows.mean(axis=0), atol=1e-12)
        want = np.atleast_2d(np.cov(rows.T, ddof=0)) * len(rows) if rows.size else np.zeros((0, 0))
        np.testing.assert_allclose(found.moments.scatter[g][own], want, atol=1e-9)


def test_collinear_columns_have_sigma_points():
    z = np.random.default_rng(0).normal(size=(100, 2)) @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    points, _, w = sigma_points(moments(z, np.zeros(100, dtype=int), None, True))
    np.testing.assert_allclose(np.cov(points.T, aweights=w, ddof=0), np.cov(z.T, ddof=0), atol=1e-12)


@pytest.mark.slow
def test_any_likelihood_of_few_features_is_compressed():
    """A cubic in two columns has no moments that would do, nor have bits in 12 columns in later versions of NumPyro."""
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(5000, 2)), rng.integers(3, size=5000)
    bits = rng.random((5000, 12)) < 0.3 + 0.1 * label[:, None]
    cubic = partial(linear_regression, hypothesis=partial(polynomial, degree=3))
    cases = ((cubic, x, x[:, 0] ** 2 + rng.normal(size=5000), 30), (bernoulli_naive_bayes, bits, label, 39))
    for model, data, y, most in cases:
        few, every = (map_estimate(model, data, y, compress=compress) for compress in (True, False))
        assert ": exact to" in few.compression  # by the means, where a NumPyro's Bernoulli takes them
        assert int(few.compression.split()[3].rstrip(",")) <= most
        for name, value in every.params.items():
            np.testing.assert_allclose(few.params[name], value, rtol=1e-5, atol=1e-6 * np.abs(value).max())


@pytest.mark.slow
@pytest.mark.parametrize(("hypothesis", "columns", "most"), [(spline, 2, 2_000), (gaussian_process, 1, 1_000)])
def test_a_hypothesis_linear_in_its_parameters_is_compressed(hypothesis, columns, most):
    """Smooth functions of a column, whose products are some 200: few rows have the posterior of 20,000."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, columns))
    data = partial(linear_regression, hypothesis=hypothesis), x, np.sin(2 * x[:, 0]) + rng.normal(size=20_000)
    few, every = (map_estimate(*data, compress=compress) for compress in (True, False))
    assert int(few.compression.split()[3].rstrip(",")) <= most
    assert float(few.compression.split("exact to ")[1].split()[0]) <= 1e-9
    assert few.diagnostics["log_density"] == pytest.approx(every.diagnostics["log_density"], abs=1e-5)
    for name, value in every.params.items():
        np.testing.assert_allclose(few.params[name], value, atol=1e-3 * np.abs(value).max())


def test_a_label_that_the_tried_rows_miss_is_kept():
    """Of a million rows, a sample of 5,000 may hold none of a rare label; its rows must not be lost."""
    rng = np.random.default_rng(0)
    label = np.sort(np.r_[rng.integers(2, size=5000), 2, 2, 2])
    rows = Part(rng.normal(size=(5003, 3)), label, (0, 1, 2), None, str)
    points = rng.normal(size=(8, 3))
    summary = summary_of(rows, ("a", "b", "c"), "y", full=False)
    small = reweighted(lambda some: (some.x, some.x @ points.T), rows.take(np.arange(4000)), 5003, summary)
    assert len(small.x) <= 2 * 4 + 3
    weights = small.weights
    np.testing.assert_allclose(np.bincount(small.y, weights), np.bincount(label), rtol=1e-9)
    np.testing.assert_allclose(weights @ small.x, rows.x.sum(axis=0), atol=1e-8)
