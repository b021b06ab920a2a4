"""Learning curves as a picture and as a crossing point."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jax import Array
from matplotlib.figure import Figure
from numpyro import distributions as dist

from ..models import linear, linear_discriminant, shared_diagonal, softmax_regression
from ..models.spec import Spec

RESAMPLES = 2_000
VAGUE = 50.0  # sd of a weight, in log odds a standard deviation of its column


def _vague(x: Array, y: Array | None = None, *, spec: Spec) -> Array:
    """Softmax regression all but without a prior."""
    free = partial(linear, b=dist.Normal(0.0, VAGUE), w=dist.Normal(0.0, VAGUE / spec.scale))
    return softmax_regression(x, y, spec=spec, hypothesis=free)


# Ng and Jordan's pair: naive Bayes whose columns have one variance in all labels, so that its log odds are linear, and
# the regression that fits such log odds with nothing else to go by.
PAIR = {"naive Bayes": partial(linear_discriminant, covariance=shared_diagonal), "softmax regression": _vague}


def crossing(curve: xr.Dataset, measure: str = "error", *, seed: int = 0) -> tuple[float, float, float, float]:
    """Where the second model's curve falls below the first's for good: median and central 90 %, in rows; and how sure.

    By the bootstrap over splits: each resample's mean difference is interpolated on a log scale of rows to its last
    change of sign. The fourth number is the share of resamples in which there is one at all, the second model being
    worse at some size and better at every later one; the first three are NaN where that is none.
    """
    first, second = curve.model.values[:2]
    difference = (curve[measure].sel(model=second) - curve[measure].sel(model=first)).transpose("size", "split").values
    log_n, splits = np.log(curve["size"].values), difference.shape[1]
    rng, found = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        mean = difference[:, rng.integers(splits, size=splits)].mean(axis=1)
        worse = np.flatnonzero(mean >= 0)
        if len(worse) and worse[-1] < len(mean) - 1:
            i = worse[-1]
            found.append(np.exp(np.interp(0.0, [mean[i + 1], mean[i]], [log_n[i + 1], log_n[i]])))
    if not found:
        return np.nan, np.nan, np.nan, 0.0
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
    return float(middle), float(low), float(high), len(found) / RESAMPLES


def overtaking(curve: xr.Dataset, measure: str = "error") -> str:
    """A sentence on where the second model's curve falls below the first's, by ``crossing``."""
    first, second = curve.model.values[:2]
    middle, low, high, sure = crossing(curve, measure)
    mean = curve[measure].mean("split")
    if np.all(mean.sel(model=second) < mean.sel(model=first)):
        where = "nowhere, as it is better from the fewest rows on"
    else:
        where = f"at {middle:.0f} rows (90 %: {low:.0f} to {high:.0f})" if sure >= 0.5 else "nowhere for sure"
    return f"{second} overtakes {first} {where}; in {sure:.0%} of resamples it does"


def plot_learning_curve(curve: xr.Dataset, title: str = "") -> Figure:
    """Error and log loss against rows, a colour a model: means over splits, with bands of two standard errors."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    for axis, (measure, label) in zip(axes, (("error", "error rate"), ("log_loss", "log loss, nats")), strict=True):
        for model in curve.model.values:
            each = curve[measure].sel(model=model)
            mean = each.mean("split")
            error = each.std("split", ddof=1) / np.sqrt(each.sizes["split"])
            axis.plot(curve["size"], mean, label=str(model))
            axis.fill_between(curve["size"], mean - 2 * error, mean + 2 * error, alpha=0.25)
        axis.set(xscale="log", xlabel="training rows", ylabel=label)
        if measure == "log_loss":
            axis.set_yscale("log")
    axes[0].legend(fontsize="small")
    figure.suptitle(title)
    figure.tight_layout()
    return figure
