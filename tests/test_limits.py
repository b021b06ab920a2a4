"""Where one model is another's limit, as its docstring says."""

from functools import partial

import numpy as np
import pytest
from bayeszoo.inference import mle
from bayeszoo.models import (
    full,
    gaussian_mixture,
    gaussian_naive_bayes,
    linear_regression,
    logistic_regression,
    mixture_discriminant,
    negative_binomial_regression,
    ordinal_regression,
    poisson_regression,
    robust_regression,
    tied,
)
from scipy import stats
from sklearn.datasets import load_wine

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2))
F = 0.5 + X @ [0.8, -0.4]
NUMBER, COUNT = F + RNG.normal(size=300), RNG.poisson(np.exp(F))
LABEL = (F + RNG.logistic(size=300) > 0).astype(int)
WINE = load_wine()


def gap(one, other):
    """By how much the maxima of two log-likelihoods differ, and the predicted means at most."""
    means = (fit.predict(X)["mean"].values for fit in (one, other))
    return abs(one.diagnostics["log_density"] - other.diagnostics["log_density"]), np.abs(np.subtract(*means)).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wide", "number", "limit", "y"),
    [
        (robust_regression, "nu", linear_regression, NUMBER),
        (negative_binomial_regression, "phi", poisson_regression, COUNT),
    ],
)
def test_the_tails_of_a_large_number_are_the_limits(wide, number, limit, y, proved):
    """Both likelihoods approach the limit's as 1 / number, so that ten times the number leaves a tenth of the gap."""
    to = mle(limit, X, y)
    near, nearer = (gap(mle(partial(wide, **{number: n}), X, y), to) for n in (1e4, 1e5))
    np.testing.assert_allclose(np.divide(near, nearer), 10, rtol=0.02)
    assert near[0] < 0.1
    extrapolated = np.subtract(np.multiply(10, nearer), near) / 9  # what is left where the number is infinite
    proved(wide.__name__, f"{limit.__name__}, its limit", extrapolated, [0, 0], 1e-5)


def test_two_ordered_labels_are_those_of_logistic_regression(proved):
    ordinal, logistic = mle(ordinal_regression, X, LABEL), mle(logistic_regression, X, LABEL)
    same = partial(proved, "ordinal_regression", "logistic_regression, of two labels")
    same(ordinal.params["w"], logistic.params["w"])
    same(ordinal.assign(X, soft=True), logistic.assign(X, soft=True))


@pytest.mark.slow
def test_labels_of_one_kind_are_those_of_naive_bayes(proved):
    data = WINE.data, WINE.target
    kinds, bayes = mle(partial(mixture_discriminant, components=1), *data), mle(gaussian_naive_bayes, *data)
    same = partial(proved, "mixture_discriminant", "gaussian_naive_bayes, of one component")
    same(kinds.params["mu"][:, :, :, 0], bayes.params["mu"])
    same(kinds.params["sigma"], bayes.params["sigma"])
    same(kinds.log_marginal(WINE.data), bayes.log_marginal(WINE.data))


@pytest.mark.slow
@pytest.mark.parametrize("covariance", [full, tied])
def test_one_component_is_the_normal_with_the_covariance_of_the_rows(covariance, proved):
    fit = mle(partial(gaussian_mixture, k=1, covariance=covariance), X)
    normal = stats.multivariate_normal(X.mean(axis=0), np.cov(X.T, bias=True))
    proved("gaussian_mixture", "a normal, of one component", fit.log_marginal(X), normal.logpdf(X))
