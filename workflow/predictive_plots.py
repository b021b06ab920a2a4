"""Pictures of what a fit predicts, before and after the data, beside what was seen."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import norm

from ..inference.arviz import variable_name
from ..inference.cells import few
from ..inference.errors import DataError
from ..inference.table import COUNTS
from .check import BAND, FALSE_ALARM
from .figures import literal, panels, panels_in_rows
from .left_out import LEAST, Places, pit_of_response, places_of_columns
from .seen import COLUMNS, generated, known_or_assigned, labelled, predicted, response, seen, telling_columns

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

SHOWN = 2_000  # draws of x of a label whose histogram is shown
PANELS = 6  # panels of columns where there are no classes
BARS = 24  # of a histogram
SINGLE = 60  # rows whose intervals are shown
GROUPS = 8  # of neighbouring values of a column, whose errors are averaged


@literal
def plot_prior_predictive(tree: xr.DataTree) -> Figure:
    """Data (filled) against what the prior alone predicts (line), a panel a column; the prior should be the wider."""
    real, drawn = seen(tree), tree["prior_predictive"]
    if "x" in drawn:
        x = drawn["x"].values.reshape(-1, len(real.columns))
        shown = enumerate(zip(real.columns[:PANELS], real.levels[:PANELS], strict=True))
        pairs = [(name, levels, real.x[:, j], x[:, j]) for j, (name, levels) in shown]
    else:
        y = np.where(real.y < 0, np.nan, real.y) if real.labels else real.y
        pairs = [(real.target, tuple(real.labels) or None, y, drawn["y"].values.ravel())]
    figure, axes = panels_in_rows(len(pairs), 3, (3.4, 2.2))
    for axis, (name, levels, data, prior) in zip(axes, pairs, strict=True):
        data, prior = data[~np.isnan(data)], prior[np.isfinite(prior)]
        low, high = np.quantile(prior, [0.01, 0.99])
        edges = _edges(np.append(data, [low, high]), levels)
        _two_histograms(axis, edges, levels, {"data": data, "prior predictive": prior})
        axis.set_xlabel(name)
    axes[0].legend(fontsize="small")
    figure.tight_layout()
    return figure


@literal
def plot_predictive_by_class(tree: xr.DataTree) -> Figure:
    """Real rows (filled) against the posterior predictive P(x | y, D) (line), a row of panels a class.

    Rows whose label is hidden are with the most probable one. Where counts have a total that the model is told,
    predicted ones have the totals of their label's rows.
    """
    real, codes, rng = seen(tree), known_or_assigned(tree), np.random.default_rng(0)
    if not real.labels:
        raise DataError("the model has no labels; plot_predictive shows all rows.")
    columns = telling_columns(real.x, codes)
    classes = len(real.labels)
    size = (3 * len(columns), 1.7 * classes + 0.5)
    figure, axes = panels(classes, len(columns), size, sharex="col")
    for k, label in enumerate(real.labels):
        x = generated(tree, k, SHOWN, rng)
        for axis, j in zip(axes[k], columns, strict=True):
            there, levels = ~np.isnan(real.x[:, j]), real.levels[j]
            pair = {"real": real.x[there & (codes == k), j], "predictive": x[:, j]}
            _two_histograms(axis, _edges(real.x[there, j], levels), levels, pair)
            if k == classes - 1:
                axis.set_xlabel(real.columns[j])
        axes[k, 0].set_ylabel(label)
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    return figure


@literal
def plot_predictive(tree: xr.DataTree) -> Figure:
    """Real rows (filled) against the posterior predictive P(x | D) (line), a panel a column."""
    real, drawn = seen(tree), predicted(tree)
    shown = list(enumerate(real.columns))[: 2 * COLUMNS]
    figure, axes = panels_in_rows(len(shown), COLUMNS, (3, 2))
    for axis, (j, name) in zip(axes, shown, strict=True):
        x, levels = real.x[~np.isnan(real.x[:, j]), j], real.levels[j]
        _two_histograms(axis, _edges(x, levels), levels, {"real": x, "predictive": drawn[:, j]})
        axis.set_xlabel(name)
    axes[0].legend(fontsize="small")
    figure.tight_layout()
    return figure


@literal
def plot_response(tree: xr.DataTree) -> "PlotCollection":
    """The responses against draws of the posterior predictive: densities of a number, a rootogram of a count."""
    import arviz_plots as azp

    name = variable_name(response(tree).target)
    named = {g: tree[g].to_dataset()[["y"]].rename(y=name) for g in ("posterior_predictive", "observed_data")}
    named = xr.DataTree.from_dict(named)
    if np.issubdtype(tree["posterior_predictive"]["y"].dtype, np.integer):
        return azp.plot_ppc_rootogram(named, backend="matplotlib")
    draws = tree["posterior_predictive"].sizes["chain"] * tree["posterior_predictive"].sizes["draw"]
    shown = azp.plot_ppc_dist(named, num_samples=min(50, draws), backend="matplotlib")
    lines = [Line2D([], [], color=c) for c in ("C0", "black")]
    shown.viz["figure"].item().axes[0].legend(lines, ["posterior predictive", "observed"], fontsize="small")
    return shown


@literal
def plot_counts(tree: xr.DataTree) -> "PlotCollection":
    """Rootograms of the columns of counts: roots of how often each count was seen, against what the fit predicts."""
    import arviz_plots as azp

    real, counts, groups = seen(tree), count_columns(tree)[:COLUMNS], {}
    if not counts:
        raise DataError(f"no column holds counts of which the fit predicts others: {few(tuple(real.columns))}.")
    for group, dims in (("posterior_predictive", ("chain", "draw", "row")), ("observed_data", ("row",))):
        x = tree[group]["x"].values[..., counts]
        whole = ~np.isnan(real.x[:, counts]).any(axis=1)  # rows, of which all counts were seen
        columns = np.moveaxis(x[..., whole, :].astype(int), -1, 0)
        names = [variable_name(real.columns[j]) for j in counts]
        groups[group] = xr.Dataset({name: (dims, column) for name, column in zip(names, columns, strict=True)})
    return azp.plot_ppc_rootogram(xr.DataTree.from_dict(groups), backend="matplotlib")


def count_columns(tree: xr.DataTree) -> list[int]:
    """Numbers of the columns of which the fit predicts whole numbers, more than 0 and 1, that are no names."""
    levels = seen(tree).levels
    drawn = predicted(tree)
    whole = (drawn == np.round(drawn)).all(axis=0) & (drawn.max(axis=0) > 1)
    return [j for j, names in enumerate(levels) if whole[j] and not isinstance(names, tuple)]


@literal
def plot_response_intervals(tree: xr.DataTree) -> "PlotCollection":
    """What is predicted of single rows, in intervals of 50 and 90 %, and what was seen, from the least to the greatest.

    Of more than SINGLE rows, as many, evenly.
    """
    import arviz_plots as azp

    real = response(tree)
    name, order = variable_name(real.target), np.argsort(real.y, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(SINGLE, len(order))).round().astype(int)]
    groups = {g: tree[g].to_dataset()[["y"]].isel(row=chosen) for g in ("posterior_predictive", "observed_data")}
    groups = {g: data.assign_coords(row=np.arange(len(chosen))).rename(y=name) for g, data in groups.items()}
    return azp.plot_ppc_interval(
        xr.DataTree.from_dict(groups), ci_kind="eti", ci_probs=(0.5, 0.9), backend="matplotlib"
    )


@literal
def plot_response_loo_pit(tree: xr.DataTree, pit: np.ndarray | None = None) -> "PlotCollection":
    """Where each response lies in what the other rows predict of it: flat where the fit is calibrated.

    pit: of ``pit_of_response``, where they are at hand.
    """
    from arviz_plots import plot_ecdf_pit

    response(tree)
    pit = pit_of_response(tree) if pit is None else pit
    places = xr.DataTree.from_dict({"loo_pit": xr.Dataset({"y": ("row", pit)})})
    words = {"visuals": {"xlabel": {"text": "LOO-PIT"}}, "method": "pot_c", "backend": "matplotlib"}
    return plot_ecdf_pit(places, group="loo_pit", sample_dims=["row"], **words)


@literal
def plot_response_line(tree: xr.DataTree) -> "PlotCollection":
    """Of one column of numbers: the responses against it, and what is predicted at each, in 50 and 90 % intervals."""
    import arviz_plots as azp

    real = response(tree)
    name, column = variable_name(real.target), variable_name(real.columns[0])
    order = np.argsort(real.x[:, 0], kind="stable")
    groups = {g: tree[g].to_dataset()[["y"]].isel(row=order) for g in ("posterior_predictive", "observed_data")}
    groups = {g: data.rename(y=name) for g, data in groups.items()}
    groups["constant_data"] = xr.Dataset({column: ("row", real.x[order, 0])}, {"row": groups["observed_data"].row})
    return azp.plot_lm(
        xr.DataTree.from_dict(groups), x=column, y=name, ci_kind="eti", ci_prob=(0.5, 0.9), backend="matplotlib"
    )


@literal
def plot_response_errors(tree: xr.DataTree, errors: np.ndarray | None = None) -> Figure:
    """What each response is off by in what the other rows predict of it, against columns; means of like rows in red.

    Errors are values of a standard normal where the fit is right: Phi^-1 of the places that ``plot_response_loo_pit``
    shows. Means are of a name's rows, or of up to GROUPS groups of neighbouring values, with two standard errors: away
    from 0 where a column tells more than the hypothesis hears. Of more than COLUMNS columns, those whose means are
    farthest from it.
    errors: of ``Case.errors``, where they are at hand.
    """
    real, found = response(tree), []
    z = norm.ppf(pit_of_response(tree)) if errors is None else errors
    for j, levels in enumerate(real.levels):
        edges = np.arange(len(levels) + 1) - 0.5 if isinstance(levels, tuple) else _quantiles(real.x[:, j])
        group = np.clip(np.searchsorted(edges, real.x[:, j], side="right") - 1, 0, len(edges) - 2)
        count = np.bincount(group, minlength=len(edges) - 1)
        there = count > 0
        at = np.bincount(group, real.x[:, j], len(count))[there] / count[there]
        mean = np.bincount(group, z, len(count))[there] / count[there]
        # The statistic of a chi-square test that all means are 0, less what is expected of as many.
        found.append((np.sum(count[there] * mean**2) - there.sum(), j, at, mean, 2 / np.sqrt(count[there])))
    found = sorted(found, key=lambda one: -one[0])[:COLUMNS]
    figure, axes = panels(1, len(found), (3.2 * len(found), 2.8), sharey=True)
    rng = np.random.default_rng(0)
    for axis, (_, j, at, mean, two) in zip(axes[0], found, strict=True):
        levels = real.levels[j]
        axis.axhline(0, color="grey", lw=0.5)
        axis.plot(_apart(real.x[:, j], levels, rng), z, ls="", marker="o", ms=3, alpha=0.3)
        axis.errorbar(at, mean, two, color="#a40e26", marker="o", ms=4, ls="" if isinstance(levels, tuple) else "-")
        axis.set_xlabel(real.columns[j])
        _name_ticks(axis.xaxis, levels)
    axes[0, 0].set_ylabel(f"error of {real.target}")
    figure.tight_layout()
    return figure


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Edges of groups of about as many values each; one group where all are alike."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, GROUPS + 1)))
    return edges if len(edges) > 1 else np.append(edges, edges + 1)


@literal
def plot_columns_loo_pit(tree: xr.DataTree, places: Sequence[Places] | None = None) -> Figure:
    """Where the cells of each row lie in what the other rows predict of them, a row of panels a label.

    The distribution function of P(x_j <= x_ij | y_i, all rows but i) less that of a uniform one, with the band that
    holds all of it in 95 of 100 right models (Säilynoja, Bürkner and Vehtari 2022), and the p of ArviZ's test of
    uniformity, red where it is too small for that many panels. Above 0 on the left: values lie lower than predicted;
    up, then down: predictions are too sure; down, then up: not sure enough. Labels of fewer than 20 rows are left out.
    places: of ``places_of_columns``, where they are at hand.
    """
    from arviz_stats.base import array_stats

    real, shown = seen(tree), places_of_columns(tree) if places is None else places
    columns = shown[0].columns if shown else telling_columns(real.x, known_or_assigned(tree))
    size = (3 * len(columns), 1.7 * max(len(shown), 1) + 0.5)
    figure, axes = panels(max(len(shown), 1), len(columns), size, sharex=True)
    for axis, j in zip(axes[-1], columns, strict=True):
        axis.set_xlabel(real.columns[j])
    for row, (name, pit, _) in zip(axes, shown, strict=False):
        for axis, places in zip(row, pit.T, strict=True):
            places = np.sort(places[~np.isnan(places)])
            n = len(places)
            axis.axhline(0, color="grey", lw=0.5)
            axis.set_xlim(0, 1)
            if n < LEAST:
                axis.set_title(f"of {n} cells, too few", fontsize="small", pad=3)
                continue
            at, low, high = _band(n)
            axis.fill_between(at, low - at, high - at, color="C0", alpha=0.15, lw=0)
            above = np.arange(1, n + 1) / n - places
            axis.plot(np.concatenate([[0], places, [1]]), np.concatenate([[0], above, [0]]), color="C0", lw=1)
            p = float(array_stats.uniformity_test(places)[0])
            bad = p < FALSE_ALARM / (len(shown) * len(columns))
            axis.set_title(f"p = {p:.2g}", fontsize="small", color="#a40e26" if bad else "black", pad=3)
        row[0].set_ylabel(name)
    figure.tight_layout()
    return figure


@lru_cache(maxsize=64)
def _band(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, and between what the distribution function of n uniform ones stays at all of them, BAND of times."""
    from arviz_stats.ecdf_utils import ecdf_pit

    at, _, low, high = ecdf_pit(np.linspace(0, 1, n), BAND, 1000, rng=np.random.default_rng(0))
    return at, low, high


