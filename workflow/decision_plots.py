"""Pictures for whoever has to act on a label: how many to name, and what is unsure about the others."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.stats import beta

from ..inference.decisions import accuracy_coverage_of
from .figures import literal
from .seen import labelled

ERRORS = (0.05, 0.01)  # error rates that are marked
RARE = 0.01  # tail probability below which a row is marked
UNSURE = 60  # rows of the picture of uncertainty, the least sure


@literal
def plot_accuracy_coverage(tree: xr.DataTree, probability: np.ndarray | None = None) -> Figure:
    """Of the rows that keep their label, how many are right, against how many keep it, the surest first.

    A line with a 90 % interval at each point (Jeffreys's, of Beta(right + 1/2, wrong + 1/2)), dashed what the fit
    itself expects, the mean of its largest P(y = k), and a dot at the most rows for each error rate of 5 and 1 %.
    probability: as in ``plot_confusion``. Rows of no known label are not counted.
    """
    _, y, p, _ = labelled(tree, probability)
    curve = accuracy_coverage_of(p, y)
    kept, accuracy, coverage = curve.kept.values, curve.accuracy.values, curve.coverage.values
    low, high = (beta.ppf(q, accuracy * kept + 0.5, (1 - accuracy) * kept + 0.5) for q in (0.05, 0.95))
    top = np.sort(p.max(axis=1))[::-1]
    figure, axis = plt.subplots(figsize=(6, 3.6))
    axis.fill_between(coverage, low, high, color="C0", alpha=0.15, lw=0, label="90 % interval")
    axis.plot(coverage, accuracy, color="C0", label="right")
    axis.plot(coverage, (top.cumsum() / np.arange(1, len(top) + 1))[kept - 1], "--", color="C1", label="expected")
    for error, marker in zip(ERRORS, "os", strict=True):
        good = np.flatnonzero(1 - accuracy <= error)
        if len(good):
            name = f"at most {100 * error:g} % wrong: {100 * coverage[good[-1]]:.0f} % named"
            axis.plot(coverage[good[-1]], accuracy[good[-1]], marker, color="black", ms=6, label=name)
    shown = coverage >= 0.1  # of few rows, nothing is known
    axis.set_ylim(min(accuracy[shown].min(), low[shown].min()) - 0.01, 1.005)
    axis.set(xlim=(0, 1.02), xlabel="share of rows that keep their label", ylabel="share of those that is right")
    axis.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, frameon=False)
    return figure


@literal
def plot_label_uncertainty(unsure: xr.Dataset) -> Figure:
    """What is unsure about the labels of the least sure rows, in nats, the least sure first.

    A bar a row: below, the aleatoric part, which more rows would not take away; on top, the epistemic one, which they
    would. unsure: what ``bayeszoo.inference.label_uncertainty`` answers.
    """
    rows = unsure.total.values.argsort()[::-1][:UNSURE]
    at = np.arange(len(rows))
    figure, axis = plt.subplots(figsize=(7, 3))
    aleatoric, epistemic = unsure.aleatoric.values[rows], unsure.epistemic.values[rows]
    axis.bar(at, aleatoric, width=0.9, color="C0", alpha=0.5, label="aleatoric: stays")
    axis.bar(at, epistemic, width=0.9, bottom=aleatoric, color="C1", label="epistemic: goes with more rows")
    axis.set(xlim=(-0.6, len(rows) - 0.4), xlabel="rows, the least sure first", ylabel="nats", xticks=[])
    axis.legend(fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    return figure


@literal
def plot_outliers(found: xr.Dataset) -> Figure:
    """How probable each row is: a histogram of log P(x), and ticks for rows with a tail probability below RARE.

    found: what ``bayeszoo.inference.outliers`` answers.
    """
    log_p = found.log_marginal.values
    rare = found.tail_probability.values < RARE
    figure, axis = plt.subplots(figsize=(7, 2.6))
    axis.hist(log_p, bins=40, alpha=0.4)
    axis.plot(log_p[rare], np.zeros(rare.sum()), "|", color="C3", ms=16, mew=1.5, label=f"tail below {100 * RARE:g} %")
    axis.set(xlabel="log P(x), nats", ylabel="rows")
    if rare.any():
        axis.legend(fontsize="small")
    return figure
