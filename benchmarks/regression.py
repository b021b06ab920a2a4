"""Gaussian regression on 10^5 rows of 50 correlated columns: effective draws a second."""

import sys
from typing import Any

import numpy as np

from .posteriors import race
from .race import Row

NAME = "Gaussian regression"
COLUMNS = 50
PARAMETERS = ("b", "w", "sigma")


def table(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring columns correlate by 0.95, as measurements of one thing do."""
    rng = np.random.default_rng(0)
    distance = np.abs(np.subtract.outer(np.arange(COLUMNS), np.arange(COLUMNS)))
    x = rng.normal(size=(n, COLUMNS)) @ np.linalg.cholesky(0.95**distance).T
    y = 1 + x @ rng.normal(size=COLUMNS) + rng.normal(scale=2.0, size=n)
    return x, y


def model() -> Any:
    from bayeszoo.models import linear_regression

    return linear_regression


def priors(x: np.ndarray, y: np.ndarray) -> tuple[Any, Any, Any]:
    """b, w and sigma in PyMC, with the priors of bayeszoo.models.regression and its linear hypothesis."""
    import pymc

    b = pymc.Normal("b", y.mean(), 2.5 * y.std())
    w = pymc.Normal("w", 0.0, 2.5 * y.std() / x.std(axis=0), shape=COLUMNS)
    return b, w, pymc.HalfNormal("sigma", y.std())


def of_rows(x: np.ndarray, y: np.ndarray) -> Any:
    import pymc

    with pymc.Model() as built:
        b, w, sigma = priors(x, y)
        pymc.Normal("y", b + (x - x.mean(axis=0)) @ w, sigma, observed=y)
    return built


def of_statistics(x: np.ndarray, y: np.ndarray) -> Any:
    """The same posterior through the Gram matrix of the columns and y, written by hand."""
    import pymc
    from pytensor import tensor

    centred, level = x - x.mean(axis=0), y - y.mean()
    gram, moment, square = centred.T @ centred, centred.T @ level, level @ level
    with pymc.Model() as built:
        b, w, sigma = priors(x, y)
        squares = square - 2 * moment @ w + w @ (gram @ w) + len(y) * (y.mean() - b) ** 2
        pymc.Potential("rows", -len(y) * tensor.log(sigma) - squares / (2 * sigma**2))
    return built


def measure(scale: str) -> list[Row]:
    return race(sys.modules[__name__], *((10_000, 45, 60) if scale == "quick" else (100_000, 45, 200)))[0]
