"""Pictures of a fit, drawn by ArviZ and matplotlib; nothing is shown, files are written."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

if TYPE_CHECKING:
    from ..inference.fit import Fit

COLUMNS = 4  # columns of the table shown in a picture of classes by columns
SHOWN = 4  # parameters of a trace plot, those that mix worst
PANELS = 24  # panels of a forest; more are not read


PICTURES = ("forest", "trace", "rank", "predictive", "generated")


def remove_plots(folder: Path) -> None:
    """Remove the pictures of an earlier fit, and no other file."""
    for name in PICTURES:
        (folder / f"{name}.png").unlink(missing_ok=True)


def save_plots(fit: "Fit", tree: xr.DataTree, folder: Path) -> list[Path]:
    """Write the pictures that fit the model, each a PNG under ``folder``; return the files.

    forest: intervals of parameters. trace, rank: of the chains, for the parameters that mix worst.
    predictive: real rows against the posterior predictive, by class. generated: real and generated rows of each label.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in _pictures(fit, tree):
        written.append(folder / f"{name}.png")
        figure.savefig(written[-1], dpi=80, bbox_inches="tight")
        plt.close("all")
    return written


def _pictures(fit: "Fit", tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    if fit.draws_shape[0] > 1:
        yield "forest", plot_forest(fit)
        yield from ((name, figure) for name, figure in mixing(fit) if name in PICTURES)
    for _, figure in list(predictive(fit, tree))[:1]:
        yield "predictive", figure
    if fit.shape.generative and fit.shape.classes:
        yield "generated", plot_generated(fit)


def mixing(fit: "Fit") -> Iterator[tuple[str, Figure]]:
    """trace, rank and pair: of the chains, for the parameters that mix worst."""
    import arviz_plots as azp  # here, because it takes as long to import as JAX

    worst = _worst_mixing(fit)
    azp.plot_trace_dist(worst, backend="matplotlib")
    for axis in plt.gcf().axes:
        if axis.get_xlabel() != "Draw":
            axis.set_xlabel("")  # the last parameter's name, which would seem to be that of the column
        # Long names would run into the next panel.
        axis.set_ylabel(axis.get_ylabel().replace("[", "\n[").replace(", ", ",\n"), fontsize="small")
    yield "trace", plt.gcf()
    azp.plot_rank(worst, backend="matplotlib").add_legend("chain", loc="outside right upper")
    yield "rank", plt.gcf()
    if len(worst["posterior"].data_vars) > 1:
        yield "pair", plot_worst_pair(fit, worst)


def plot_worst_pair(fit: "Fit", worst: xr.DataTree) -> Figure:
    """Draws of the two parameters that mix worst, a colour a chain, diverging draws as crosses."""
    one, two = list(worst["posterior"].data_vars)[:2]
    diverging = fit.sample_stats.get("diverging", np.zeros(fit.draws_shape, dtype=bool)).astype(bool)
    figure, axis = plt.subplots(figsize=(4.5, 4))
    a, b = (worst["posterior"][name].values for name in (one, two))
    for chain in range(fit.draws_shape[0]):
        axis.plot(a[chain], b[chain], ".", ms=2, alpha=0.4, label=f"chain {chain}")
    if diverging.any():
        axis.plot(a[diverging], b[diverging], "x", color="black", label="diverging")
    axis.set(xlabel=one, ylabel=two)
    axis.legend(fontsize="x-small", markerscale=3)
    return figure


def predictive(fit: "Fit", tree: xr.DataTree) -> Iterator[tuple[str, Figure]]:
    """Checks of the posterior predictive that fit the data's type."""
    if fit.shape.generative and fit.shape.classes:
        yield "columns by class", plot_predictive_by_class(fit, tree)
    elif fit.shape.generative:
        yield "columns", plot_predictive(fit, tree)
    elif fit.shape.classes:
        yield "mean label posterior", plot_probabilities_by_class(fit)
    elif "y" in tree["posterior_predictive"] and fit.draws_shape[0] > 1:
        import arviz_plots as azp

        name = fit.schema.target
        named = {g: tree[g].to_dataset()[["y"]].rename(y=name) for g in ("posterior_predictive", "observed_data")}
        named = xr.DataTree.from_dict(named)
        if np.issubdtype(tree["posterior_predictive"]["y"].dtype, np.integer):
            yield "rootogram", azp.plot_ppc_rootogram(named, backend="matplotlib").viz["figure"].item()
        else:
            azp.plot_ppc_dist(named, num_samples=50, backend="matplotlib")
            lines = [Line2D([], [], color=c) for c in ("C0", "black")]
            plt.gca().legend(lines, ["posterior predictive", "observed"], fontsize="small")
            yield "density", plt.gcf()
        if "log_likelihood" in tree:
            yield "loo-pit", azp.plot_loo_pit(tree, var_names=["y"], backend="matplotlib").viz["figure"].item()


def _worst_mixing(fit: "Fit") -> xr.DataTree:
    """The numbers with the fewest effective draws, each a variable under its own name: those are worth a look."""
    from arviz_stats import ess

    posterior = fit.posterior()
    scalars = {}
    for name, value in posterior.data_vars.items():
        inner = [dim for dim in value.dims if dim not in ("chain", "draw")]
        for at in np.ndindex(*(value.sizes[dim] for dim in inner)):
            one = value.isel(dict(zip(inner, at, strict=True))).transpose("chain", "draw")
            names = [
                str(one.coords[dim].item()) if dim in one.coords else str(i) for dim, i in zip(inner, at, strict=True)
            ]
            place = f"[{', '.join(names)}]" if inner else ""
            if one.std() > 0:
                scalars[f"{name}{place}"] = one.drop_vars([c for c in one.coords if c not in ("chain", "draw")])
    mixed = ess(xr.Dataset(scalars))
    chosen = sorted(scalars, key=lambda name: float(mixed[name]))[:SHOWN]
    return xr.DataTree.from_dict({"posterior": xr.Dataset({name: scalars[name] for name in chosen})})


def plot_forest(fit: "Fit") -> Figure:
    """Posterior medians with 50 and 90 % intervals, a panel a site and column, each in its own unit.

    ``arviz_plots.plot_forest`` puts all parameters on one axis, where grams hide millimetres.
    """
    panels = []
    for name, value in fit.posterior().data_vars.items():
        columns = value.feature.values if "feature" in value.dims else [None]
        panels += [(name, c, value if c is None else value.sel(feature=c)) for c in columns]
    shown = panels[:PANELS]
    width = min(5, len(shown))
    height = -(-len(shown) // width)
    figure, axes = plt.subplots(height, width, figsize=(3 * width, 1.6 * height + 0.6), squeeze=False)
    for axis in axes.ravel()[len(shown) :]:
        axis.set_axis_off()
    for axis, (name, column, value) in zip(axes.ravel(), shown, strict=False):
        flat = value.stack(sample=("chain", "draw")).transpose(..., "sample")
        rows = flat.values.reshape(-1, flat.sizes["sample"])
        low, lower, mid, upper, high = np.quantile(rows, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
        at = np.arange(len(rows))[::-1]
        axis.hlines(at, low, high, lw=1, color="C0")
        axis.hlines(at, lower, upper, lw=3, color="C0")
        axis.plot(mid, at, "o", color="white", mec="C0", ms=4)
        axis.set(title=name if column is None else f"{name}, {column}", ylim=(-0.7, len(rows) - 0.3), yticks=at)
        inner = [dim for dim in flat.dims if dim != "sample"]
        names = [", ".join(map(str, where)) for where in np.ndindex(*(flat.sizes[dim] for dim in inner))]
        if len(inner) == 1 and inner[0] in flat.coords:
            names = [str(one) for one in flat[inner[0]].values]
        axis.set_yticklabels(names)
    if len(panels) > PANELS:
        figure.suptitle(f"the first {PANELS} of {len(panels)} panels")
    figure.tight_layout()
    return figure


def _known_or_assigned(fit: "Fit") -> np.ndarray:
    """Codes of the rows' labels, the most probable where none is known."""
    labels = fit.label_coordinate.tolist()
    assigned = np.array([labels.index(one) for one in fit.assign(fit.x).values.tolist()])
    return np.where(fit.y >= 0, fit.y, assigned)


def _telling_columns(fit: "Fit", codes: np.ndarray, most: int) -> np.ndarray:
    """The columns whose class means differ most, in units of the column's standard deviation."""
    centres = [np.nanmean(fit.x[codes == k], axis=0) for k in np.unique(codes)]
    return np.argsort(-np.std(centres, axis=0) / np.nanstd(fit.x, axis=0), kind="stable")[:most]


def plot_predictive_by_class(fit: "Fit", tree: xr.DataTree) -> Figure:
    """Real rows (filled) against the posterior predictive P(x | y, D) (line), a row of panels a class."""
    codes = _known_or_assigned(fit)
    columns = _telling_columns(fit, codes, COLUMNS)
    drawn = tree["posterior_predictive"]
    x = drawn["x"].values.reshape(-1, len(fit.schema.columns))
    y = drawn["y"].values.ravel()
    size = (3 * len(columns), 1.7 * fit.shape.classes + 0.5)
    figure, axes = plt.subplots(fit.shape.classes, len(columns), figsize=size, sharex="col", squeeze=False)
    for k, label in enumerate(fit.label_coordinate):
        for axis, j in zip(axes[k], columns, strict=True):
            real = fit.x[codes == k, j]
            real = real[~np.isnan(real)]
            edges = np.histogram_bin_edges(fit.x[~np.isnan(fit.x[:, j]), j], bins=24)
            axis.hist(real, edges, density=len(real) > 0, alpha=0.4, label="real")
            axis.hist(
                x[y == k, j], edges, density=bool(np.any(y == k)), histtype="step", color="C1", label="predictive"
            )
            axis.set_yticks([])
            if k == fit.shape.classes - 1:
                axis.set_xlabel(fit.schema.columns[j])
        axes[k, 0].set_ylabel(str(label))
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    return figure


def plot_predictive(fit: "Fit", tree: xr.DataTree) -> Figure:
    """Real rows (filled) against the posterior predictive P(x | D) (line), a panel a column."""
    shown = list(enumerate(fit.schema.columns))[: 2 * COLUMNS]
    width = min(len(shown), COLUMNS)
    height = -(-len(shown) // width)
    figure, axes = plt.subplots(height, width, figsize=(3 * width, 2 * height), squeeze=False)
    for axis in axes.ravel()[len(shown) :]:
        axis.set_axis_off()
    drawn = tree["posterior_predictive"]["x"].values.reshape(-1, len(fit.schema.columns))
    for axis, (j, name) in zip(axes.ravel(), shown, strict=False):
        real = fit.x[~np.isnan(fit.x[:, j]), j]
        edges = np.histogram_bin_edges(real, bins=24)
        axis.hist(real, edges, density=True, alpha=0.4, label="real")
        axis.hist(drawn[:, j], edges, density=True, histtype="step", color="C1", label="predictive")
        axis.set(xlabel=name, yticks=[])
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    return figure


def plot_probabilities_by_class(fit: "Fit") -> Figure:
    """The mean label posterior of the rows of each label: how a model without P(x) takes one label for another."""
    labels = [str(label) for label in fit.label_coordinate.tolist()]
    posterior = np.exp(fit.log_label_posterior(fit.x).values)
    seen = np.unique(fit.y)
    means = np.array([posterior[fit.y == k].mean(axis=0) for k in seen])
    size = 0.5 * len(labels) + 2.5
    figure, axis = plt.subplots(figsize=(size + 1, size))
    image = axis.imshow(means, vmin=0, vmax=1, cmap="Blues")
    for i, k in np.ndindex(means.shape):
        axis.text(k, i, f"{means[i, k]:.2f}", ha="center", va="center", color="white" if means[i, k] > 0.5 else "black")
    axis.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axis.set_yticks(range(len(seen)), [labels[k] for k in seen])
    axis.set(xlabel="predicted", ylabel=fit.schema.target, title="mean label posterior of the rows of each label")
    figure.colorbar(image, shrink=0.8)
    return figure


def plot_generated(fit: "Fit", n: int = 200) -> Figure:
    """Real rows as dots, generated as crosses, a panel a label, in the two columns that differ most between labels."""
    codes = _known_or_assigned(fit)
    columns = _telling_columns(fit, codes, 2)
    first, second = columns[0], columns[-1]
    labels = fit.label_coordinate.tolist()
    size = (3.6 * len(labels), 3.6)
    figure, axes = plt.subplots(1, len(labels), figsize=size, sharex=True, sharey=True, squeeze=False)
    for k, (label, axis) in enumerate(zip(labels, axes[0], strict=True)):
        made = fit.generate(n, label=label).to_pandas()
        real = fit.x[codes == k]
        axis.plot(made.iloc[:, first], made.iloc[:, second], "x", color="C1", ms=4, label="generated")
        axis.plot(real[:, first], real[:, second], "o", color="C0", ms=4, alpha=0.6, label="real")
        axis.set(title=str(label), xlabel=fit.schema.columns[first])
    axes[0, 0].set_ylabel(fit.schema.columns[second])
    axes[0, 0].legend()
    return figure
