"""What a log-likelihood sees of a row is proved from its program: nothing that points of parameters miss is lost."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import DataError, NoMaximumError, laplace, map_estimate, mle, summarise
from bayeszoo.inference.arithmetic import arithmetic
from bayeszoo.inference.declare import declare
from bayeszoo.inference.forms import ALL
from bayeszoo.inference.problem import Problem
from bayeszoo.inference.separable import crossed, visible
from bayeszoo.inference.structure import blank, structure
from bayeszoo.inference.target import log_target
from numpyro import plate, sample


def normal(f, wide=1.0):
    """y ~ Normal(f(x; a, b), s), of one row or many."""

    def model(x, y=None):
        a, b = sample("a", dist.Normal(0.0, wide)), sample("b", dist.Normal(0.0, wide))
        sample("y", dist.Normal(f(x[:, 0], a, b), sample("s", dist.HalfNormal(1.0))), obs=y)

    return model


def other(of):
    """y ~ of(x, a, b), a positive."""

    def model(x, y=None):
        a, b = sample("a", dist.HalfNormal(1.0)), sample("b", dist.Normal(0.0, 1.0))
        sample("y", of(x[:, 0], a, b), obs=y)

    return model


def by_level(x, y=None):
    """Each of three levels of a cell has a mean and a width of its own."""
    with plate("level", 3):
        m, s = sample("m", dist.Normal(0.0, 1.0)), sample("s", dist.HalfNormal(1.0))
    level = x[:, 0].astype(int)
    sample("y", dist.Normal(m[level], s[level]), obs=y)


SEEN = {
    "a line": (normal(lambda x, a, b: a + b * x), 2),
    "a level": (normal(lambda x, a, b: a + b), 2),
    "a branch that theta decides": (normal(lambda x, a, b: a + jnp.where(b > 50, 2 * x, 0.0)), 2),
    "a corner of theta": (normal(lambda x, a, b: a + jax.nn.relu(b - 50) * x), 2),
    "a parabola": (normal(lambda x, a, b: a * x**2 + b * x), 4),
    "a branch that the row decides": (normal(lambda x, a, b: a + b * (x == 0)), ALL),
    "a sine of the row": (normal(lambda x, a, b: a + b * jnp.sin(x)), ALL),
    "levels with widths of their own": (by_level, ALL),
    "a width by a flag": (other(lambda x, a, b: dist.Normal(b * x, jnp.where(x > 0, a, 1.0))), ALL),
    "a column in half precision": (normal(lambda x, a, b: a + b * x.astype(jnp.float16)), ALL),
    "levels of theta, cut": (normal(lambda x, a, b: jnp.maximum(jnp.stack([a, b])[x.astype(int)], 0.0)), ALL),
    "counts by exposure": (other(lambda x, a, b: dist.Poisson(a * x)), 1),
    "a truth of theta by level": (normal(lambda x, a, b: 1 - (jnp.stack([a, b])[x.astype(int)] > 5)), None),
    "whole numbers of theta and cells": (normal(lambda x, a, b: x.astype(int) * (b > 0)), None),
    "a truth that theta chooses": (normal(lambda x, a, b: a + jnp.where(b > 0, x > 0, x < 1)), None),
    "theta in single precision": (normal(lambda x, a, b: a + b.astype(jnp.float32) * x), 2),
    "counts by level and exposure": (other(lambda x, a, b: dist.Poisson(jnp.stack([a, a])[x.astype(int)] * x)), ALL),
    "counts by the logarithm of an exposure": (other(lambda x, a, b: dist.Poisson(jnp.exp(b + jnp.log(x)))), ALL),
    "Horner's rule": (normal(lambda x, a, b: jnp.polyval(jnp.stack([a, b, a]), x)), 4),
    "a width alone": (other(lambda x, a, b: dist.Normal(0.0 * x, a)), 2),
    "a cap on some rows": (normal(lambda x, a, b: jnp.minimum(a, jnp.where(x == 1, b, jnp.inf))), None),
    "counts without columns": (other(lambda x, a, b: dist.Poisson(a * jnp.ones_like(x))), 1),
    "waits of one shape": (other(lambda x, a, b: dist.Gamma(2.0, a * jnp.ones_like(x))), 1),
    "waits of any shape": (other(lambda x, a, b: dist.Gamma(a, jnp.exp(b) * jnp.ones_like(x))), ALL),
    "logarithms": (other(lambda x, a, b: dist.LogNormal(b * x, a)), ALL),
    "a little of a sine of both": (normal(lambda x, a, b: a + b * x + 1e-9 * jnp.sin(b * x)), None),
    "a branch that both decide": (normal(lambda x, a, b: jnp.where(a + b * x > 60, 20.0, a + b * x)), None),
    "a corner of both": (normal(lambda x, a, b: jax.nn.relu(a + b * x)), None),
    "a bound that theta moves": (other(lambda x, a, b: dist.TruncatedNormal(b * x, a, low=0.0)), None),
    "a width that the row moves": (other(lambda x, a, b: dist.Normal(0.0, a * jnp.exp(1e-6 * b * x))), None),
    "Student's t": (other(lambda x, a, b: dist.StudentT(4.0, b * x, a)), None),
    "Cauchy": (other(lambda x, a, b: dist.Cauchy(b, a * jnp.ones_like(x))), None),
    "counts by a column": (other(lambda x, a, b: dist.Poisson(jnp.exp(b * x))), None),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_a_likelihood_sees(case):
    """The degree of the polynomial in cells x and y, ALL for other functions of these, None where theta is inside."""
    model, degree = SEEN[case]
    declared = declare(model)
    with arithmetic():
        found = visible(declared, structure(declared, blank(1, 2)), 1, 2, ())
    assert degree == (None if found is None else found.degree)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, spec, b: (x[:, 0] * spec.loc[0]) * jax.nn.relu(b - 50),
        lambda x, spec, b: jax.nn.relu(b - 50) * (x[:, 0] / spec.loc[0] - 1),
        lambda x, spec, b: 1e-9 * b * x[:, 0],
        lambda x, spec, b: jax.nn.relu(b - 50) * jax.lax.stop_gradient(x[:, 0]),
        lambda x, spec, b: jnp.where(jax.nn.relu(50 - b).astype(bool), 0.0, 2 * x[:, 0]),
        lambda x, spec, b: jnp.where(spec.scale[0] < 1, x[:, 0], 0.0) * jax.nn.relu(b - 50),
    ],
    ids=[
        "times the mean",
        "over the mean",
        "of little weight",
        "without derivatives",
        "by a truth",
        "where the spread is small",
    ],
)
def test_products_of_two_cells_are_seen(f):
    """(y - f)^2 has products of x and y, whatever the mean of the column is, and however small they are."""

    def model(x, y=None, *, spec):
        a, b = sample("a", dist.Normal(0.0, 1.0)), sample("b", dist.Normal(0.0, 1.0))
        sample("y", dist.Normal(a + f(x, spec, b), 1.0), obs=y)

    declared = declare(model)
    spec = replace(blank(1, 2), loc=np.array([2.0]), scale=np.array([0.5]))
    with arithmetic():
        seen = visible(declared, structure(declared, spec), 1, 2, ())
        assert seen.degree == 2
        assert crossed(seen, spec, None)


def densities(model, x, y, vectors):
    """Log densities at vectors, and what was compressed: of all rows, and of those that stand for them."""
    with arithmetic():
        problems = [Problem(model, x, y, compression=some) for some in (False, True)]
        found = [
            [float(log_target(v, p.spec, p.rows, prior=True, jacobian=True, **p.keywords)) for v in vectors]
            for p in problems
        ]
    return np.array(found), problems[1].compression


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("f", "stays"),
    [
        (lambda x, a, b: a + jnp.where(b > 1, 2 * x, 0.0), False),
        (lambda x, a, b: jnp.where(b * x > 9, 9.0, b * x), True),
    ],
    ids=["theta decides", "both decide"],
)
def test_a_branch_far_from_the_prior_is_not_lost(f, stays):
    """Where the prior puts nothing, b = 3 and more, the density is that of all rows, or all rows are kept."""
    x = RNG.normal(size=(3_000, 1))
    y = np.asarray(f(x[:, 0], 0.5, 4.0)) + RNG.normal(size=3_000)
    vectors = np.array([[0.5, b, 0.1] for b in (-9.0, 0.0, 0.9, 1.1, 3.0, 9.0, 40.0)])
    (every, few), said = densities(normal(f, wide=0.1), x, y, vectors)
    assert said.startswith("all 3000 rows") is stays
    gaps = few - every
    np.testing.assert_allclose(gaps - gaps[0], 0, atol=1e-10 * np.abs(every).max())


@pytest.mark.slow
def test_a_vague_prior_hides_no_part_of_a_likelihood():
    """Beside squares of 1e10, the logarithms of a Student-t are a 1e-9th: points of such a prior would not tell."""

    def model(x, y=None):
        m = sample("m", dist.Normal(0.0, 1.0))
        a, s = sample("a", dist.Normal(0.0, 1e5)), sample("s", dist.HalfNormal(1.0))
        sample("x", dist.StudentT(3.0, m, 1.0).expand([1]).to_event(1), obs=x)
        sample("y", dist.Normal(a * x[:, 0], s), obs=y)

    x = RNG.standard_t(3, size=(3_000, 1)) + 0.6
    fit = map_estimate(model, x, 3 * x[:, 0] + 0.1 * RNG.normal(size=3_000))
    assert fit.compression.startswith("all 3000 rows: the likelihood of model is no sum of products")
    assert fit.params["m"].item() == pytest.approx(0.6, abs=5 * 1.3 / np.sqrt(3_000))


def rare_level(x, y=None):
    a = sample("a", dist.Normal(0.0, 5.0).expand([3]).to_event(1))
    s = sample("s", dist.HalfNormal(2.0))
    sample("y", dist.Normal(a[0] + a[1] * x[:, 0] + a[2] * (x[:, 0] == 0), s), obs=y)


@pytest.mark.slow
def test_rare_rows_of_a_file_are_looked_at(tmp_path):
    """Ten rows of 100,000, of which a sample has none, alone tell a[2]: those of a file, and those that come later."""
    x = RNG.normal(size=100_000)
    x[RNG.choice(100_000, 10, replace=False)] = 0.0
    y = 1 + 2 * x + 3.0 * (x == 0) + RNG.normal(size=100_000)
    pd.DataFrame({"x": x, "y": y}).to_parquet(tmp_path / "rows.parquet")
    every = laplace(rare_level, x[:, None], y, compress=False, draws=200)
    few = laplace(rare_level, tmp_path / "rows.parquet", target="y", draws=200)
    assert "reweighted" in few.compression
    for one in (np.mean, np.std):
        got, want = (one(fit.flat_params["a"], axis=0) for fit in (few, every))
        np.testing.assert_allclose(got, want, rtol=1e-4)
    more = every.update(np.zeros((20, 1)), np.full(20, 5.0))
    again = laplace(rare_level, np.append(x, np.zeros(20))[:, None], np.append(y, np.full(20, 5.0)), draws=200)
    np.testing.assert_allclose(more.flat_params["a"].mean(axis=0), again.flat_params["a"].mean(axis=0), rtol=1e-4)
    with pytest.raises(DataError, match="what was summarised is no longer at hand"):
        mle(rare_level, replace(summarise(x[:, None], y), sources=None))


@pytest.mark.parametrize(("unit", "wild"), [(1e9, 0.0), (1.0, 1e6)], ids=["large y", "one wild y"])
def test_rare_rows_are_not_lost_beside_large_numbers(unit, wild):
    """Rows that no sampled row is like stay, however large the squares beside them."""

    def model(x, y=None):
        a = sample("a", dist.Normal(0.0, 5.0 * unit).expand([3]).to_event(1))
        s = sample("s", dist.HalfNormal(2.0 * unit))
        sample("y", dist.Normal(a[0] + a[1] * x[:, 0] + a[2] * (x[:, 0] == 0), s), obs=y)

    rng = np.random.default_rng(2)
    x = rng.normal(size=100_000)
    x[:10] = 0.0
    y = unit * (1 + 2 * x + 3.0 * (x == 0) + rng.normal(size=100_000))
    y[50_000] += wild
    vectors = np.array([[unit, 2 * unit, k * unit, np.log(unit) + 0.1] for k in (-3.0, 0.0, 3.0, 9.0)])
    (every, few), said = densities(model, x[:, None], y, vectors)
    assert "reweighted" in said
    gaps = few - every
    np.testing.assert_allclose(gaps - gaps[0], 0, atol=1e-15 * np.abs(every).max() + 1e-6)


class Bounded(dist.Distribution):
    """Normal around a, of which nothing lies above 10."""

    support = dist.constraints.real

    def __init__(self, a):
        self.a = a
        super().__init__(jnp.shape(a))

    def log_prob(self, value):
        return jnp.where(value < 10, dist.Normal(self.a, 1.0).log_prob(value), -jnp.inf)

    def sample(self, key, sample_shape=()):
        return self.a + jax.random.normal(key, sample_shape + self.batch_shape)


@pytest.mark.parametrize("compress", [True, False])
def test_a_row_that_the_model_excludes_is_not_passed_over(compress):
    """One of 20,000, which no sample need hold: there is no likelihood, on few rows and on all."""

    def model(x, y=None):
        a = sample("a", dist.Normal(0.0, 1.0))
        sample("y", Bounded(a * jnp.sin(x[:, 0])), obs=y)

    x, y = RNG.normal(size=(20_000, 1)), RNG.normal(size=20_000)
    y[777] = 11.0
    with pytest.raises(NoMaximumError, match="row 777 has no density under"):
        map_estimate(model, x, y, compress=compress)


class Below(dist.Distribution):
    """Normal(mean, sd), but no row may have ok = 0: a rule of the user's own, which the support does not tell."""

    support = dist.constraints.real

    def __init__(self, mean, sd, ok):
        self.m, self.s, self.ok = mean, sd, ok
        super().__init__(jnp.shape(mean))

    def log_prob(self, value):
        return jnp.where(self.ok, dist.Normal(self.m, self.s).log_prob(value), -jnp.inf)

    def sample(self, key, sample_shape=()):
        return self.m + jax.random.normal(key, sample_shape + self.batch_shape)


