"""Gaussian naive Bayes on rows of 20 float32 columns and 5 labels: the data, and the model in PyMC."""

from typing import Any

import numpy as np

NAME = "Gaussian naive Bayes"
LABELS, COLUMNS = 5, 20
PARAMETERS = ("pi", "mu", "sigma")


def table(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mu = rng.normal(size=(LABELS, COLUMNS)).astype(np.float32)
    sigma = rng.uniform(0.5, 1.5, size=(LABELS, COLUMNS)).astype(np.float32)
    y = rng.integers(LABELS, size=n)
    x = rng.standard_normal((n, COLUMNS), dtype=np.float32)
    x *= sigma[y]
    x += mu[y]
    return x, y


def model() -> Any:
    from bayeszoo.models import gaussian_naive_bayes

    return gaussian_naive_bayes


def priors(x: np.ndarray) -> tuple[Any, Any, Any]:
    """pi, mu and sigma in PyMC, with the priors of bayeszoo.models.naive_bayes."""
    import pymc

    loc, scale = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float)
    shape = (LABELS, COLUMNS)
    pi = pymc.Dirichlet("pi", np.ones(LABELS))
    mu = pymc.Normal("mu", loc, 2 * scale, shape=shape)
    variance = pymc.InverseGamma("variance", 2.0, (scale / 2) ** 2, shape=shape)
    return pi, mu, pymc.Deterministic("sigma", variance**0.5)


def of_rows(x: np.ndarray, y: np.ndarray) -> Any:
    import pymc

    with pymc.Model() as built:
        pi, mu, sigma = priors(x)
        pymc.Categorical("y", pi, observed=y)
        pymc.Normal("x", mu[y], sigma[y], observed=x)
    return built


def of_statistics(x: np.ndarray, y: np.ndarray) -> Any:
    """The same posterior through count, sum and sum of squares of each label, written by hand."""
    import pymc
    from pytensor import tensor

    count = np.bincount(y, minlength=LABELS)
    mean = np.stack([x[y == k].mean(axis=0, dtype=float) for k in range(LABELS)])
    spread = np.stack([x[y == k].var(axis=0, dtype=float) for k in range(LABELS)])
    with pymc.Model() as built:
        pi, mu, sigma = priors(x)
        squares = (spread + (mean - mu) ** 2) / sigma**2
        rows = -count[:, None] * (tensor.log(sigma) + squares / 2)
        pymc.Potential("rows", (count * tensor.log(pi)).sum() + rows.sum())
    return built
