"""What keeps its rows, on JAX's accelerator against all cores of the machine: same program, same rows, same answers.

All arithmetic is in float64, on an accelerator, too. Peer: the same calls in a process that JAX gives the CPU alone.
"""

import os
import warnings
from functools import partial
from typing import Any

import numpy as np

from .mixture import LABELS
from .mixture import table as clusters
from .race import Row, alone, timed

LIMIT = 200.0


def heavy_tailed(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 20))
    return x, x @ rng.normal(size=20) + rng.standard_t(4, size=n)


def measured(platform: str, rows: int) -> dict[str, Any]:
    """Seconds, the second time, and a number that both machines must agree on, of each problem."""
    if platform == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"  # before anything imports JAX
    import jax
    from bayeszoo.inference import laplace, map_estimate, mle, nuts
    from bayeszoo.models import fixed_variance_mixture, gaussian_naive_bayes, robust_regression, softmax_regression

    from .queries import table as labelled

    warnings.simplefilter("ignore")  # the run of NUTS is short
    x, y = labelled(rows)
    line, plane = heavy_tailed(rows), clusters(rows)
    mixture = partial(fixed_variance_mixture, k=LABELS, sigma=1.0, equal_weights=True)
    posterior = laplace(gaussian_naive_bayes, x[:20_000], y[:20_000], draws=250, chains=4)
    problems = {
        "map_estimate of softmax regression, 20 columns": lambda: map_estimate(softmax_regression, x, y).diagnostics[
            "log_density"
        ],
        "mle of a mixture of 8 normals, 2 columns": lambda: mle(mixture, plane).diagnostics["log_density"],
        "label posterior by 1,000 draws, 20 columns": lambda: float(
            posterior.log_label_posterior(x).values[:, 0].sum()
        ),
        "NUTS of robust regression, 20 columns": lambda: float(
            nuts(robust_regression, *line, draws=100, warmup=100, chains=4).posterior()["nu"].mean()
        ),
    }
    said: dict[str, Any] = {"device": jax.devices()[0].device_kind, "backend": jax.default_backend()}
    for name, problem in problems.items():
        first, _ = timed(problem)
        said[name] = (*timed(problem), first)
        print(f"{name}: {said[name]}", flush=True)
    return said


def measure(scale: str) -> list[Row]:
    rows = 100_000 if scale == "quick" else 1_000_000
    fast, cores = (alone(measured, platform, rows, limit=LIMIT) for platform in ("", "cpu"))
    if isinstance(fast, str) or isinstance(cores, str):
        return [Row("accelerator", "", "", "", "", fast if isinstance(fast, str) else str(cores))]
    if cores["backend"] != "cpu":
        raise RuntimeError(f"the peer ran on {cores['device']}, not on the CPU")
    if fast["backend"] == "cpu":
        return [Row("accelerator", "", "", "", "", "JAX sees none here")]
    found = []
    for name in sorted(fast.keys() - {"device", "backend"}):
        (ours, value, first), (peer, theirs, _) = fast[name], cores[name]
        apart = abs(value - theirs) / abs(theirs)
        note = f"{apart:.1g} apart, relatively; {first:.3g} s with compilation"
        what = f"{name}, {rows:,} rows, s; {os.cpu_count()} cores"
        found.append(Row(fast["device"], what, ours, peer, peer / ours, note))
    return found
