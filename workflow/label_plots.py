"""Pictures of labels: how often they are right, and images of each."""

import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..inference.arviz import variable_name
from ..inference.cells import few
from ..inference.errors import DataError
from .figures import literal
from .seen import generated, known_or_assigned, labelled, seen

COLUMNS = 6  # panels of labels
SAMPLES = 400  # labels drawn of each row's probabilities, for a picture that counts them
IMAGES = 6  # generated images a label
PIXEL = re.compile(r"pixel_(\d+)_(\d+)")


@literal
def plot_confusion(tree: xr.DataTree, probability: np.ndarray | None = None) -> Figure:
    """How often rows of one label are taken for another: counts of the most probable label, (label, label).

    probability: P(y = k) of each row, (rows, labels), best of rows left out; else that of rows that the fit has seen.
    """
    labels, y, p, target = labelled(tree, probability)
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(counts, (y, p.argmax(axis=1)), 1)
    size = 0.55 * len(labels) + 2.2
    figure, axis = plt.subplots(figsize=(size + 0.6, size))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for i, j in np.ndindex(counts.shape):
        color = "white" if shares[i, j] > 0.5 else "black"
        axis.text(j, i, str(counts[i, j]), ha="center", va="center", color=color)
    axis.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axis.set_yticks(range(len(labels)), labels)
    axis.set(xlabel="most probable label", ylabel=target)
    return figure


@literal
def plot_label_calibration(tree: xr.DataTree, probability: np.ndarray | None = None) -> Figure:
    """How often a label is right against how probable it was called, adjusted by pool adjacent violators, with bands.

    (Dimitriadis, Gneiting and Jordan 2021; ArviZ's plot_ppc_pava.) probability: as in plot_confusion. Of more than
    COLUMNS labels, those of the largest squared errors are shown.
    """
    from arviz_plots import plot_ppc_pava

    labels, y, p, _ = labelled(tree, probability)
    labels = [variable_name(label) for label in labels]
    drawn = np.random.default_rng(0).random((1, SAMPLES, len(p), p.shape[1])) < p
    right = y[:, None] == np.arange(p.shape[1])
    told = [k for k in range(len(labels)) if right[:, k].any() and not right[:, k].all()]
    loss = ((p - right) ** 2).sum(axis=0)
    shown = sorted(sorted(told, key=lambda k: -loss[k])[:COLUMNS])
    dims = ("chain", "draw", "row")
    counted = xr.DataTree.from_dict(
        {
            "posterior_predictive": xr.Dataset({labels[k]: (dims, drawn[..., k].astype(int)) for k in shown}),
            "observed_data": xr.Dataset({labels[k]: ("row", right[:, k].astype(int)) for k in shown}),
        }
    )
    shown_plot = plot_ppc_pava(counted, var_names=[labels[k] for k in shown], backend="matplotlib")
    return shown_plot.viz["figure"].item()


def has_images(columns: Sequence[str]) -> bool:
    """Whether the columns are pixels, called pixel_ROW_COLUMN."""
    return all(PIXEL.fullmatch(column) for column in columns)


@literal
def plot_images(tree: xr.DataTree) -> Figure:
    """Real images of each label, left, and generated ones, right."""
    real, codes, rng = seen(tree), known_or_assigned(tree), np.random.default_rng(0)
    if not has_images(real.columns):
        raise DataError(f"columns are pixels where they are called pixel_ROW_COLUMN, not {few(tuple(real.columns))}.")
    places = np.array([[int(n) for n in PIXEL.fullmatch(column).groups()] for column in real.columns])
    # One picture of them all: an axis for each image would take a hundred times as long to draw.
    height, width = places.max(axis=0) + 2
    mosaic = np.full((len(real.labels), height, 2 * IMAGES + 1, width), np.nan)
    for k in range(len(real.labels)):
        for first, half in ((0, real.x[codes == k][:IMAGES]), (IMAGES + 1, generated(tree, k, IMAGES, rng))):
            for i, pixels in enumerate(half, first):
                mosaic[k, places[:, 0], i, places[:, 1]] = pixels
    figure, axis = plt.subplots(figsize=(0.6 * (2 * IMAGES + 1), 0.6 * len(real.labels)))
    axis.imshow(
        mosaic.reshape(len(real.labels) * height, -1), cmap="gray_r", vmin=np.nanmin(real.x), vmax=np.nanmax(real.x)
    )
    axis.set_yticks((np.arange(len(real.labels)) + 0.5) * height - 1, real.labels)
    axis.set_xticks((np.array([0.5, 1.5]) * IMAGES + [0, 1]) * width - 1, ["real", "generated"])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure
