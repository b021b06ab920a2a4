"""Label posteriors of many rows against scikit-learn's GaussianNB."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bayeszoo.inference import laplace, mle
from bayeszoo.models import gaussian_naive_bayes
from sklearn.naive_bayes import GaussianNB

from .race import Row

LABELS, COLUMNS = 5, 20
FITTED = 20_000  # rows that the fits see; queries see all
CHAINS, DRAWS = 4, 250
CALLS = 200  # of predict_proba, that as many seconds may be spent on all draws


def table(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(LABELS, size=rows)
    mu, sigma = rng.normal(size=(LABELS, COLUMNS)), rng.uniform(0.5, 2.0, size=(LABELS, COLUMNS))
    return mu[y] + sigma[y] * rng.normal(size=(rows, COLUMNS)), y


def seconds(function: Callable, *data: Any) -> float:
    start = time.perf_counter()
    function(*data)
    return time.perf_counter() - start


def measure(scale: str) -> list[Row]:
    """P(y | x) of a point fit against predict_proba, and that of 1,000 draws against 200 calls of it.

    Medians of calls in turn, after one that compiles.
    """
    rows, rounds = (200_000, 2) if scale == "quick" else (1_000_000, 3)
    x, y = table(rows)
    few = x[:FITTED], y[:FITTED]
    peer = GaussianNB().fit(*few)
    point = mle(gaussian_naive_bayes, *few)
    posterior = laplace(gaussian_naive_bayes, *few, draws=DRAWS, chains=CHAINS)
    contestants = {
        "predict_proba": [peer.predict_proba] * 3,
        "point": [point.log_label_posterior] * 3,
        "draws": [posterior.log_label_posterior],
    }
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for one in range(rounds + 1):
        for name, calls in contestants.items():
            each = [seconds(call, x) for call in calls]
            spent[name] += each if one else []
    median = {name: statistics.median(each) for name, each in spent.items()}
    what, peer = f"label posterior of {rows:,} rows, s", median["predict_proba"]
    pairs = [
        (f"{what}: point fit; predict_proba", median["point"], peer),
        (f"{what}: {CHAINS * DRAWS:,} draws; {CALLS} calls of predict_proba", median["draws"], CALLS * peer),
    ]
    return [
        Row("queries", name, f"{ours:.3g}", f"{theirs:.3g}", f"{theirs / ours:.3g}") for name, ours, theirs in pairs
    ]
