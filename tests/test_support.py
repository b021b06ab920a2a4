"""Values that a model has no place for, and features that are missing where columns depend on each other."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, map_estimate, mle
from bayeszoo.models import (
    bernoulli_naive_bayes,
    full,
    gaussian_mixture,
    linear_discriminant,
    mixture_discriminant,
    multinomial_naive_bayes,
    negative_binomial_regression,
    pca_discriminant,
    poisson_naive_bayes,
    poisson_regression,
    probabilistic_pca,
    quadratic_discriminant,
)
from scipy import stats
from scipy.special import logsumexp
from sklearn.datasets import load_iris

RNG = np.random.default_rng(0)
COUNTS = pd.DataFrame(RNG.poisson(3.0, (30, 2)), columns=["visits", "calls"], index=range(100, 130))
LABEL = np.arange(30) % 2
IRIS = load_iris()


@pytest.mark.parametrize("model", [poisson_naive_bayes, multinomial_naive_bayes])
@pytest.mark.parametrize("value", [-1.0, 2.5])
def test_counts_are_whole_numbers(model, value):
    wrong = COUNTS.astype(float)
    wrong.loc[107, "visits"] = value
    said = rf"row 107, column 'visits' is {value:g}, but {model.__name__} takes whole numbers of at least 0"
    with pytest.raises(DataError, match=said):
        mle(model, wrong, LABEL)
    fit = map_estimate(model, COUNTS, LABEL)
    for ask in (fit.log_marginal, fit.predict, fit.assign, fit.log_joint):
        with pytest.raises(DataError, match=said):
            ask(wrong)


def test_cells_are_0_or_1():
    with pytest.raises(DataError, match=r"row 100, column 'visits' is [0-9]+, but bernoulli_naive_bayes takes 0 or 1"):
        mle(bernoulli_naive_bayes, COUNTS.clip(lower=2) + 1, LABEL)


@pytest.mark.slow
@pytest.mark.parametrize("model", [poisson_regression, negative_binomial_regression])
def test_responses_are_counts(model):
    y = pd.Series(RNG.poisson(2.0, 30).astype(float), index=range(100, 130), name="deaths")
    fit = map_estimate(model, COUNTS, y)
    y[111] = 0.5
    said = rf"row 111: the response 'deaths' is 0.5, but {model.__name__} takes whole numbers of at least 0"
    with pytest.raises(DataError, match=said):
        map_estimate(model, COUNTS, y)
    with pytest.raises(DataError, match=said):
        fit.log_conditional(COUNTS, y)


HOLES = IRIS.data.copy()
HOLES[::7, 1] = np.nan
HOLES[3::5, [0, 3]] = np.nan


def normal_of_seen(x, mu, covariance):
    seen = ~np.isnan(x)
    return stats.multivariate_normal(mu[seen], covariance[np.ix_(seen, seen)]).logpdf(x[seen])


def value(fit, name):
    return fit.posterior()[name].values[0, 0]


def covariances(fit):
    if "W" in fit.params:
        noise = (value(fit, "sigma")[:, None] * np.asarray(fit.spec.scale)) ** 2
        return [w @ w.T + np.diag(n) for w, n in zip(value(fit, "W"), noise, strict=True)]
    factor = value(fit, "sigma")[..., None] * value(fit, "L")
    return list(np.broadcast_to(factor @ np.swapaxes(factor, -1, -2), (3, 4, 4)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [linear_discriminant, quadratic_discriminant, partial(pca_discriminant, components=1)]
)
def test_missing_features_of_a_normal_are_integrated_out(model):
    """The marginal of a normal is the normal of the columns that are left."""
    fit = map_estimate(model, HOLES, IRIS.target)
    got = fit.log_class_conditional(HOLES[:20]).values
    want = [[normal_of_seen(x, value(fit, "mu")[k], covariances(fit)[k]) for k in range(3)] for x in HOLES[:20]]
    np.testing.assert_allclose(got, want, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("model", [partial(gaussian_mixture, k=3, covariance=full), probabilistic_pca])
def test_missing_features_of_a_marginal_are_integrated_out(model):
    """P(x_seen) of rows without labels: a mixture of such normals, or one whose covariance is W W' + sigma^2 D."""
    fit = map_estimate(model, HOLES)
    if "pi" in fit.params:
        parts = [np.log(value(fit, "pi")[k]) + by_hand(fit, value(fit, "mu")[k], covariances(fit)[k]) for k in range(3)]
        want = logsumexp(parts, axis=0)
    else:
        noise = np.diag((value(fit, "sigma") * np.asarray(fit.spec.scale)) ** 2)
        want = by_hand(fit, value(fit, "mu"), value(fit, "W") @ value(fit, "W").T + noise)
    np.testing.assert_allclose(fit.log_marginal(HOLES[:20]), want, rtol=1e-6)


def by_hand(fit, mu, covariance):
    return np.array([normal_of_seen(x, mu, covariance) for x in HOLES[:20]])


@pytest.mark.slow
def test_missing_features_of_a_mixture_are_integrated_out():
    fit = map_estimate(mixture_discriminant, HOLES, IRIS.target)
    mu, sigma, rho = (value(fit, name) for name in ("mu", "sigma", "rho"))
    want = [
        [logsumexp(np.log(rho[k]) + np.nansum(stats.norm(mu[k], sigma[k]).logpdf(x), axis=-1)) for k in range(3)]
        for x in HOLES[:20]
    ]
    np.testing.assert_allclose(fit.log_class_conditional(HOLES[:20]), want, rtol=1e-8)
