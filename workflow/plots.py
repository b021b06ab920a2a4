"""All pictures of a fit. Each ``plot_*`` returns a matplotlib Figure or an ArviZ PlotCollection, and shows nothing.

Those of ArviZ are PlotCollections, whose figure is ``.viz["figure"].item()``. ``tree`` is a fit's ``to_arviz()``, as it
is or read from a file. ``probability`` is the P(y = k) of its rows, (rows, labels), best of
``left_out.own_label_posterior``.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure

from .check import plot_calibration as plot_calibration
from .decision_plots import plot_accuracy_coverage as plot_accuracy_coverage
from .decision_plots import plot_label_uncertainty as plot_label_uncertainty
from .decision_plots import plot_outliers as plot_outliers
from .label_plots import plot_confusion as plot_confusion
from .label_plots import plot_images as plot_images
from .label_plots import plot_label_calibration as plot_label_calibration
from .learning import plot_learning_curve as plot_learning_curve
from .left_out import Case
from .parameter_plots import plot_forest as plot_forest
from .parameter_plots import plot_rank as plot_rank
from .parameter_plots import plot_trace as plot_trace
from .parameter_plots import plot_worst_pair as plot_worst_pair
from .predictive_plots import count_columns
from .predictive_plots import plot_columns_loo_pit as plot_columns_loo_pit
from .predictive_plots import plot_counts as plot_counts
from .predictive_plots import plot_generated as plot_generated
from .predictive_plots import plot_predictive as plot_predictive
from .predictive_plots import plot_predictive_by_class as plot_predictive_by_class
from .predictive_plots import plot_prior_predictive as plot_prior_predictive
from .predictive_plots import plot_probabilities_by_class as plot_probabilities_by_class
from .predictive_plots import plot_response as plot_response
from .predictive_plots import plot_response_errors as plot_response_errors
from .predictive_plots import plot_response_intervals as plot_response_intervals
from .predictive_plots import plot_response_line as plot_response_line
from .predictive_plots import plot_response_loo_pit as plot_response_loo_pit

if TYPE_CHECKING:
    from ..inference.fit import Fit

PICTURES = ("forest", "trace", "rank", "predictive", "generated")


def figure_of(shown: Any) -> Figure:
    """The figure of a plot: itself, or that of a PlotCollection."""
    return shown if isinstance(shown, Figure) else shown.viz["figure"].item()


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
    for name, shown in _pictures(fit, tree):
        written.append(folder / f"{name}.png")
        figure_of(shown).savefig(written[-1], dpi=80, bbox_inches="tight")
        plt.close("all")
    return written


def _pictures(fit: "Fit", tree: xr.DataTree) -> Iterator[tuple[str, Any]]:
    if fit.draws_shape != (1, 1):
        yield "forest", plot_forest(tree)
        yield "trace", plot_trace(tree)
        if fit.draws_shape[0] > 1:
            yield "rank", plot_rank(tree)
    for _, shown in islice(predictive(Case(fit, tree)), 1):
        yield "predictive", shown
    if fit.shape.generative and fit.shape.classes:
        yield "generated", plot_generated(tree)


def predictive(case: Case) -> Iterator[tuple[str, Any]]:
    """Checks of the posterior predictive that fit the data's type, by name."""
    fit, tree, left_out = case.fit, case.tree, case.leaves_out
    if fit.shape.generative:
        if fit.shape.classes:
            yield "columns by class", plot_predictive_by_class(tree)
        else:
            yield "columns", plot_predictive(tree)
        if count_columns(tree):
            yield "counts", plot_counts(tree)
        if left_out:
            yield "loo-pit of columns", plot_columns_loo_pit(tree, case.places)
    elif fit.shape.classes:
        yield "mean label posterior", plot_probabilities_by_class(tree)
    elif "y" in tree["posterior_predictive"]:
        yield "response", plot_response(tree)
        if fit.draws_shape != (1, 1):
            if len(fit.schema.columns) == 1 and fit.schema.each_levels[0] is None:
                yield "line", plot_response_line(tree)
            yield "intervals", plot_response_intervals(tree)
        if left_out:
            yield "loo-pit", plot_response_loo_pit(tree, case.pit)
        if case.errors is not None:
            yield "errors", plot_response_errors(tree, case.errors)
