"""Tables of text for the command line."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from ..inference.fit import Fit

FEWEST = 20  # draws at a mode from which on a summary is made of them


def print_summary(fit: "Fit") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for title, summary in _summaries(fit):
        table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("parameter", overflow="fold")
        for heading in summary.columns:
            table.add_column(str(heading), justify="right", no_wrap=True)
        for name, values in zip(summary.index, summary.to_numpy(), strict=True):
            table.add_row(escape(str(name)), *values)
        console.print(table)
    console.print(", ".join(f"{name} {value:.4g}" for name, value in fit.diagnostics.items()), highlight=False)
    for sentence in fit.warnings:
        console.print(f"warning: {sentence}", highlight=False)


def _summaries(fit: "Fit") -> Iterator[tuple[str, Any]]:
    """A title and a table of text; of draws at several modes one for each, as a mean over all describes none."""
    import warnings

    from arviz_base import dataset_to_dataframe
    from arviz_stats import summary as summarise

    from ..inference.arviz import posterior

    title, draws = f"{fit.model.name} by {fit.method}", posterior(fit)
    if fit.draws_shape == (1, 1):
        summary = dataset_to_dataframe(draws).T.map("{:.6g}".format)
        summary.columns = ["estimate"]
        yield title, summary
        return
    for mode, of in at_modes(fit, draws):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a number that is the same in all draws; it says so
            numbers = summarise(of, round_to="none", ci_kind="eti", ci_prob=0.9)
        numbers = numbers.drop(columns=["ess_tail", "mcse_mean", "mcse_sd"])
        numbers.columns = ["mean", "sd", "5 %", "95 %", "ESS", "R-hat"]
        if mode:  # its draws are of no chains of their own
            numbers = numbers.drop(columns=["ESS", "R-hat"])
        yield f"{title}{mode}", numbers.apply(_digits, axis=1)


def at_modes(fit: "Fit", draws: Any) -> Iterator[tuple[str, Any]]:
    """Draws of each mode that was visited, and what to call it; all of them, and nothing, where it is one."""
    import numpy as np
    import xarray as xr

    modes = fit.sample_stats.get("mode", np.zeros(fit.draws_shape, dtype=int))
    if not modes.max():
        yield "", draws
        return
    for mode in np.flatnonzero(np.bincount(modes.ravel()) >= FEWEST):
        chain, draw = (xr.DataArray(index, dims="draw") for index in np.nonzero(modes == mode))
        of = draws.isel(chain=chain, draw=draw).drop_vars(["chain", "draw"]).expand_dims("chain")
        yield f", mode {mode}: {len(draw) / modes.size:.1%} of draws", of


def _digits(row: Any) -> Any:
    """A row of the summary as text: two digits of the sd, and as many decimals in what it is the error of."""
    import math

    decimals = max(0, 1 - math.floor(math.log10(row["sd"]))) if row["sd"] > 0 else 4
    written = row.astype(object)
    for name in ("mean", "sd", "5 %", "95 %"):
        rounded = round(row[name], decimals) + 0.0  # no -0
        written[name] = f"{rounded:.{decimals}f}" if decimals < 8 else f"{row[name]:.4g}"
    for name, digits in (("ESS", 0), ("R-hat", 3)):
        if name in row:
            written[name] = f"{row[name]:.{digits}f}" if row["sd"] > 0 else "fixed"
    return written


def held_out(score: Mapping[str, float]) -> str:
    """A score of rows that were not fitted, as a line."""
    measures = [f"{name} {value:.4g}" for name, value in score.items() if name != "rows"]
    return f"held-out {int(score['rows'])} rows: {', '.join(measures)}"


def known_rows(fit: "Fit", x: Any, y: Any) -> Any:
    """Which held-out rows a fit can say anything of, truth values; a note for each kind that it cannot."""
    import numpy as np

    from ..inference.cells import missing

    keep = np.array([not missing(value) for value in y])
    if fit.schema.labels is not None:
        known = np.isin(y.to_numpy(dtype=object), np.array(fit.schema.labels, dtype=object))
        if (keep & ~known).any():
            typer.echo(f"note: {int((keep & ~known).sum())} held-out rows have a label that no fitted row has.")
        keep &= known
    for column, names in zip(fit.schema.columns, fit.schema.each_levels, strict=True):
        known = (x[column].isna() | x[column].isin(names)).to_numpy() if isinstance(names, tuple) else True
        if (keep & ~np.asarray(known)).any():
            typer.echo(f"note: {int((keep & ~known).sum())} held-out rows have a {column} that no fitted row has.")
        keep &= known
    if not fit.shape.generative:
        keep &= x[list(fit.schema.columns)].notna().all(axis=1).to_numpy()
    return keep


# What a score of held-out rows measures, and that of one who knows no x: the less, the better.
BLIND = {
    "log loss": "that of label frequencies alone",
    "root mean squared error": "that of the mean alone",
}


def hears_x(score: Mapping[str, float]) -> bool:
    """Whether a fit predicts rows that it has not seen better than one who knows no x."""
    return any(score[ours] < score[blind] for ours, blind in BLIND.items() if {ours, blind} <= set(score))


def score_of(fit: "Fit", x: Any, y: Any) -> dict[str, float]:
    """How well a fit predicts y of rows that it has not seen, and how well one does who knows no x."""
    import numpy as np

    density = float(fit.log_conditional(x, y).mean())
    if fit.shape.classes:
        right = float(np.mean(fit.assign(x).values == y.to_numpy()))
        times = 1 + np.bincount(fit.y[fit.y >= 0], minlength=fit.shape.classes)  # of a label in no row, too
        codes = [fit.schema.labels.index(label) for label in y.tolist()]
        blind = float(-np.mean(np.log(times[codes] / times.sum())))
        return {"rows": len(y), "log loss": -density, BLIND["log loss"]: blind, "accuracy": right}
    y = y.to_numpy(dtype=float)
    error = float(np.sqrt(np.mean((fit.predict(x)["mean"].values - y) ** 2)))
    blind = float(np.sqrt(np.mean((fit.y.mean() - y) ** 2)))
    error_name = "root mean squared error"
    return {"rows": len(y), "mean log P(y | x)": density, error_name: error, BLIND[error_name]: blind}
