"""The command line. JAX is imported inside the verbs, so that --help answers at once."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..inference.fit import Fit

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

METHODS = {"mle": "mle", "map": "map_estimate", "laplace": "laplace", "svi": "svi", "nuts": "nuts"}


@app.callback()
def _bayeszoo() -> None:
    """Declare a joint distribution, fit it, ask it what Bayes' rule answers."""


@app.command()
def models() -> None:
    """List the zoo, with one line of mathematics each."""
    from ..models.catalogue import MODELS

    for name, model in MODELS.items():
        typer.echo(f"{name:24} {(model.__doc__ or '').splitlines()[0]}")


@app.command()
def fit(
    model: Annotated[str, typer.Argument(help="a name from 'bayeszoo models'")],
    data: Annotated[str, typer.Argument(help="a CSV or Parquet path, or a bundled table such as penguins")],
    target: Annotated[str | None, typer.Option(help="column of the label or response; none: it is hidden")] = None,
    by: Annotated[str, typer.Option(help="mle, map, laplace, svi or nuts")] = "nuts",
    features: Annotated[list[str] | None, typer.Option(help="use these columns only; repeat the option")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="a hyperparameter, as in --set k=3")] = None,
    holdout: Annotated[float, typer.Option(min=0.0, max=0.9, help="share of rows kept for the score")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="seed of every random choice")] = 0,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="write no pictures")] = False,
    out: Annotated[Path | None, typer.Option(help="run folder; by default runs/MODEL-DATA")] = None,
) -> None:
    """Fit a model to a table and write a run folder."""
    import warnings
    from functools import partial

    import numpy as np

    from .. import inference

    inference.keep_compiled_programs()
    from ..inference.table import read_x
    from . import datasets, store

    zoo = _model(model)
    if by not in METHODS:
        raise inference.ModelError(f"--by takes {', '.join(METHODS)}, got '{by}'.")
    function = partial(zoo, **_settings(zoo, setting or []))
    table, named = datasets.load(data), inference.declare.declare(zoo).takes_kinds
    share = holdout if target is not None else 0.0
    held = np.sort(np.random.default_rng(seed).permutation(len(table))[: round(share * len(table))])
    # Columns are chosen by the rows that are fitted: one may be constant there and not in the whole table.
    x, y, notes = datasets.choose_columns(table.drop(index=table.index[held]), target, features, named)
    read_x(table[list(x.columns)], named=named)  # all rows now, so that an error names a row of the file
    folder = out or Path("runs") / f"{model}-{Path(data).stem}"
    store.check_folder(folder)
    for note in notes:
        typer.echo(f"note: {note}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", inference.FitWarning)  # printed below, from the fit
        result = getattr(inference, METHODS[by])(
            function if setting else zoo,
            x,
            y,
            seed=seed,
            target=target,
        )
    if y is not None and result.schema.labels is not None and (result.y < 0).any():
        typer.echo(
            f"note: {int((result.y < 0).sum())} of {len(y)} rows have no '{target}'; their labels are summed out."
        )
    if (folder / "fit.json").exists():
        typer.echo(f"note: this run takes the place of the one in {folder}.")
    tree = store.save(result, folder)
    (folder / "generated.csv").unlink(missing_ok=True)
    _print_summary(result)
    if len(held):
        _print_score(result, table.iloc[held], table[target].iloc[held])
    if result.shape.generative and result.shape.classes:
        rows = result.generate(100, label=list(result.label_coordinate.tolist()), seed=seed)
        rows.to_pandas().to_csv(folder / "generated.csv", index=False)
    import matplotlib

    matplotlib.use("agg")
    from .plots import remove_plots, save_plots

    remove_plots(folder / "plots")
    if not no_plots:
        save_plots(result, tree, folder / "plots")
    typer.echo(f"written to {folder}")


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="a name from 'bayeszoo models'")],
    by: Annotated[
        list[str] | None, typer.Option(help="nuts, laplace or svi; repeat the option; by default all")
    ] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="a hyperparameter, as in --set k=3")] = None,
    simulations: Annotated[int, typer.Option(min=20, help="tables to simulate and fit")] = 1000,
    rows: Annotated[int, typer.Option(min=5, help="rows of each")] = 40,
    hidden: Annotated[bool, typer.Option("--hidden", help="hide all labels")] = False,
    seed: Annotated[int, typer.Option(min=0, help="seed of every random choice")] = 0,
    out: Annotated[Path | None, typer.Option(help="folder for pictures; by default runs/check-MODEL")] = None,
) -> None:
    """Calibrate a model's fitters by simulation: fit tables drawn from its own prior, and test the ranks."""
    from functools import partial

    from .. import inference
    from ..inference.sbc import FITTERS, calibrate
    from . import store

    inference.keep_compiled_programs()
    function = _model(model)
    folder = out or Path("runs") / f"check-{model}"
    store.check_folder(folder)
    ranks = calibrate(
        partial(function, **_settings(function, setting or [])),
        fitters=tuple(by or FITTERS),
        simulations=simulations,
        rows=rows,
        hidden=hidden,
        seed=seed,
    )
    import matplotlib

    matplotlib.use("agg")
    from .check import save_calibration, verdicts

    found = verdicts(ranks)
    for fitter in ranks:
        own = [one for one in found if one.fitter == fitter]
        worst = min(own, key=lambda one: one.p)
        bad = [one.quantity for one in own if not one.passed]
        said = f"NOT calibrated: {', '.join(bad)}" if bad else "calibrated"
        typer.echo(f"{fitter:8} {said}; of {len(own)} quantities, the smallest p is {worst.p:.2g} ({worst.quantity})")
    save_calibration(ranks, model, folder)
    typer.echo(f"pictures written to {folder}")


