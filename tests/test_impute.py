"""Missing features filled in, against conditional distributions that are known."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, ModelError, QueryError, impute, laplace, map_estimate, mle
from bayeszoo.models import (
    gaussian_naive_bayes,
    mixed_naive_bayes,
    mixture_discriminant,
    multinomial_naive_bayes,
    pca_discriminant,
    probabilistic_pca,
    quadratic_discriminant,
    softmax_regression,
)
from bayeszoo.workflow import datasets
from sklearn.datasets import load_iris

IRIS = load_iris(as_frame=True)
X, Y = IRIS.data, IRIS.target
DRAWS = 4_000
PENGUINS = datasets.load("penguins").dropna(subset=["bill_length_mm", "sex"]).reset_index(drop=True)


def normal_given(mean, covariance, row):
    """Mean and covariance of what is missing of a row of this normal, given the rest."""
    seen = ~np.isnan(row)
    weights = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, ~seen)]).T
    left = covariance[np.ix_(~seen, ~seen)] - weights @ covariance[np.ix_(seen, ~seen)]
    return mean[~seen] + weights @ (row - mean)[seen], left


def close(draws, mean, covariance):
    """Mean and covariance of draws within 5 Monte Carlo errors (chance under 1e-5 for the numbers of a test)."""
    n = len(draws)
    sd = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 5 * sd / np.sqrt(n))
    error = np.sqrt((np.outer(sd, sd) ** 2 + covariance**2) / n)
    assert np.all(np.abs(np.cov(draws.T, ddof=0).reshape(covariance.shape) - covariance) < 5 * error)


@pytest.mark.slow
@pytest.mark.parametrize("model", [quadratic_discriminant, partial(pca_discriminant, components=1)])
def test_a_normal_is_filled_in_given_the_rest(model):
    fit = map_estimate(model, X, Y)
    row = X.iloc[[7]].copy()
    row.iloc[0, [1, 3]] = np.nan
    table = impute(fit, row, [0], draws=DRAWS, every=True)
    draws = table.to_array().transpose("draw", "row", "variable").values[:, 0]
    np.testing.assert_array_equal(draws[:, [0, 2]], np.tile(row.iloc[0, [0, 2]], (DRAWS, 1)))
    values = {name: value[0, 0, 0] for name, value in fit.params.items()}  # of label 0
    if "L" in values:
        factor = values["sigma"][:, None] * values["L"]
        covariance = factor @ factor.T
    else:
        covariance = values["W"] @ values["W"].T + np.diag((values["sigma"] * np.asarray(fit.spec.scale)) ** 2)
    close(draws[:, [1, 3]], *normal_given(values["mu"], covariance, row.to_numpy()[0]))


@pytest.mark.slow
def test_the_hidden_label_is_averaged_over():
    """Given sepal length alone: the mean is that of the labels' means, by their posterior."""
    fit = mle(gaussian_naive_bayes, X, Y)
    row = pd.DataFrame([[6.1, np.nan, np.nan, np.nan]], columns=X.columns)
    p, mu = fit.assign(row, soft=True).values[0], fit.params["mu"][0, 0]
    want, sd = p @ mu, np.sqrt(p @ (fit.params["sigma"][0, 0] ** 2 + mu**2) - (p @ mu) ** 2)
    filled = impute(fit, row, draws=DRAWS)
    assert filled.iloc[0, 0] == 6.1
    assert np.all(np.abs(filled.iloc[0] - want)[1:] < 5 * sd[1:] / np.sqrt(DRAWS))
    known = impute(fit, row, [2], draws=DRAWS)
    assert np.all(np.abs(known.iloc[0, 1:] - mu[2, 1:]) < 5 * fit.params["sigma"][0, 0, 2, 1:] / np.sqrt(DRAWS))


@pytest.mark.long
def test_planes_and_mixtures_fill_in_better_than_means():
    rng = np.random.default_rng(0)
    hole = rng.random(X.shape) < 0.2
    holes = X.mask(hole)
    holes.index = [f"flower {i}" for i in range(len(X))]
    for fit in (map_estimate(partial(probabilistic_pca, components=2), X), map_estimate(mixture_discriminant, X, Y)):
        filled = impute(fit, holes)
        assert filled.index[3] == "flower 3"
        assert not filled.isna().any().any()
        np.testing.assert_array_equal(filled.to_numpy()[~hole], X.to_numpy()[~hole])
        error = np.sqrt(np.mean((filled.to_numpy() - X.to_numpy())[hole] ** 2))
        assert error < 0.5 * np.sqrt(np.mean((X.mean().to_numpy() - X.to_numpy())[hole] ** 2))


@pytest.mark.slow
def test_names_are_filled_in_by_name():
    table, species = PENGUINS[["island", "bill_length_mm", "sex"]], PENGUINS["species"]
    fit = laplace(mixed_naive_bayes, table, species, draws=50)
    rows = pd.DataFrame({"island": [None, "Dream"], "bill_length_mm": [39.0, np.nan], "sex": ["male", None]})
    filled = impute(fit, rows, ["Gentoo", "Chinstrap"])
    assert filled.loc[0, "island"] == "Biscoe"
    assert 45 < filled.loc[1, "bill_length_mm"] < 53
    assert filled.loc[1, "sex"] in {"male", "female"}
    every = impute(fit, rows, draws=30, every=True)
    assert set(np.unique(every["island"].sel(row=0))) <= set(PENGUINS["island"])


@pytest.mark.slow
def test_what_cannot_be_filled_in_is_said():
    with pytest.raises(QueryError, match=r"P\(y \| x\) only"):
        impute(map_estimate(softmax_regression, X, Y), X)
    fit = mle(gaussian_naive_bayes, X, Y)
    with pytest.raises(DataError, match="x has 150 rows but y has 2"):
        impute(fit, X, [0, 1])
    counts = np.random.default_rng(0).poisson(3.0, size=(60, 3)).astype(float)
    words = map_estimate(multinomial_naive_bayes, counts, np.arange(60) % 2)
    counts[0, 0] = np.nan
    with pytest.raises(ModelError, match="missing features cannot be integrated out of P"):
        impute(words, counts)