class Added(Below):
    """The same by what is added to the log density, without a choice of what that is."""

    def log_prob(self, value):
        return dist.Normal(self.m, self.s).log_prob(value) + jnp.log(1.0 * self.ok)


@pytest.mark.slow
@pytest.mark.parametrize("Below", [Below, Added])
@pytest.mark.parametrize("row", [770, 777])
def test_a_row_that_a_rule_excludes_is_not_passed_over(row, Below):
    """Row 777 is in the sample of 5,000, row 770 is not, and neither is extreme in a column."""

    def model(x, y=None):
        a, b = sample("a", dist.HalfNormal(1.0)), sample("b", dist.Normal(0.0, 1.0))
        sample("y", Below(b * x[:, 0], a, x[:, 1] * x[:, 2] < 9), obs=y)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 3))
    x[x[:, 1] * x[:, 2] >= 9, 1] = 0
    y = 1 + 2 * x[:, 0] + rng.normal(size=20_000)
    assert len(map_estimate(model, x, y).params) == 2
    x[row, 1:] = -3.05
    with pytest.raises(NoMaximumError):
        map_estimate(model, x, y)


@pytest.mark.slow
def test_more_hits_than_tries_are_not_passed_over():
    """One row of 20,000 hits 9 times in 5 tries: the support depends on the row, and nothing refuses it by name."""

    def model(x, y=None):
        p = sample("p", dist.Beta(1.0, 1.0))
        sample("y", dist.Binomial(total_count=x[:, 0].astype(int), probs=p), obs=y)

    tries = RNG.integers(5, 10, size=20_000).astype(float)
    hits = RNG.binomial(tries.astype(int), 0.3)
    assert map_estimate(model, tries[:, None], hits).params["p"].item() == pytest.approx(0.3, abs=5e-3)
    tries[777], hits[777] = 5, 9
    with pytest.raises(NoMaximumError, match="row 777 has no density under"):
        map_estimate(model, tries[:, None], hits)


