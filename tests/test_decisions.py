"""Decisions, rejection, uncertainty and prior shift, each against its formula worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import (
    DataError,
    QueryError,
    accuracy_coverage,
    cost_of_error,
    decide,
    estimate_label_prior,
    label_posterior_under,
    label_uncertainty,
    laplace,
    mle,
    outliers,
    reject,
)
from bayeszoo.inference.decisions import accuracy_coverage_of, cost_of_error_on
from bayeszoo.inference.outliers import improbable
from bayeszoo.models import bernoulli_naive_bayes, gaussian_naive_bayes, linear_regression, softmax_regression
from scipy import stats

RNG = np.random.default_rng(0)
CENTRE = {"cat": 0.0, "dog": 1.5}


def animals(n, share=0.5):
    y = np.where(RNG.random(n) < share, "dog", "cat")
    return pd.DataFrame({"size": np.vectorize(CENTRE.get)(y) + RNG.normal(size=n)}), pd.Series(y, name="animal")


X, Y = animals(400)
NEW, TRUTH = animals(2_000)
POINT = mle(gaussian_naive_bayes, X, Y)
FIT = laplace(gaussian_naive_bayes, X, Y, draws=100)
P = POINT.assign(NEW, soft=True).values


def test_the_cheapest_action_is_chosen():
    cost = {"cat": {"feed": 0.0, "run": 5.0, "wait": 1.0}, "dog": {"feed": 9.0, "run": 0.0, "wait": 2.0}}
    answer = decide(POINT, NEW, cost)
    table = pd.DataFrame(cost).T
    np.testing.assert_allclose(answer["expected_cost"], P @ table.loc[["cat", "dog"]].to_numpy(), rtol=1e-9)
    assert answer["decision"].values.tolist() == [list(table)[a] for a in answer["expected_cost"].values.argmin(axis=1)]
    assert set(answer["decision"].values) == {"feed", "run", "wait"}
    xr_same = decide(POINT, NEW, table)
    np.testing.assert_array_equal(xr_same["decision"], answer["decision"])


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ({"cat": {"feed": 0.0}}, "a row for each of the labels cat, dog, got cat"),
        ({"cat": {"feed": 0.0}, "dog": {"run": 1.0}}, "label 'dog' has costs of run, but feed are the actions"),
        ({"cat": {"feed": 0.0}, "dog": {"feed": None}}, "cost of 'feed' where the label is 'dog' is None"),
        ([[0, 1], [1, 0]], "a frame with a row a label and a column an action"),
        ({"cat": {}, "dog": {}}, "a column for each action, got none"),
        (pd.DataFrame({"feed": [0, 1, 2]}, index=["cat", "dog", "cat"]), "a row for each label, got two of 'cat'"),
        (pd.DataFrame({"feed": ["1", "x"]}, index=["cat", "dog"]), "where the label is 'dog' is 'x'; give a number"),
    ],
)
def test_costs_that_are_none_are_said(cost, said):
    with pytest.raises(DataError, match=said):
        decide(POINT, NEW, cost)


def test_unsure_rows_are_rejected():
    answer = reject(POINT, NEW, cost=0.2)
    np.testing.assert_array_equal(answer["rejected"], 1 - P.max(axis=1) > 0.2)
    assert not reject(POINT, NEW, cost=0.5)["rejected"].any()
    with pytest.raises(DataError, match="between 0 and 1"):
        reject(POINT, NEW, cost=1.2)


@pytest.mark.slow
def test_a_cost_holds_its_error_rate():
    cost = cost_of_error(POINT, NEW, TRUTH, error=0.05)
    answer = reject(POINT, NEW, cost=cost)
    kept = ~answer["rejected"].values
    assert np.mean(answer["label"].values[kept] != TRUTH[kept]) <= 0.05
    curve = accuracy_coverage(POINT, NEW, TRUTH)
    assert curve["coverage"][-1] == 1
    with pytest.raises(DataError, match=r"rows 3 have no label"):
        accuracy_coverage(POINT, NEW, [*TRUTH[:3], None, *TRUTH[4:]])
    assert curve["accuracy"][-1] == pytest.approx(np.mean(POINT.assign(NEW).values == TRUTH))
    at = curve.sel(kept=kept.sum())
    assert at["accuracy"].item() == pytest.approx(1 - np.mean(answer["label"].values[kept] != TRUTH[kept]))
    later = curve["accuracy"][curve["kept"] > kept.sum()]
    assert np.all(1 - later > 0.05)
    with pytest.raises(DataError, match=r"between 0 and 1, got -0\.1"):
        cost_of_error(POINT, NEW, TRUTH, error=-0.1)
    with pytest.raises(QueryError, match="no cost has an error rate of 0 on these rows"):
        cost_of_error(mle(gaussian_naive_bayes, X, Y), X[:2], ["dog", "cat"] if P[0, 0] > 2 else Y[:2][::-1], error=0)


@pytest.mark.parametrize(("rows", "error"), [(20, 0.05), (100, 0.01), (50, 0.02), (10, 0.1)])
def test_one_wrong_row_is_just_its_share(rows, error):
    """1 - 0.95 is more than 0.05 in float64, by a rounding error."""
    p = np.linspace(0.99, 0.51, rows)
    codes = np.zeros(rows, dtype=int)
    codes[rows // 2] = 1
    curve = accuracy_coverage_of(np.column_stack([p, 1 - p]), codes)
    assert cost_of_error_on(curve, error=error) == pytest.approx(0.49)


@pytest.mark.slow
def test_uncertainty_adds_up_and_ends_with_the_rows():
    answer = label_uncertainty(FIT, NEW)
    np.testing.assert_allclose(answer["total"], answer["aleatoric"] + answer["epistemic"], atol=1e-9)
    p = FIT.assign(NEW, soft=True).values
    np.testing.assert_allclose(answer["total"], stats.entropy(p, axis=1), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(label_uncertainty(POINT, NEW)["epistemic"], 0, atol=1e-9)
    few = laplace(gaussian_naive_bayes, X[:20], Y[:20], draws=100)
    assert label_uncertainty(few, NEW)["epistemic"].mean() > 4 * answer["epistemic"].mean()
    line = laplace(softmax_regression, X, Y, draws=100)
    each = line.log_label_posterior(NEW, draws=True)
    own = -(np.exp(each) * each).sum("label").mean(("chain", "draw"))
    np.testing.assert_allclose(label_uncertainty(line, NEW)["aleatoric"], own, rtol=1e-6)
    with pytest.raises(QueryError, match="no label to be unsure about"):
        label_uncertainty(mle(linear_regression, X, RNG.normal(size=400)), X)


def test_another_label_prior_is_bayes_rule():
    values = {name: value[0, 0] for name, value in POINT.params.items()}
    likelihood = stats.norm(values["mu"][:, 0], values["sigma"][:, 0]).pdf(NEW.to_numpy())
    want = likelihood * [0.9, 0.1]
    want /= want.sum(axis=1, keepdims=True)
    answer = label_posterior_under(POINT, NEW, {"dog": 0.1, "cat": 0.9})
    np.testing.assert_allclose(np.exp(answer), want, rtol=1e-8)
    own = dict(zip(["cat", "dog"], np.exp(POINT.log_label_prior().values), strict=True))
    np.testing.assert_allclose(label_posterior_under(POINT, NEW, own), POINT.log_label_posterior(NEW), atol=1e-8)
    none = label_posterior_under(POINT, NEW, {"dog": 0.0, "cat": 1.0})
    np.testing.assert_allclose(np.exp(none.sel(label="cat")), 1.0)
    with pytest.raises(DataError, match="add up to 1"):
        label_posterior_under(POINT, NEW, {"dog": 0.5, "cat": 0.9})
    with pytest.raises(DataError, match="has a probability for each label, got 'half'"):
        label_posterior_under(POINT, NEW, {"dog": "half", "cat": 0.5})
    with pytest.raises(QueryError, match=r"P\(y \| x\) only"):
        label_posterior_under(mle(softmax_regression, X, Y), NEW, own)


def test_the_new_prior_is_found_from_rows_without_labels():
    """5,000 rows, of which a tenth are dogs: within 4 standard errors by the likelihood's curvature (chance 6e-5)."""
    rows, _ = animals(5_000, share=0.1)
    found = estimate_label_prior(POINT, rows)
    values = {name: value[0, 0] for name, value in POINT.params.items()}
    likelihood = stats.norm(values["mu"][:, 0], values["sigma"][:, 0]).pdf(rows.to_numpy())
    pi = found.values
    slope = (likelihood[:, 1] - likelihood[:, 0]) / (likelihood @ pi)
    assert abs(slope.mean()) < 1e-4  # the derivative by the dogs' share is 0 at the maximum
    error = 1 / np.sqrt((slope**2).sum())
    # The class-conditionals were learnt from 400 rows, whose error adds to that of the new ones.
    assert abs(found.sel(label="dog").item() - 0.1) < 4 * np.hypot(error, 0.02)
    assert label_posterior_under(POINT, rows, found).shape == (5_000, 2)