@literal
def plot_probabilities_by_class(tree: xr.DataTree) -> Figure:
    """The mean label posterior of the rows of each label: how a model without P(x) takes one label for another."""
    labels, y, posterior, target = labelled(tree, None)
    known = np.unique(y)
    means = np.array([posterior[y == k].mean(axis=0) for k in known])
    size = 0.5 * len(labels) + 2.5
    figure, axis = plt.subplots(figsize=(size + 1, size))
    image = axis.imshow(means, vmin=0, vmax=1, cmap="Blues")
    for i, k in np.ndindex(means.shape):
        axis.text(k, i, f"{means[i, k]:.2f}", ha="center", va="center", color="white" if means[i, k] > 0.5 else "black")
    axis.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axis.set_yticks(range(len(known)), [labels[k] for k in known])
    axis.set(xlabel="predicted", ylabel=target, title="mean label posterior of the rows of each label")
    figure.colorbar(image, shrink=0.8)
    return figure


@literal
def plot_generated(tree: xr.DataTree, n: int = 200) -> Figure:
    """Real rows as dots, generated as crosses, a panel a label, in the two columns that differ most between labels.

    Rows of equal names or counts are shown beside each other, not on top. n: generated rows a label.
    """
    real, codes = seen(tree), known_or_assigned(tree)
    if not real.labels:
        raise DataError("the model has no labels to generate rows of; plot_predictive shows all rows.")
    columns = telling_columns(real.x, codes)[:2]
    size = (3.6 * len(real.labels), 3.6)
    figure, axes = panels(1, len(real.labels), size, sharex=True, sharey=True)
    rng = np.random.default_rng(0)
    for k, (label, axis) in enumerate(zip(real.labels, axes[0], strict=True)):
        for rows, style in (
            (generated(tree, k, n, rng), {"marker": "x", "color": "C1", "label": "generated"}),
            (real.x[codes == k], {"marker": "o", "color": "C0", "alpha": 0.6, "label": "real"}),
        ):
            apart = [_apart(rows[:, j], real.levels[j], rng) for j in (columns[0], columns[-1])]
            axis.plot(*apart, ls="", ms=4, **style)
        axis.set(title=label, xlabel=real.columns[columns[0]])
        _name_ticks(axis.xaxis, real.levels[columns[0]])
        _name_ticks(axis.yaxis, real.levels[columns[-1]])
    axes[0, 0].set_ylabel(real.columns[columns[-1]])
    axes[0, 0].legend()
    return figure


