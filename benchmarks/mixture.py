"""Eight normals of one known variance in the plane: time to the mode, and how many of 20 seeds find the best one.

Peers: KMeans, whose optimum is the limit for a small variance, and GaussianMixture with one variance a component, the
nearest model that it has; each with ten starts and the thread count that suits it best.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .race import Row, interleaved, timed

NAME = "Mixture of 8 normals, fixed variance"
LABELS = 8
SEEDS = 20
SAME = 1.0  # nats below the best optimum that any seed found


def table(n: int) -> np.ndarray:
    """Rows around eight centres in a square of twelve standard deviations: some of the clusters overlap."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(-6, 6, size=(LABELS, 2))
    return centres[rng.integers(LABELS, size=n)] + rng.normal(size=(n, 2))


def log_likelihood(x: np.ndarray, centres: np.ndarray) -> float:
    """Of equal weights and unit variances."""
    squares = ((x[:, None] - centres) ** 2).sum(axis=-1)
    return float(np.logaddexp.reduce(-0.5 * squares, axis=1).sum() - len(x) * np.log(LABELS * 2 * np.pi))


def limited(threads: int | None, function: Callable[[], Any]) -> Any:
    """What the function returns where BLAS and OpenMP may use so many threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        return function()


def measure(scale: str) -> list[Row]:
    from bayeszoo.inference import mle
    from bayeszoo.models import fixed_variance_mixture
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    x = table(20_000 if scale == "quick" else 100_000)
    model = partial(fixed_variance_mixture, k=LABELS, sigma=1.0, equal_weights=True)
    normals = partial(GaussianMixture, LABELS, covariance_type="spherical")
    peers = {
        "KMeans(n_init=10)": lambda: KMeans(LABELS, n_init=10, random_state=0).fit(x),
        "GaussianMixture(n_init=10)": lambda: normals(n_init=10, random_state=0).fit(x),
    }
    first, _ = timed(mle, model, x)
    contestants = {
        (name, threads): partial(limited, threads, peer) for name, peer in peers.items() for threads in (1, None)
    }
    seconds = interleaved({"bayeszoo": lambda: mle(model, x), **contestants}, rounds=3)
    ours, size, rows = seconds["bayeszoo"], f"{NAME}, {len(x):,} x 2", []
    for name in peers:
        peer = min(seconds[name, threads] for threads in (1, None))
        note = f"{peer / first:.2g} with our compilation, {first:.1f} s"
        rows.append(Row(size, f"seconds, {name}", ours, peer, peer / ours, note))
    # Its default stops at a gain of 0.001 nats a row, long before the optimum; once, as it takes its time.
    peer, _ = timed(normals(n_init=10, random_state=0, tol=1e-6, max_iter=9999).fit, x)
    rows.append(Row(size, "seconds, GaussianMixture(n_init=10, tol=1e-6)", ours, peer, peer / ours, "one run"))
    values = np.array([mle(model, x, seed=seed).diagnostics["log_density"] for seed in range(SEEDS)])
    theirs = [
        log_likelihood(x, KMeans(LABELS, n_init=10, random_state=seed).fit(x).cluster_centers_) for seed in range(SEEDS)
    ]
    found = [int((np.array(of) > max(of) - SAME).sum()) for of in (values, theirs)]
    rows.append(Row(size, f"of {SEEDS} seeds at the best optimum, KMeans(n_init=10)", *found, ""))
    note = "at the best of its centres; its own optimum is another"
    rows.append(Row(size, "log-likelihood, KMeans(n_init=10)", float(values.min()), max(theirs), "", note))
    return rows
