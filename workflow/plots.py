"""Pictures of a fit, drawn by ArviZ and matplotlib; nothing is shown, files are written."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from ..inference.fit import Fit


def save_plots(fit: "Fit", tree: xr.DataTree, folder: Path) -> list[Path]:
    """Write a forest, trace and rank plots where there are chains, and generated beside real rows.

    Returns the files written, each a PNG under ``folder``.
    """
    import arviz_plots as azp

    folder.mkdir(parents=True, exist_ok=True)
    written = []

    def keep(name: str) -> None:
        written.append(folder / f"{name}.png")
        plt.savefig(written[-1], dpi=80, bbox_inches="tight")
        plt.close("all")

    sizes = {name: value[0, 0].size for name, value in tree["posterior"].data_vars.items()}
    if fit.draws_shape[0] > 1:
        # A forest is a line a parameter; trace and rank are panels, and more than a dozen take long and are not read.
        for name, plot, most in (
            ("forest", azp.plot_forest, 60),
            ("trace", azp.plot_trace_dist, 12),
            ("rank", azp.plot_rank, 12),
        ):
            shown = [site for site, size in sizes.items() if size <= most]
            if shown:
                plot(tree, var_names=shown, backend="matplotlib")
                keep(name)
    if fit.shape.generative and fit.shape.classes:
        _real_and_generated(fit)
        keep("generated")
    return written


def _real_and_generated(fit: "Fit") -> None:
    """Real rows as dots, generated as crosses, a panel a label, in the two columns that differ most between labels."""
    labels = fit.label_coordinate.tolist()
    made = {label: fit.generate(200, label=label).to_pandas() for label in labels}
    columns = list(fit.schema.columns)
    centres = np.array([made[label][columns].mean() for label in labels])
    order = np.argsort(-(centres.std(axis=0) / np.nanstd(fit.x, axis=0)), kind="stable")
    first, second = order[0], order[min(1, len(order) - 1)]
    hard = fit.y if np.any(fit.y >= 0) else [labels.index(one) for one in fit.assign(fit.x).values.tolist()]
    _, axes = plt.subplots(1, len(labels), figsize=(3.6 * len(labels), 3.6), sharex=True, sharey=True, squeeze=False)
    for k, (label, axis) in enumerate(zip(labels, axes[0], strict=True)):
        real = fit.x[np.asarray(hard) == k]
        axis.plot(made[label][columns[first]], made[label][columns[second]], "x", color="C1", ms=4, label="generated")
        axis.plot(real[:, first], real[:, second], "o", color="C0", ms=4, alpha=0.6, label="real")
        axis.set(title=str(label), xlabel=columns[first])
    axes[0, 0].set_ylabel(columns[second])
    axes[0, 0].legend()
