"""Softmax regression on the 1,797 digits: effective draws a second. benchmarks/softmax.py has its point fit."""

import sys
from typing import Any

import numpy as np

from .posteriors import race
from .race import Row

NAME = "Softmax regression, digits"
LABELS = 10
PARAMETERS = ("b", "w")


def table(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n digits, without the pixels that are one colour in all of them."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = x[:n], y[:n]
    return x[:, x.std(axis=0) > 0], y


def model() -> Any:
    from bayeszoo.models import softmax_regression

    return softmax_regression


def of_rows(x: np.ndarray, y: np.ndarray) -> Any:
    """In PyMC, with the priors of bayeszoo.models.softmax_regression and its linear hypothesis."""
    import pymc

    with pymc.Model() as built:
        b = pymc.Normal("b", 0.0, 2.5, shape=LABELS)
        w = pymc.Normal("w", 0.0, 2.5 / x.std(axis=0), shape=(LABELS, x.shape[1]))
        pymc.Categorical("y", logit_p=b + (x - x.mean(axis=0)) @ w.T, observed=y)
    return built


def measure(scale: str) -> list[Row]:
    return race(sys.modules[__name__], *((300, 60, 60) if scale == "quick" else (1_797, 60, 90)))[0]
