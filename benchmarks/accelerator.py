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

LIMIT = 180.0


def heavy_tailed(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 20))
    return x, x @ rng.normal(size=20) + rng.standard_t(4, size=n)


def softmax(rows: int) -> float:
    from bayeszoo.inference import map_estimate
    from bayeszoo.models import softmax_regression

    from .queries import table as labelled

    return map_estimate(softmax_regression, *labelled(rows)).diagnostics["log_density"]


def mixture(rows: int) -> float:
    from bayeszoo.inference import mle
    from bayeszoo.models import fixed_variance_mixture

    model = partial(fixed_variance_mixture, k=LABELS, sigma=1.0, equal_weights=True)
    return mle(model, clusters(rows)).diagnostics["log_density"]


def label_posterior(rows: int) -> float:
    from bayeszoo.inference import laplace
    from bayeszoo.models import gaussian_naive_bayes

    from .queries import table as labelled

    x, y = labelled(rows)
    fit = laplace(gaussian_naive_bayes, x[:20_000], y[:20_000], draws=250, chains=4)
    return float(fit.log_label_posterior(x).values[:, 0].sum())


def robust(rows: int) -> float:
    """Of a fifth of the rows, as the CPU has to end, too."""
    from bayeszoo.inference import nuts
    from bayeszoo.models import robust_regression

    fit = nuts(robust_regression, *heavy_tailed(rows // 5), draws=100, warmup=100, chains=4)
    return float(fit.posterior()["nu"].mean())


PROBLEMS = {
    "map_estimate of softmax regression, 20 columns, 5 labels": softmax,
    "mle of a mixture of 8 normals, 2 columns": mixture,
    "label posterior by 1,000 draws, 20 columns, 5 labels": label_posterior,
    "NUTS of robust regression, 4 x 200 steps, 20 columns, a fifth of": robust,
}


def measured(problem: str, rows: int, platform: str) -> dict[str, Any]:
    """Seconds with and without compilation, what was found, and on which device."""
    if platform == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"  # before anything imports JAX
    import jax

    warnings.simplefilter("ignore")  # the run of NUTS is short
    first, _ = timed(PROBLEMS[problem], rows)
    seconds, found = timed(PROBLEMS[problem], rows)
    device = jax.devices()[0]
    said = {"device": device.device_kind, "on": device.platform, "jax": jax.__version__}
    return said | {"seconds": seconds, "first": first, "found": found}


def measure(scale: str) -> list[Row]:
    rows = 100_000 if scale == "quick" else 1_000_000
    return [row(problem, rows) for problem in PROBLEMS]


def row(problem: str, rows: int) -> Row:
    what = f"{problem}, {rows:,} rows, s; {os.cpu_count()} cores"
    fast = alone(measured, problem, rows, "", limit=LIMIT)
    if isinstance(fast, str):
        return Row("accelerator", what, fast, "", "")
    if fast["on"] == "cpu":
        return Row("accelerator", what, "JAX sees none here", "", "")
    cores = alone(measured, problem, rows, "cpu", limit=LIMIT)
    note = f"{fast['first']:.3g} s with compilation; jax {fast['jax']}"
    if isinstance(cores, str):
        return Row(fast["device"], what, fast["seconds"], cores, "", note)
    if cores["on"] != "cpu":
        raise RuntimeError(f"the peer ran on {cores['device']}, not on the CPU")
    apart = abs(fast["found"] - cores["found"]) / abs(cores["found"])
    ratio = cores["seconds"] / fast["seconds"]
    return Row(fast["device"], what, fast["seconds"], cores["seconds"], ratio, f"{apart:.1g} apart, relatively; {note}")
