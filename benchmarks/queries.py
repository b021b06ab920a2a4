"""Label posteriors of many rows against scikit-learn's GaussianNB: ``uv run python benchmarks/queries.py``."""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bayeszoo.inference import laplace, mle
from bayeszoo.models import gaussian_naive_bayes
from sklearn.naive_bayes import GaussianNB

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


def measure(rows: int = 1_000_000, rounds: int = 3) -> dict[str, float]:
    """Seconds a call, medians of calls in turn after one that compiles, and their ratios: below 1 is in our favour.

    point: P(y | x) of a point fit over predict_proba. draws: that of 1,000 posterior draws over 200 predict_proba.
    """
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
    return {
        **{f"{name}, seconds": value for name, value in median.items()},
        "point ratio": median["point"] / median["predict_proba"],
        "draws ratio": median["draws"] / (CALLS * median["predict_proba"]),
    }


def main(rows: int = 1_000_000) -> None:
    found = measure(rows)
    size = f"{rows:,} x {COLUMNS}, {LABELS} labels"
    print("| query | rows | ours, s | scikit-learn, s | ours / scikit-learn |\n|---|---|---|---|---|")
    peer = found["predict_proba, seconds"]
    print(f"| point fit | {size} | {found['point, seconds']:.3g} | {peer:.3g} | {found['point ratio']:.2f} |")
    what = f"{CHAINS * DRAWS:,} draws, against {CALLS} calls"
    print(f"| {what} | {size} | {found['draws, seconds']:.3g} | {CALLS * peer:.3g} | {found['draws ratio']:.2f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