def _edges(values: np.ndarray, levels: Any) -> np.ndarray:
    """Of the bars of a histogram: one for each name or whole number, 24 where there are more or for numbers."""
    if isinstance(levels, tuple):
        return np.arange(len(levels) + 1) - 0.5
    if levels == COUNTS:
        step = max(1, -(-int(np.ptp(values) + 1) // BARS))
        return np.arange(np.floor(values.min()), values.max() + step + 1, step) - 0.5
    return np.histogram_bin_edges(values, bins=BARS)


def _two_histograms(axis: Axes, edges: np.ndarray, levels: Any, pair: dict[str, np.ndarray]) -> None:
    """The first filled, the second a line."""
    for (label, values), style in zip(pair.items(), ({"fill": True, "alpha": 0.4}, {"color": "C1"}), strict=True):
        inside = np.any((values >= edges[0]) & (values <= edges[-1]))  # a density of nothing is not a number
        # One outline is drawn many times faster than as many bars.
        axis.stairs(np.histogram(values, edges, density=bool(inside))[0], edges, label=label, **style)
    axis.set_yticks([])
    _name_ticks(axis.xaxis, levels)


def _name_ticks(axis: Axis, levels: Any) -> None:
    if isinstance(levels, tuple):
        axis.set_ticks(range(len(levels)), [str(name) for name in levels])


def _apart(values: np.ndarray, levels: Any, rng: np.random.Generator) -> np.ndarray:
    return values if levels is None else values + rng.uniform(-0.2, 0.2, len(values))
