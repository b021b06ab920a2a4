"""Rows that see each other are refused, under any prior and however seldom they do: fits add up single rows."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import ModelError, map_estimate, mle, summarise
from bayeszoo.models import linear_regression
from numpyro import sample

RNG = np.random.default_rng(0)


def test_a_row_that_looks_back_far_is_refused():
    def lagged(x, y=None):
        b = sample("b", dist.Normal(0.0, 1.0))
        before = jnp.concatenate([jnp.zeros(x.shape[0])[:7], x[:-7, 0]])[: x.shape[0]]
        sample("y", dist.Normal(b * before, 1.0), obs=y)

    with pytest.raises(ModelError, match="not independent given its parameters"):
        mle(lagged, RNG.normal(size=(2_000, 1)), RNG.normal(size=2_000))


@pytest.mark.parametrize("what", ["centred", "ranked", "two rows back", "two labels back"])
@pytest.mark.parametrize("vague", [1.0, 1e8])
def test_rows_that_see_each_other_are_refused_under_a_vague_prior_too(what, vague):
    """Beside an intercept that may be anything, what one row sees of another is a small part of its log-likelihood."""

    def shared(x, y=None):
        a, b = sample("a", dist.Normal(0.0, vague)), sample("b", dist.Normal(0.0, 1.0))
        seen = {
            "centred": lambda: x[:, 0] - x[:, 0].mean(),
            "ranked": lambda: jnp.argsort(jnp.argsort(x[:, 0])) / x.shape[0],
            "two rows back": lambda: jnp.roll(x[:, 0], 2),
            "two labels back": lambda: jnp.roll(y, 2) * 1.0,
        }[what]()
        if what == "two labels back":
            sample("y", dist.Categorical(logits=jnp.stack([a + b * seen, 0 * seen], axis=1)), obs=y)
        else:
            sample("y", dist.Normal(a + b * seen, 1.0), obs=y)

    y = RNG.normal(size=2_000)
    with pytest.raises(ModelError, match="not independent given its parameters"):
        mle(shared, RNG.normal(size=(2_000, 1)), (y > 0).astype(int) if what == "two labels back" else y)


def test_rows_that_seldom_see_each_other_are_refused():
    """One row in fifty of 50,000 sees the one before it; of a sample of 5,000 hardly any does."""

    def panel(x, y=None):
        b = sample("b", dist.Normal(0.0, 1.0))
        before = jnp.where(x[:, 1] == jnp.roll(x[:, 1], 1), jnp.roll(x[:, 0], 1), 0.0)
        sample("y", dist.Normal(b * before, 1.0), obs=y)

    person = np.cumsum(np.arange(50_000) % 50 != 49)
    with pytest.raises(ModelError, match="not independent given its parameters"):
        map_estimate(panel, np.column_stack([RNG.normal(size=50_000), person]), RNG.normal(size=50_000))


def test_persons_with_one_row_do_not_hide_those_with_many():
    """Of a table that is sorted by how often a person came, the first rows have none before them."""

    def panel(x, y=None):
        b = sample("b", dist.Normal(0.0, 1.0))
        before = jnp.where(x[1:, 1] == x[:-1, 1], x[:-1, 0], 0.0)
        sample("y", dist.Normal(b * jnp.concatenate([jnp.zeros(1), before])[: x.shape[0]], 1.0), obs=y)

    person = np.concatenate([np.arange(5_000), 5_000 + np.repeat(np.arange(100), 10)])
    with pytest.raises(ModelError, match="not independent given its parameters"):
        map_estimate(panel, np.column_stack([RNG.normal(size=6_000), person]), RNG.normal(size=6_000))


def test_a_file_that_was_summarised_may_go(tmp_path):
    pd.DataFrame({"a": RNG.normal(size=300), "y": RNG.normal(size=300)}).to_parquet(tmp_path / "t.parquet")
    summary = summarise(tmp_path / "t.parquet", target="y")
    want = mle(linear_regression, summary).params["w"]
    (tmp_path / "t.parquet").unlink()
    np.testing.assert_array_equal(mle(linear_regression, summary).params["w"], want)


@pytest.mark.parametrize("gate", [lambda r: r - 1, lambda r: r - 4, lambda r: -4 - r], ids=["1", "4", "-4"])
def test_rows_that_see_each_other_at_some_parameters_only_are_refused(gate):
    def gated(x, y=None):
        a, r = sample("a", dist.Normal(0.0, 1.0)), sample("r", dist.Normal(0.0, 1.0))
        sample("y", dist.Normal(a * x[:, 0] + jnp.maximum(gate(r), 0.0) * jnp.roll(x[:, 0], 1), 1.0), obs=y)

    with pytest.raises(ModelError, match="not independent given its parameters"):
        map_estimate(gated, RNG.normal(size=(2_000, 1)), RNG.normal(size=2_000))


@pytest.mark.parametrize("rows", [8, 50, 400])
@pytest.mark.parametrize("compress", [True, False])
def test_a_prior_that_hears_how_many_rows_there_are(rows, compress):
    """And is the same for three and for five of them: a ~ Normal(0, s_n), s_n = min(1, 10 / n), y ~ Normal(a, 1).

    The mode is sum(y) / (n + 1 / s_n^2). Where few rows stand for all, or a table is padded, n is still that of all.
    """

    def hearing(x, y=None):
        a = sample("a", dist.Normal(0.0, min(1.0, 10 / x.shape[0])))
        sample("y", dist.Normal(a, 1.0).expand([x.shape[0]]), obs=y)

    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(rows, 1)), rng.normal(size=rows) + 1
    want = y.sum() / (rows + 1 / min(1.0, 10 / rows) ** 2)
    fit = map_estimate(hearing, x, y, compress=compress)
    np.testing.assert_allclose(fit.params["a"], [[want]], rtol=1e-9)


def test_a_parameter_whose_shape_hears_it_is_refused():
    def hearing(x, y=None):
        a = sample("a", dist.Normal(0.0, 1.0).expand([2 if x.shape[0] > 50 else 1]))
        sample("y", dist.Normal(a.sum(), 1.0).expand([x.shape[0]]), obs=y)

    x, y = np.zeros((60, 1)), np.random.default_rng(0).normal(size=60)
    with pytest.raises(ModelError, match=r"site 'a' has the shape \(1,\) in a table of one row and \(2,\) in another"):
        map_estimate(hearing, x, y)


def test_what_fails_at_the_real_number_of_rows_is_one_sentence():
    """And not where the model is first run, on one row and on two."""

    def some(x, y=None):
        a = sample("a", dist.Normal(0.0, 1.0))
        with numpyro.plate("row", x.shape[0], subsample_size=min(x.shape[0], 64)) as i:
            sample("y", dist.Normal(a, 1.0), obs=y[i])

    with pytest.raises(ModelError, match=r"some cannot be run: .* do not support subsampling"):
        mle(some, np.zeros((200, 1)), np.zeros(200))


def test_a_constant_is_no_parameter():
    def constant(x, y=None):
        a = sample("a", dist.Delta(2.0)) + sample("b", dist.Normal(0.0, 1.0))
        sample("y", dist.Normal(a, 1.0).expand([x.shape[0]]), obs=y)

    with pytest.raises(ModelError, match="site 'a' is a Delta, a constant; write the number"):
        mle(constant, np.zeros((20, 1)), np.zeros(20))


@pytest.mark.parametrize("told", ["len(x)", "spec.rows"])
def test_a_likelihood_that_is_another_for_many_rows_is_refused(told):
    """Above any number of rows that are looked at together; as many below it are what they are."""

    def changing(x, y=None, *, spec):
        mean, width = sample("mean", dist.Normal(0.0, 10.0)), sample("width", dist.HalfNormal(10.0))
        many = (x.shape[0] if told == "len(x)" else spec.rows) > 3_000
        sample("y", dist.StudentT(2.0, mean, width) if many else dist.Normal(mean, width), obs=y)

    x, y = RNG.normal(size=(5_000, 1)), RNG.standard_t(2, size=5_000)
    with pytest.raises(ModelError, match="changes with how many there are"):
        map_estimate(changing, x, y)
    assert map_estimate(changing, x[:2_000], y[:2_000]).compression.startswith("2000 rows as")
