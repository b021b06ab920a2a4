"""Pictures of parameters: what is known of them, and how their chains mixed.

``tree`` is a fit's ``to_arviz()``, or any tree of ArviZ's that has a group ``posterior``.
"""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ..inference.arviz import variable_name
from ..inference.errors import DataError
from .figures import literal, panels_in_rows

if TYPE_CHECKING:
    from arviz_plots import PlotCollection, PlotMatrix

SHOWN = 4  # parameters of a trace plot, those that mix worst
PANELS = 24  # panels of a forest; more are not read


@literal
def plot_forest(tree: xr.DataTree) -> Figure:
    """Posterior medians with 50 and 90 % intervals, a panel a site and column, each in its own unit.

    ``arviz_plots.plot_forest`` puts all parameters on one axis, where grams hide millimetres.
    """
    panels = []
    for name, value in tree["posterior"].data_vars.items():
        columns = value.feature.values if "feature" in value.dims else [None]
        panels += [(name, c, value if c is None else value.sel(feature=c)) for c in columns]
    shown = panels[:PANELS]
    figure, axes = panels_in_rows(len(shown), 5, (3, 1.9))
    for axis, (name, column, value) in zip(axes, shown, strict=True):
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


@literal
def plot_trace(tree: xr.DataTree) -> "PlotCollection":
    """Densities and traces of the parameters that mix worst, a colour a chain: chains should look alike."""
    import arviz_plots as azp  # here, because it takes as long to import as JAX

    shown = azp.plot_trace_dist(_worst_mixing(tree), backend="matplotlib")
    for axis in shown.viz["figure"].item().axes:
        if axis.get_xlabel() != "Draw":
            axis.set_xlabel("")  # the last parameter's name, which would seem to be that of the column
        # Long names would run into the next panel.
        axis.set_ylabel(axis.get_ylabel().replace("[", "\n[").replace(", ", ",\n"), fontsize="small")
    return shown


@literal
def plot_rank(tree: xr.DataTree) -> "PlotCollection":
    """Ranks of the draws of the parameters that mix worst, by chain: even where chains agree (Vehtari et al. 2021)."""
    import arviz_plots as azp

    shown = azp.plot_rank(_worst_mixing(tree), backend="matplotlib")
    shown.add_legend("chain", loc="outside right upper")
    return shown


@literal
def plot_worst_pair(tree: xr.DataTree) -> "PlotMatrix":
    """The two parameters that mix worst against each other, a colour a chain, and diverging draws marked.

    Of a model with one number, its density alone.
    """
    import arviz_plots as azp

    worst = _worst_mixing(tree)
    names = list(worst["posterior"].data_vars)[:2]
    diverged = "diverging" in worst["sample_stats"] and bool(worst["sample_stats"]["diverging"].any())
    shown = azp.plot_pair(
        worst,
        var_names=names,
        aes={"color": ["chain"]},
        aes_by_visuals={"scatter": ["color"]},
        visuals={
            "scatter": {"alpha": 0.4, "marker": "."},
            "divergence": {"color": "black", "marker": "x"} if diverged else False,
        },
        figure_kwargs={"figsize": (7, 6)},
        backend="matplotlib",
    )
    shown.add_legend("chain", loc="outside right upper")
    return shown


def _worst_mixing(tree: xr.DataTree) -> xr.DataTree:
    """The numbers with the fewest effective draws, each a variable under its own name: those are worth a look."""
    from arviz_stats import ess

    scalars = {}
    for name, value in tree["posterior"].data_vars.items():
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
    if not scalars:
        raise DataError("no parameter varies between draws, as of a point estimate; fit by nuts, laplace or svi.")
    mixed = ess(xr.Dataset(scalars))
    chosen = sorted(scalars, key=lambda name: float(mixed[name]))[:SHOWN]
    stats = tree["sample_stats"].to_dataset() if "sample_stats" in tree else xr.Dataset()
    return xr.DataTree.from_dict(
        {"posterior": xr.Dataset({name: scalars[name] for name in chosen}), "sample_stats": stats}
    )