def _model(name: str) -> Any:
    from ..inference.errors import ModelError
    from ..models.catalogue import MODELS

    if name not in MODELS:
        raise ModelError(f"there is no model '{name}'{_nearest(name, MODELS)}; the zoo has {', '.join(MODELS)}.")
    return MODELS[name]


def _nearest(word: str, names: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word, names, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _settings(function: Any, given: list[str]) -> dict[str, Any]:
    import inspect

    from numpyro.distributions import Distribution

    from ..inference.errors import ModelError
    from ..models.catalogue import CHOICES

    parameters = inspect.signature(function).parameters
    known = [
        name
        for name, parameter in parameters.items()
        if name not in ("x", "y", "spec") and parameter.annotation != Distribution | None
    ]
    settings = {}
    for item in given:
        name, equals, value = item.partition("=")
        if name not in known or not equals:
            raise ModelError(f"--set takes NAME=VALUE with a name from {', '.join(known)}; got '{item}'.")
        if name in CHOICES:
            if value not in CHOICES[name]:
                raise ModelError(f"--set {name} takes {', '.join(CHOICES[name])}; got '{value}'.")
            settings[name] = CHOICES[name][value]
            continue
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            raise ModelError(f"--set {name} takes a number, a list of numbers, true or false; got '{value}'.") from None
    return settings


def _print_summary(fit: "Fit") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ..inference.arviz import posterior

    if fit.draws_shape == (1, 1):
        from arviz_base import dataset_to_dataframe

        summary = dataset_to_dataframe(posterior(fit)).T.map("{:.6g}".format)
        summary.columns = ["estimate"]
    else:
        from arviz_stats import summary as summarise

        numbers = summarise(posterior(fit), round_to="none", ci_kind="eti", ci_prob=0.9)
        numbers = numbers.drop(columns=["ess_tail", "mcse_mean", "mcse_sd"])
        numbers.columns = ["mean", "sd", "5 %", "95 %", "ESS", "R-hat"]
        summary = numbers.apply(_digits, axis=1)
    table = Table(title=f"{fit.model.name} by {fit.method}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("parameter", overflow="fold")
    for heading in summary.columns:
        table.add_column(str(heading), justify="right", no_wrap=True)
    for name, values in zip(summary.index, summary.to_numpy(), strict=True):
        table.add_row(escape(str(name)), *values)
    console = Console()
    console.print(table)
    console.print(", ".join(f"{name} {value:.4g}" for name, value in fit.diagnostics.items()), highlight=False)
    for sentence in fit.warnings:
        console.print(f"warning: {sentence}", highlight=False)


def _digits(row: Any) -> Any:
    """A row of the summary as text: two digits of the sd, and as many decimals in what it is the error of."""
    import math

    decimals = max(0, 1 - math.floor(math.log10(row["sd"]))) if row["sd"] > 0 else 4
    written = row.astype(object)
    for name in ("mean", "sd", "5 %", "95 %"):
        rounded = round(row[name], decimals) + 0.0  # no -0
        written[name] = f"{rounded:.{decimals}f}" if decimals < 8 else f"{row[name]:.4g}"
    written["ESS"], written["R-hat"] = f"{row['ESS']:.0f}", f"{row['R-hat']:.3f}"
    return written


def _print_score(fit: "Fit", x: Any, y: Any) -> None:
    import numpy as np

    from ..inference.table import missing

    keep = np.array([not missing(value) for value in y])
    if fit.schema.labels is not None:
        known = np.isin(y.to_numpy(dtype=object), np.array(fit.schema.labels, dtype=object))
        if (keep & ~known).any():
            typer.echo(f"note: {int((keep & ~known).sum())} held-out rows have a label that no fitted row has.")
        keep &= known
    if not fit.shape.generative:
        keep &= x[list(fit.schema.columns)].notna().all(axis=1).to_numpy()
    if not keep.any():
        return
    x, y = x[keep], y[keep]
    density = float(fit.log_conditional(x, y).mean())
    if fit.shape.classes:
        accuracy = float(np.mean(fit.assign(x).values == y.to_numpy()))
        typer.echo(f"held-out {len(y)} rows: log loss {-density:.4f}, accuracy {accuracy:.3f}")
    else:
        error = float(np.sqrt(np.mean((fit.predict(x)["mean"].values - y.to_numpy(dtype=float)) ** 2)))
        typer.echo(f"held-out {len(y)} rows: mean log P(y | x) {density:.4f}, root mean squared error {error:.4g}")


@app.command()
def summary(run: Path) -> None:
    """Print a run's parameters and diagnostics."""
    from . import store

    _print_summary(store.load(run))


@app.command()
def predict(run: Path, data: str) -> None:
    """Print y given each row of a new table, as CSV: a label and P(label) of each, or mean, sd and a 90 % interval."""
    from . import datasets, store

    fit = store.load(run)
    answer = fit.predict(datasets.load(data))
    if "label" in answer:
        table = answer["probability"].to_pandas().rename(columns="P({})".format)
        table.insert(0, fit.schema.target, answer["label"].values)
    else:
        table = answer.to_pandas()
    typer.echo(table.to_csv(index=False), nl=False)


@app.command()
def generate(
    run: Path,
    label: Annotated[str | None, typer.Option(help="draw rows of this label; none: labels from P(y)")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="how many rows")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="seed of the draws")] = 0,
) -> None:
    """Print rows drawn from the posterior predictive, as CSV in the input's columns."""
    from . import store

    fit = store.load(run)
    rows = fit.generate(n, label=_as_label(label, fit.label_coordinate.tolist()), seed=seed)
    typer.echo(rows.to_pandas().to_csv(index=False), nl=False)


def _as_label(word: str | None, labels: list[Any]) -> Any:
    """The label that a word of the command line means: its text, or a number or truth value written another way."""
    names = {str(one): one for one in labels}
    if word is None or word in names:
        return names.get(word, word)
    try:
        value = json.loads(word.lower())
    except json.JSONDecodeError:
        return word
    return next((one for one in labels if type(one) is not str and one == value), word)


def main() -> None:
    """Run a verb; a bayeszoo error is one sentence on stderr and exit code 2."""
    try:
        app()
    except ValueError as error:
        if type(error).__module__ != "bayeszoo.inference.errors":
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
