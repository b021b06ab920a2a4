"""Bayes' identity, brute force, numerical integration, and generation."""

import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import DataError, QueryError, laplace, map_estimate, mle
from bayeszoo.inference.blocks import BLOCK
from bayeszoo.inference.declare import declare
from bayeszoo.inference.densities import averaged
from bayeszoo.inference.joint import Rows
from bayeszoo.inference.structure import structure
from bayeszoo.inference.table import make_spec
from bayeszoo.inference.target import log_target, prior_vectors
from bayeszoo.models import (
    fixed_variance_mixture,
    gaussian_naive_bayes,
    linear_regression,
    quadratic_discriminant,
    softmax_regression,
)
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.datasets import load_iris

IRIS = load_iris(as_frame=True)
X = IRIS.data
SPECIES = pd.Series(IRIS.target_names[IRIS.target], name="species")
GENERATIVE = {
    "naive bayes, mle": lambda: mle(gaussian_naive_bayes, X, SPECIES),
    "naive bayes, laplace": lambda: laplace(gaussian_naive_bayes, X, SPECIES, draws=100),
    "mixture, map": lambda: map_estimate(partial(fixed_variance_mixture, k=3), X),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", GENERATIVE.values(), ids=GENERATIVE)
@pytest.mark.parametrize("holes", [False, True], ids=["complete", "with missing features"])
def test_bayes_identity(make, holes):
    fit = make()
    x = X.copy()
    if holes:
        x.iloc[::3, 1] = np.nan
        x.iloc[0] = np.nan
    joint = fit.log_joint(x)
    by_label = fit.log_label_prior() + fit.log_class_conditional(x)
    by_row = fit.log_marginal(x) + fit.log_label_posterior(x)
    np.testing.assert_allclose(by_label.transpose(*joint.dims), joint, atol=1e-8)
    np.testing.assert_allclose(by_row, joint, atol=1e-8)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("model", [gaussian_naive_bayes, partial(fixed_variance_mixture, sigma=0.4)])
def test_marginal_integrates_to_one(model, columns):
    fit = laplace(model, X.iloc[:, :columns], SPECIES, draws=50)
    grid = np.linspace(-4, 16, 161)
    points = np.stack(np.meshgrid(*[grid] * columns, indexing="ij"), axis=-1).reshape(-1, columns)
    mass = np.exp(fit.log_marginal(points)).sum().item() * (grid[1] - grid[0]) ** columns
    assert mass == pytest.approx(1, abs=1e-6)


def test_a_missing_feature_is_integrated_out():
    fit = laplace(gaussian_naive_bayes, X, SPECIES, draws=50)
    grid = np.linspace(-10, 20, 3001)
    row = X.values[:1].repeat(len(grid), axis=0)
    row[:, 2] = grid
    integral = np.exp(fit.log_joint(row)).sum("row") * (grid[1] - grid[0])
    hole = X.values[:1].copy()
    hole[0, 2] = np.nan
    np.testing.assert_allclose(np.exp(fit.log_joint(hole).values[0]), integral, rtol=1e-8)


@pytest.mark.parametrize("known", [0, 2], ids=["all labels hidden", "some labels hidden"])
def test_summed_out_labels_equal_brute_force(known):
    x, labels = X.values[::25], np.array([0, 1])
    with jax.enable_x64(True):
        model, spec = declare(gaussian_naive_bayes), make_spec(x, None, 2)
        shape = structure(model, spec)
        # Near the prior's centre, where the classes overlap: far from it one labeling has all the weight.
        rows = Rows(jnp.asarray(x), None, jnp.zeros(6, dtype=int))
        draws = prior_vectors(jax.random.key(0), spec, rows, model=model, shape=shape, draws=64)
        vector = jnp.asarray(np.median(draws, 0))
        target = {"model": model, "shape": shape, "prior": True, "jacobian": True}

        def density(y):
            return float(log_target(vector, spec, Rows(jnp.asarray(x), None, jnp.asarray(y, dtype=int)), **target))

        each = [density([*labels[:known], *rest]) for rest in itertools.product([0, 1], repeat=6 - known)]
        both = float(np.logaddexp.reduce(each))
        assert len(each) == 2 ** (6 - known)
        assert sorted(each)[-2] > max(each) - 5
        assert density(labels[:known]) == pytest.approx(both, rel=1e-12)


@pytest.mark.parametrize("labels", [np.array([4, 7, 9]), np.array(["a", "b", "c"])], ids=["integer", "string"])
def test_generated_rows_are_classified_back(labels):
    """As often as their own label posteriors say, within 5 standard errors of 6,000 rows (false-alarm rate 6e-7)."""
    fit = mle(gaussian_naive_bayes, X, labels[IRIS.target])
    rows = fit.generate(2000, label=labels.tolist()).to_pandas()
    assert rows["y"].value_counts().to_dict() == dict.fromkeys(labels.tolist(), 2000)
    p = np.exp(fit.log_label_posterior(rows[X.columns]))  # equal numbers of each label, as in iris
    surest, right = p.max("label").values, labels[p.argmax("label").values] == rows["y"]
    assert abs((right - surest).sum()) < 5 * np.sqrt((surest * (1 - surest)).sum())
    assert right.mean() > 0.9


def test_columns_are_matched_by_name():
    fit = mle(gaussian_naive_bayes, X, SPECIES)
    np.testing.assert_array_equal(fit.log_joint(X), fit.log_joint(X[X.columns[::-1]]))
    with pytest.raises(DataError, match="column 'sepal width"):
        fit.log_joint(X.drop(columns="sepal width (cm)"))


def test_questions_that_a_model_cannot_answer():
    fit = map_estimate(softmax_regression, X, SPECIES)
    with pytest.raises(QueryError, match=r"declares P\(y \| x\) only"):
        fit.log_marginal(X)
    with pytest.raises(QueryError, match=r"declares P\(y \| x\) only"):
        fit.generate(3, label="setosa")
    with pytest.raises(QueryError, match="'Dodo' is not one of setosa, versicolor, virginica"):
        mle(gaussian_naive_bayes, X, SPECIES).generate(3, label="Dodo")


def test_log_conditional_of_a_regression():
    y = X["petal width (cm)"]
    fit = mle(linear_regression, X.iloc[:, :2], y)
    total = fit.log_conditional(X.iloc[:, :2], y).sum().item()
    assert total == pytest.approx(fit.diagnostics["log_density"], rel=1e-10)


@pytest.mark.parametrize(
    ("model", "x", "y", "words"),
    [
        (gaussian_naive_bayes, X.assign(flat=1.0), SPECIES, "column 'flat' is constant"),
        (
            gaussian_naive_bayes,
            X.assign(n=2**60 + np.arange(150) % 9),
            SPECIES,
            "as far as float64 tells .* subtract its",
        ),
        (gaussian_naive_bayes, X.assign(flat=np.inf), SPECIES, "row 0, column 'flat' is inf"),
        (gaussian_naive_bayes, X.assign(word="a"), SPECIES, "column 'word' holds 'a'"),
        (gaussian_naive_bayes, X, ["one"] * 150, "every row has the label 'one'"),
        (gaussian_naive_bayes, X, SPECIES[:10], "x has 150 rows but y has 10"),
        (gaussian_naive_bayes, X[:0], SPECIES[:0], "at least one row"),
        (linear_regression, X, SPECIES, "must be numeric, got 'setosa'"),
        (linear_regression, X.where(X > 2), IRIS.target, "column 'petal length .* is missing"),
        (softmax_regression, X, None, "needs y"),
        (partial(fixed_variance_mixture, k=9), X[48:53], None, "9 components need as many rows, got 5"),
    ],
)
def test_bad_input_is_one_clear_sentence(model, x, y, words):
    with pytest.raises(DataError, match=words):
        mle(model, x, y)


def test_prediction_of_a_regression_is_its_normal():
    """Mean and sd are exact; the 90 % interval, over all rows, within 5 Monte Carlo errors (false alarms 6e-7)."""
    x, y = X.iloc[:, :2], X["petal width (cm)"]
    fit = mle(linear_regression, x, y)
    p = fit.posterior().isel(chain=0, draw=0)
    mean, sigma = p["b"].item() + (x - x.mean()).values @ p["w"].values, p["sigma"].item()
    got = fit.predict(x)
    rows, draws = len(x), 4000
    error = sigma / np.sqrt(rows * draws)
    np.testing.assert_allclose(got["mean"], mean, rtol=1e-10)
    np.testing.assert_allclose(got["sd"], sigma, rtol=1e-10)
    # A sample quantile has sd sqrt(q (1 - q) / n) / density, here sqrt(0.0475) / 0.103 = 2.1 sigma / sqrt(n).
    assert abs((got["upper"] - mean - 1.6449 * sigma).mean().item()) < 5 * 2.2 * error + sigma / draws


def test_predicted_labels_are_the_assigned_ones():
    fit = mle(gaussian_naive_bayes, X, SPECIES)
    answer = fit.predict(X)
    np.testing.assert_array_equal(answer["label"], fit.assign(X))
    np.testing.assert_allclose(answer["probability"].sum("label_name"), 1)


@pytest.mark.slow
@pytest.mark.parametrize("sets", [1, 3, 11], ids=["one set", "few sets", "many sets"])
def test_rows_that_miss_the_same_are_asked_as_each_would_be_alone(sets):
    """Of a normal with covariances, in the rows' order; of more than 8 sets of missing cells, in two parts."""
    fit = laplace(quadratic_discriminant, X, SPECIES, draws=20)
    holes = np.random.default_rng(0).random((sets, 4)) < 0.4
    x = X.mask(holes[np.arange(150) * 7 % sets] & (np.arange(150) % 5 > 0)[:, None])
    alone = [fit.log_joint(x[i : i + 1]).values[0] for i in range(0, 150, 11)]
    np.testing.assert_allclose(fit.log_joint(x).values[::11], alone, rtol=1e-12)
    each = fit.log_marginal(x, draws=True)
    both = logsumexp(fit.log_joint(x).values, axis=1)
    np.testing.assert_allclose(logsumexp(each.values, axis=(0, 1)) - np.log(each[..., 0].size), both, rtol=1e-12)


def test_memory_of_a_query_does_not_grow_with_draws():
    """What the compiled program of one block allocates, at 10 and at 4,000 draws, by the compiler's own account."""

    def temporary_bytes(draws):
        params = {"pi": (3,), "mu": (3, 4), "sigma": (3, 4)}
        params = {name: jnp.ones((draws, *shape)) for name, shape in params.items()}
        x, spec = jnp.ones((BLOCK, 4)), make_spec(X.values, None, 3)
        static = {"classes": 3, "sites": ("x", "y"), "question": "posterior", "partly": True, "alike": False}
        program = averaged.lower(
            params, spec, x, jnp.zeros(len(x), dtype=int), model=declare(gaussian_naive_bayes), **static
        )
        return program.compile().memory_analysis().temp_size_in_bytes

    with jax.enable_x64(True):
        few, many = temporary_bytes(10), temporary_bytes(4000)
    assert many - few < 4000 * BLOCK * 8 / 100  # a hundredth of draws x rows
    assert many < 100 * BLOCK * 3 * 8


def test_drawn_labels_have_the_predicted_probabilities():
    """Shares of 4,000 draws within 5 standard errors of P(y | x), 450 of them (false-alarm rate under 3e-4)."""
    fit = mle(gaussian_naive_bayes, X, SPECIES)
    drawn = fit.predict(X, draws=True)
    assert drawn.dims == ("chain", "draw", "row")
    for name in fit.label_coordinate:
        want = fit.predict(X)["probability"].sel(label_name=name)
        error = np.sqrt(want * (1 - want) / 4000)
        assert np.all(np.abs((drawn == name).mean(("chain", "draw")) - want) <= 5 * error + 1e-9 + 2 / 4000)


def test_drawn_responses_have_the_fits_axes():
    fit = laplace(linear_regression, X.iloc[:, :2], X.iloc[:, 3], draws=50)
    drawn = fit.predict(X.iloc[:7, :2], draws=True)
    assert drawn.shape == (4, 50, 7)
    assert drawn.name == "petal width (cm)"


@pytest.mark.slow
def test_naming_a_label_is_evidence_about_the_parameters():
    """P(x | y = 0, D) of two draws weighs them by their P(y = 0), 0.9 and 0.1 (5 standard errors: 6e-7)."""
    fit = laplace(partial(fixed_variance_mixture, k=2, sigma=1.0), X.iloc[:, :1], draws=2, chains=1)
    params = {
        "pi": np.array([[[0.9, 0.1], [0.1, 0.9]]]),
        "mu": np.array([[[[0.0], [5.0]], [[100.0], [5.0]]]]),
    }
    fit = replace(fit, params=params)
    rows = fit.generate(4000, label=0)["sepal length (cm)"].values
    assert abs((rows < 50).mean() - 0.9) < 5 * np.sqrt(0.09 / 4000)
    assert np.exp(fit.log_class_conditional([[0.0]])).sel(label=0).item() == pytest.approx(0.9 * norm.pdf(0), rel=1e-9)


def test_drawn_labels_of_equal_rows_vary_together():
    """100 new rows that are the same: the sd of the count of one label over draws is that of 100 p(theta), and then
    some. It has 400 draws, so 5 Monte Carlo errors are 5 / sqrt(800) of it (false-alarm rate 6e-7)."""
    x, y = X.iloc[::10, :1], SPECIES[::10] == "virginica"
    fit = laplace(softmax_regression, x, y, draws=200, chains=2)
    new = np.full((100, 1), 6.0)
    p = np.exp(fit.log_label_posterior(new[:1], draws=True)).sel(label=True).values.ravel()
    counts = (fit.predict(new, draws=True) == True).sum("row").values  # noqa: E712
    want = np.sqrt((100 * p * (1 - p)).mean() + (100 * p).var())
    assert counts.std() == pytest.approx(want, rel=5 / np.sqrt(800))
    assert want > 3 * np.sqrt(100 * p.mean() * (1 - p.mean()))


def test_a_response_without_a_mean_says_so():
    def cauchy(x, y=None):
        b = numpyro.sample("b", dist.Normal(0, 1))
        numpyro.sample("y", dist.Cauchy(b * x[:, 0], 1.0), obs=y)

    fit = map_estimate(cauchy, X, X["petal width (cm)"].rename("width"))
    with pytest.raises(QueryError, match="has no mean or no variance"):
        fit.predict(X)
    assert np.isfinite(fit.predict(X, draws=True)).all()
