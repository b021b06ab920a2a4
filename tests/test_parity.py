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

IRIS, WINE = load_iris(), load_wine()
RNG = np.random.default_rng(0)
SCORES, COUNT = load_diabetes(return_X_y=True)[0][:, :4], RNG.poisson(3.0, 442)


def one(fit, name):
    return fit.posterior()[name].values[0, 0]


def peer_of(proved, fit, peer):
    """Compare numbers with a peer's, and probabilities of labels."""

    def same(got, want):
        proved(fit.model.name, f"scikit-learn's {type(peer).__name__}", got, want)

    return same


@pytest.mark.slow
def test_gaussian_naive_bayes(proved):
    peer = GaussianNB(var_smoothing=0).fit(WINE.data, WINE.target)
    fit = mle(gaussian_naive_bayes, WINE.data, WINE.target)
    same = peer_of(proved, fit, peer)
    same(one(fit, "mu"), peer.theta_)
    same(one(fit, "sigma") ** 2, peer.var_)
    same(fit.assign(WINE.data, soft=True), peer.predict_proba(WINE.data))


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_bernoulli_naive_bayes(alpha, proved):
    """Smoothing by alpha is the mode under Beta(1 + alpha, 1 + alpha)."""
    x = (WINE.data > WINE.data.mean(axis=0)).astype(float)
    peer = BernoulliNB(alpha=alpha).fit(x, WINE.target)
    fit = map_estimate(partial(bernoulli_naive_bayes, theta=dist.Beta(1 + alpha, 1 + alpha)), x, WINE.target)
    same = peer_of(proved, fit, peer)
    same(one(fit, "theta"), np.exp(peer.feature_log_prob_))
    same(fit.assign(x, soft=True), peer.predict_proba(x))


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_multinomial_naive_bayes(alpha, proved):
    """Smoothing by alpha is the mode under Dirichlet(1 + alpha, ...)."""
    x = RNG.poisson(WINE.target[:, None] + [1.0, 2.0, 3.0, 0.5])
    peer = MultinomialNB(alpha=alpha).fit(x, WINE.target)
    fit = map_estimate(partial(multinomial_naive_bayes, theta=dist.Dirichlet(np.full(4, 1 + alpha))), x, WINE.target)
    same = peer_of(proved, fit, peer)
    same(one(fit, "theta"), np.exp(peer.feature_log_prob_))
    same(fit.assign(x, soft=True), peer.predict_proba(x))


@pytest.mark.slow
def test_linear_discriminant(proved):
    peer = LinearDiscriminantAnalysis(solver="lsqr").fit(IRIS.data, IRIS.target)
    fit = mle(linear_discriminant, IRIS.data, IRIS.target)
    same = peer_of(proved, fit, peer)
    factor = one(fit, "sigma")[:, None] * one(fit, "L")
    same(factor @ factor.T, peer.covariance_)
    same(fit.assign(IRIS.data, soft=True), peer.predict_proba(IRIS.data))


@pytest.mark.slow
def test_quadratic_discriminant(proved):
    peer = QuadraticDiscriminantAnalysis(store_covariance=True).fit(IRIS.data, IRIS.target)
    fit = mle(quadratic_discriminant, IRIS.data, IRIS.target)
    same = peer_of(proved, fit, peer)
    for k in range(3):
        factor = one(fit, "sigma")[k][:, None] * one(fit, "L")[k]
        same(factor @ factor.T, peer.covariance_[k])
    same(fit.assign(IRIS.data, soft=True), peer.predict_proba(IRIS.data))


def test_linear_regression(proved):
    peer = LinearRegression().fit(SCORES, COUNT)
    fit = mle(linear_regression, SCORES, COUNT)
    same = peer_of(proved, fit, peer)
    same(one(fit, "w"), peer.coef_)
    same(one(fit, "intercept"), peer.intercept_)


def test_poisson_regression(proved):
    peer = PoissonRegressor(alpha=0, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(SCORES, COUNT)
    fit = mle(poisson_regression, SCORES, COUNT)
    same = peer_of(proved, fit, peer)
    same(one(fit, "w"), peer.coef_)
    same(fit.predict(SCORES)["mean"], peer.predict(SCORES))


@pytest.mark.parametrize("model", [logistic_regression, softmax_regression])
def test_logistic_regression(model, proved):
    x, y = load_breast_cancer(return_X_y=True)
    x = x[:, :2]
    peer = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(x, y)
    fit = mle(model, x, y)
    peer_of(proved, fit, peer)(fit.assign(x, soft=True), peer.predict_proba(x))


def test_logistic_regression_of_three_labels(proved):
    x, y = WINE.data[:, :2], WINE.target
    peer = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cg").fit(x, y)
    fit = mle(softmax_regression, x, y)
    peer_of(proved, fit, peer)(fit.assign(x, soft=True), peer.predict_proba(x))


@pytest.mark.slow
def test_pca(proved):
    """Of columns on one scale, the noise is the mean of the eigenvalues that are left, as scikit-learn has it."""
    x = RNG.normal(size=(200, 3)) @ RNG.normal(size=(3, 4)) + RNG.normal(size=(200, 4))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    fit = mle(partial(probabilistic_pca, components=2), x)
    peer = PCA(2).fit(x)
    same = peer_of(proved, fit, peer)
    same(one(fit, "covariance"), peer.get_covariance() * 199 / 200)


@pytest.mark.slow
def test_a_shared_diagonal_covariance_is_naive_bayes_with_one_sigma(proved):
    """The discriminant with this covariance: sigma_j^2 is the variance within labels, whatever the label.

    And its label posterior is GaussianNB's with these variances in place of its own.
    """
    fit = mle(partial(linear_discriminant, covariance=shared_diagonal), IRIS.data, IRIS.target)
    within = IRIS.data - np.array([IRIS.data[IRIS.target == k].mean(axis=0) for k in range(3)])[IRIS.target]
    proved(
        "linear_discriminant", "naive Bayes with one sigma, covariance diagonal", one(fit, "sigma"), within.std(axis=0)
    )
    peer = GaussianNB(var_smoothing=0).fit(IRIS.data, IRIS.target)
    peer.var_[:] = within.var(axis=0)
    same = "linear_discriminant", "naive Bayes with one sigma, covariance diagonal"
    proved(*same, fit.assign(IRIS.data, soft=True), peer.predict_proba(IRIS.data))


@pytest.mark.slow
def test_a_mixture_of_one_component_is_a_normal(proved):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mle(partial(gaussian_mixture, k=1), IRIS.data)
    want = [IRIS.data.mean(axis=0), IRIS.data.std(axis=0)]
    proved("gaussian_mixture", "a normal, of one component", [one(fit, "mu")[0], one(fit, "sigma")[0]], want)
