"""Every fit on every kind of model: it answers, finitely, and Bayes' identity holds."""

import warnings
from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import FitWarning, laplace, map_estimate, mle, nuts, svi
from bayeszoo.models import (
    fixed_variance_mixture,
    gaussian_naive_bayes,
    linear_regression,
    mlp,
    polynomial,
    softmax_regression,
)
from sklearn.datasets import load_iris

IRIS = load_iris(as_frame=True)
X = IRIS.data
HOLES = X.mask(np.random.default_rng(0).random(X.shape) < 0.1)
SPECIES = pd.Series(IRIS.target_names[IRIS.target], name="species")
SOME = SPECIES.astype(object).where(np.arange(150) % 3 > 0, None)
WIDTH = X["petal width (cm)"].rename("width")


def exponential_waiting(x, y=None):
    rate = numpyro.sample("rate", dist.Gamma(2.0, 2.0))
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Exponential(rate * np.e ** (slope * (x[:, 0] - 6))), obs=y)


FITS = {
    "mle": mle,
    "map": map_estimate,
    "laplace": partial(laplace, draws=100),
    "svi": partial(svi, draws=100, steps=500),
    "nuts": partial(nuts, draws=200, warmup=200),
}
CASES = {
    "linear regression": (linear_regression, X.iloc[:, :3], WIDTH),
    "cubic regression": (partial(linear_regression, hypothesis=partial(polynomial, degree=3)), X.iloc[:, :2], WIDTH),
    "softmax regression, overlapping": (softmax_regression, X.iloc[50:, :2], SPECIES[50:]),
    "naive Bayes": (gaussian_naive_bayes, X, SPECIES),
    "naive Bayes, missing features and labels": (gaussian_naive_bayes, HOLES, SOME),
    "naive Bayes, no label": (gaussian_naive_bayes, X.iloc[:, 2:], None),
    "mixture, missing features": (partial(fixed_variance_mixture, k=3, sigma=0.4), HOLES, None),
    "mixture, labelled, equal weights": (partial(fixed_variance_mixture, equal_weights=True), X, SPECIES),
    "a user's own": (exponential_waiting, X, WIDTH),
}


ALWAYS = {"naive Bayes, missing features and labels", "a user's own"}  # by every fit; the others by nuts alone
PAIRS = [
    pytest.param(case, by, marks=[] if case in ALWAYS or by == "nuts" else pytest.mark.long)
    for case in CASES
    for by in FITS
]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "by"), PAIRS)
def test_every_fit_answers_for_every_model(case, by):
    model, x, y = CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # the runs are short
        fit = FITS[by](model, x, y)
    assert all(np.isfinite(value).all() for value in fit.params.values())
    if y is not None:
        known = y.notna().to_numpy()
        assert np.isfinite(fit.log_conditional(x[known], y[known])).all()
    if fit.shape.generative:
        joint = fit.log_joint(x)
        one_way = fit.log_label_prior() + fit.log_class_conditional(x)
        other_way = fit.log_marginal(x) + fit.log_label_posterior(x)
        np.testing.assert_allclose(one_way.transpose(*joint.dims), joint, atol=1e-8)
        np.testing.assert_allclose(other_way.transpose(*joint.dims), joint, atol=1e-8)


@pytest.mark.slow
def test_a_hidden_layer_bends_where_a_line_cannot():
    """y = |x| + noise of sd 0.1: the line leaves 0.29, the least a line can leave of |x| on [-1, 1]."""
    x = np.linspace(-1, 1, 200)[:, None]
    y = np.abs(x[:, 0]) + 0.1 * np.random.default_rng(0).normal(size=200)
    line, bent = (
        map_estimate(partial(linear_regression, hypothesis=h), x, y) for h in (partial(polynomial, degree=1), mlp)
    )
    assert line.posterior()["sigma"].item() == pytest.approx(np.sqrt(1 / 12 + 0.01), rel=0.1)
    assert bent.posterior()["sigma"].item() < 0.13
