"""Pictures of parameters: what is known of them, and how their chains mixed."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..inference.arviz import variable_name

if TYPE_CHECKING:
    from arviz_plots import PlotCollection

    from ..inference.fit import Fit

SHOWN = 4  # parameters of a trace plot, those that mix worst
PANELS = 24  # panels of a forest; more are not read


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


def plot_trace(fit: "Fit") -> "PlotCollection":
    """Densities and traces of the parameters that mix worst, a colour a chain: chains should look alike."""
    import arviz_plots as azp  # here, because it takes as long to import as JAX

    shown = azp.plot_trace_dist(_worst_mixing(fit), backend="matplotlib")
    for axis in shown.viz["figure"].item().axes:
        if axis.get_xlabel() != "Draw":
            axis.set_xlabel("")  # the last parameter's name, which would seem to be that of the column
        # Long names would run into the next panel.
        axis.set_ylabel(axis.get_ylabel().replace("[", "\n[").replace(", ", ",\n"), fontsize="small")
    return shown


def plot_rank(fit: "Fit") -> "PlotCollection":
    """Ranks of the draws of the parameters that mix worst, by chain: even where chains agree (Vehtari et al. 2021)."""
    import arviz_plots as azp

    shown = azp.plot_rank(_worst_mixing(fit), backend="matplotlib")
    shown.add_legend("chain", loc="outside right upper")
    return shown


def plot_worst_pair(fit: "Fit") -> Figure:
    """Draws of the two parameters that mix worst, a colour a chain, diverging draws as crosses.

    Of a model with one number, its draws against themselves.
    """
    worst = _worst_mixing(fit)
    names = list(worst["posterior"].data_vars)
    one, two = names[0], names[min(1, len(names) - 1)]
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
                scalars[variable_name(f"{name}{place}")] = one.drop_vars(
                    [c for c in one.coords if c not in ("chain", "draw")]
                )
    mixed = ess(xr.Dataset(scalars))
    chosen = sorted(scalars, key=lambda name: float(mixed[name]))[:SHOWN]
    return xr.DataTree.from_dict({"posterior": xr.Dataset({name: scalars[name] for name in chosen})})