def test_tails_of_held_out_rows_are_uniform():
    """Kolmogorov and Smirnov's test at 1e-4, of rows from where the reference comes from."""
    tails = outliers(FIT, NEW[:1_000], held_out=NEW[1_000:])["tail_probability"]
    assert stats.kstest(tails, "uniform").pvalue > 1e-4
    own = outliers(FIT, NEW[:1_000])["tail_probability"]  # against rows that the model generates, which is right here
    assert stats.kstest(own, "uniform").pvalue > 1e-4


@pytest.mark.slow
def test_an_outlier_has_a_small_tail_with_what_was_seen_of_it():
    x, y = X.assign(weight=RNG.normal(size=400)), Y
    fit = mle(gaussian_naive_bayes, x, y)
    odd = pd.DataFrame({"size": [9.0, 0.1, np.nan], "weight": [0.0, np.nan, 8.0]})
    answer = outliers(fit, odd, held_out=x)
    assert answer["tail_probability"].values[[0, 2]].max() <= 1 / 401 + 1e-12
    assert answer["tail_probability"].values[1] > 0.1
    np.testing.assert_allclose(answer["log_marginal"], fit.log_marginal(odd))
    with pytest.raises(QueryError, match="no row of reference has all of size, weight"):
        outliers(fit, odd, held_out=odd[1:])


def test_a_row_left_out_is_as_rare_as_rows_like_it():
    """Each scored a little lower than such rows of reference: its tail holds their share, within 4 standard errors."""
    kind = np.arange(80) % 2
    x = (RNG.random((80, 2)) < 0.2 + 0.5 * kind[:, None]).astype(float)
    x[0] = np.nan
    fit = mle(bernoulli_naive_bayes, x, kind)
    score = fit.log_marginal(x).values
    rare = improbable(fit, x, score - 0.01, held_out=None)
    share = np.exp(score)
    assert np.all(rare.tail_probability >= share - 4 * np.sqrt(share * (1 - share) / 1_000))
    assert np.all(rare.tail_probability[1:] <= outliers(fit, x).tail_probability[1:])
    for rounded in (-1e-15, 0.0, 1e-15):  # nothing is seen of it, which is certain
        assert improbable(fit, x[:1], np.array([rounded]), held_out=None).tail_probability == 1.0