@pytest.mark.slow
def test_means_that_no_row_has_are_not_taken():
    """Waits of a rare label vary by more than their mean: its mean less its spread is below 0, where no wait is."""

    def waits(x, y=None, *, spec):
        pi = sample("pi", dist.Dirichlet(jnp.ones(spec.classes)))
        with plate("label", spec.classes):
            m, r = sample("m", dist.Normal(0.0, 3.0)), sample("r", dist.LogNormal(0.0, 2.0))
        with plate("row", spec.rows):
            k = sample("y", dist.Categorical(pi), obs=y)
            each = [dist.Normal(m[k], 1.0), dist.Gamma(1.0, r[k])]
            sample("x", Pair(each), obs=x)

    rng = np.random.default_rng(0)
    label = (np.arange(100_000) % 1_667 == 3).astype(int)
    x = np.column_stack([rng.normal(size=100_000), rng.gamma(np.where(label, 0.1, 5.0), 1.0) + 1e-12])
    few, every = (map_estimate(waits, x, label, compress=some) for some in (True, False))
    np.testing.assert_allclose(few.params["r"], every.params["r"], rtol=1e-5)


class Pair(dist.Distribution):
    """A number and a wait."""

    support = dist.constraints.real_vector

    def __init__(self, each):
        self.each = each
        super().__init__(each[0].batch_shape, (2,))

    def log_prob(self, value):
        return sum(one.log_prob(value[..., j]) for j, one in enumerate(self.each))

    def sample(self, key, sample_shape=()):
        keys = jax.random.split(key)
        return jnp.stack([one.sample(k, sample_shape) for one, k in zip(self.each, keys, strict=True)], axis=-1)


@pytest.mark.parametrize("seed", range(6))
def test_a_posterior_that_is_the_normal_itself_has_no_tail(seed):
    """Weights are the same in all draws but for rounding, of which no Pareto k can be told."""
    model = partial(normal, lambda x, a, b: a + b * x)()

    def known(x, y=None):
        a = sample("a", dist.Normal(0.0, 1.0))
        sample("y", dist.Normal(a + 0.0 * x[:, 0], 1.0), obs=y)

    y = np.random.default_rng(seed).normal(size=100)
    assert laplace(known, np.zeros((100, 1)) + y[:, None], y).diagnostics["normal_k"] == 0
    assert laplace(model, y[:, None], y + np.random.default_rng(seed + 99).normal(size=100)).diagnostics["normal_k"] > 0
