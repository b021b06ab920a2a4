"""Every model that scikit-learn fits by maximum likelihood, too, has its parameters and probabilities, to 1e-6."""

import warnings
from functools import partial

import numpy as np
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import map_estimate, mle
from bayeszoo.models import (
    bernoulli_naive_bayes,
    gaussian_mixture,
    gaussian_naive_bayes,
    linear_discriminant,
    linear_regression,
    logistic_regression,
    multinomial_naive_bayes,
    poisson_regression,
    probabilistic_pca,
    quadratic_discriminant,
    shared_diagonal,
    softmax_regression,
)
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB

CLOSE = {"rtol": 1e-6, "atol": 1e-6}
IRIS, WINE = load_iris(), load_wine()
RNG = np.random.default_rng(0)
SCORES, COUNT = load_diabetes(return_X_y=True)[0][:, :4], RNG.poisson(3.0, 442)


def one(fit, name):
    return fit.posterior()[name].values[0, 0]


def same_probabilities(fit, peer, x):
    np.testing.assert_allclose(fit.assign(x, soft=True), peer.predict_proba(x), **CLOSE)


def test_gaussian_naive_bayes():
    peer = GaussianNB(var_smoothing=0).fit(WINE.data, WINE.target)
    fit = mle(gaussian_naive_bayes, WINE.data, WINE.target)
    np.testing.assert_allclose(one(fit, "mu"), peer.theta_, **CLOSE)
    np.testing.assert_allclose(one(fit, "sigma") ** 2, peer.var_, **CLOSE)
    same_probabilities(fit, peer, WINE.data)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_bernoulli_naive_bayes(alpha):
    """Smoothing by alpha is the mode under Beta(1 + alpha, 1 + alpha)."""
    x = (WINE.data > WINE.data.mean(axis=0)).astype(float)
    peer = BernoulliNB(alpha=alpha).fit(x, WINE.target)
    fit = map_estimate(partial(bernoulli_naive_bayes, theta=dist.Beta(1 + alpha, 1 + alpha)), x, WINE.target)
    np.testing.assert_allclose(one(fit, "theta"), np.exp(peer.feature_log_prob_), **CLOSE)
    same_probabilities(fit, peer, x)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_multinomial_naive_bayes(alpha):
    """Smoothing by alpha is the mode under Dirichlet(1 + alpha, ...)."""
    x = RNG.poisson(WINE.target[:, None] + [1.0, 2.0, 3.0, 0.5])
    peer = MultinomialNB(alpha=alpha).fit(x, WINE.target)
    fit = map_estimate(partial(multinomial_naive_bayes, theta=dist.Dirichlet(np.full(4, 1 + alpha))), x, WINE.target)
    np.testing.assert_allclose(one(fit, "theta"), np.exp(peer.feature_log_prob_), **CLOSE)
    same_probabilities(fit, peer, x)


def test_linear_discriminant():
    peer = LinearDiscriminantAnalysis(solver="lsqr").fit(IRIS.data, IRIS.target)
    fit = mle(linear_discriminant, IRIS.data, IRIS.target)
    factor = one(fit, "sigma")[:, None] * one(fit, "L")
    np.testing.assert_allclose(factor @ factor.T, peer.covariance_, **CLOSE)
    same_probabilities(fit, peer, IRIS.data)


def test_quadratic_discriminant():
    peer = QuadraticDiscriminantAnalysis(store_covariance=True).fit(IRIS.data, IRIS.target)
    fit = mle(quadratic_discriminant, IRIS.data, IRIS.target)
    for k in range(3):
        factor = one(fit, "sigma")[k][:, None] * one(fit, "L")[k]
        np.testing.assert_allclose(factor @ factor.T, peer.covariance_[k], **CLOSE)
    same_probabilities(fit, peer, IRIS.data)


def test_linear_regression():
    peer = LinearRegression().fit(SCORES, COUNT)
    fit = mle(linear_regression, SCORES, COUNT)
    np.testing.assert_allclose(one(fit, "w"), peer.coef_, **CLOSE)
    np.testing.assert_allclose(one(fit, "intercept"), peer.intercept_, **CLOSE)


def test_poisson_regression():
    peer = PoissonRegressor(alpha=0, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(SCORES, COUNT)
    fit = mle(poisson_regression, SCORES, COUNT)
    np.testing.assert_allclose(one(fit, "w"), peer.coef_, **CLOSE)
    np.testing.assert_allclose(fit.predict(SCORES)["mean"], peer.predict(SCORES), **CLOSE)


@pytest.mark.parametrize("model", [logistic_regression, softmax_regression])
def test_logistic_regression(model):
    x, y = load_breast_cancer(return_X_y=True)
    x = x[:, :2]
    peer = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(x, y)
    same_probabilities(mle(model, x, y), peer, x)


def test_pca():
    """Of columns on one scale, the noise is the mean of the eigenvalues that are left, as scikit-learn has it."""
    x = RNG.normal(size=(200, 3)) @ RNG.normal(size=(3, 4)) + RNG.normal(size=(200, 4))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    fit = mle(partial(probabilistic_pca, components=2), x)
    peer = PCA(2).fit(x)
    np.testing.assert_allclose(one(fit, "covariance"), peer.get_covariance() * 199 / 200, **CLOSE)


def test_a_shared_diagonal_covariance_is_naive_bayes_with_one_sigma():
    """The discriminant with this covariance: sigma_j^2 is the variance within labels, whatever the label."""
    fit = mle(partial(linear_discriminant, covariance=shared_diagonal), IRIS.data, IRIS.target)
    within = IRIS.data - np.array([IRIS.data[IRIS.target == k].mean(axis=0) for k in range(3)])[IRIS.target]
    np.testing.assert_allclose(one(fit, "sigma"), within.std(axis=0), **CLOSE)


def test_a_mixture_of_one_component_is_a_normal():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mle(partial(gaussian_mixture, k=1), IRIS.data)
    np.testing.assert_allclose(one(fit, "mu")[0], IRIS.data.mean(axis=0), **CLOSE)
    np.testing.assert_allclose(one(fit, "sigma")[0], IRIS.data.std(axis=0), **CLOSE)
