"""Pictures of labels: how often they are right, and images of each."""

import re
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..inference.arviz import variable_name
from .left_out import known_or_assigned

if TYPE_CHECKING:
    from ..inference.fit import Fit

COLUMNS = 6  # panels of labels
SAMPLES = 400  # labels drawn of each row's probabilities, for a picture that counts them
IMAGES = 6  # generated images a label
PIXEL = re.compile(r"pixel_(\d+)_(\d+)")


def plot_confusion(fit: "Fit", probability: np.ndarray) -> Figure:
    """How often rows of one label are taken for another: counts of the most probable label, (label, label).

    probability: P(y = k) of each row of the fit, (rows, labels), best of rows left out.
    """
    labels = [str(label) for label in fit.label_coordinate.tolist()]
    known = fit.y >= 0
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(counts, (fit.y[known], probability[known].argmax(axis=1)), 1)
    size = 0.55 * len(labels) + 2.2
    figure, axis = plt.subplots(figsize=(size + 0.6, size))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for i, j in np.ndindex(counts.shape):
        color = "white" if shares[i, j] > 0.5 else "black"
        axis.text(j, i, str(counts[i, j]), ha="center", va="center", color=color)
    axis.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axis.set_yticks(range(len(labels)), labels)
    axis.set(xlabel="most probable label", ylabel=fit.schema.target)
    return figure


def plot_label_calibration(fit: "Fit", probability: np.ndarray) -> Figure:
    """How often a label is right against how probable it was called, adjusted by pool adjacent violators, with bands.

    (Dimitriadis, Gneiting and Jordan 2021; ArviZ's plot_ppc_pava.) probability: as in plot_confusion. Of more than
    COLUMNS labels, those of the largest squared errors are shown.
    """
    from arviz_plots import plot_ppc_pava

    known = fit.y >= 0
    rng, p = np.random.default_rng(0), probability[known]
    labels = [variable_name(str(label)) for label in fit.label_coordinate.tolist()]
    drawn = rng.random((1, SAMPLES, len(p), p.shape[1])) < p
    right = fit.y[known][:, None] == np.arange(p.shape[1])
    told = [k for k in range(len(labels)) if right[:, k].any() and not right[:, k].all()]
    loss = ((p - right) ** 2).sum(axis=0)
    shown = sorted(sorted(told, key=lambda k: -loss[k])[:COLUMNS])
    dims = ("chain", "draw", "row")
    tree = xr.DataTree.from_dict(
        {
            "posterior_predictive": xr.Dataset({labels[k]: (dims, drawn[..., k].astype(int)) for k in shown}),
            "observed_data": xr.Dataset({labels[k]: ("row", right[:, k].astype(int)) for k in shown}),
        }
    )
    shown_plot = plot_ppc_pava(tree, var_names=[labels[k] for k in shown], backend="matplotlib")
    return shown_plot.viz["figure"].item()


def has_images(fit: "Fit") -> bool:
    """Whether the columns are pixels, called pixel_ROW_COLUMN."""
    return all(PIXEL.fullmatch(column) for column in fit.schema.columns)


def plot_images(fit: "Fit") -> Figure:
    """Real images of each label, left, and generated ones, right."""
    places = np.array([[int(n) for n in PIXEL.fullmatch(column).groups()] for column in fit.schema.columns])
    labels, codes = fit.label_coordinate.tolist(), known_or_assigned(fit)
    figure, axes = plt.subplots(len(labels), 2 * IMAGES, figsize=(0.6 * 2 * IMAGES, 0.6 * len(labels)))
    for k, (label, row) in enumerate(zip(labels, axes, strict=True)):
        made = fit.generate(IMAGES, label=label).to_pandas()[list(fit.schema.columns)].to_numpy()
        real = fit.x[codes == k][:IMAGES]
        for axis, pixels in zip(row, [*real, *([None] * (IMAGES - len(real))), *made], strict=True):
            axis.set_axis_off()
            if pixels is not None:
                image = np.zeros(places.max(axis=0) + 1)
                image[places[:, 0], places[:, 1]] = pixels
                axis.imshow(image, cmap="gray_r", vmin=np.nanmin(fit.x), vmax=np.nanmax(fit.x))
    figure.suptitle("real | generated", fontsize="small")
    return figure
