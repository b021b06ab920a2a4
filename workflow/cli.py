"""The command line. JAX is imported inside the verbs, so that --help answers at once."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from . import runs

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(runs.app)

METHODS = {"mle": "mle", "map": "map_estimate", "laplace": "laplace", "svi": "svi", "nuts": "nuts"}


@app.callback()
def _bayeszoo() -> None:
    """Declare a joint distribution, fit it, ask it what Bayes' rule answers."""


@app.command()
def models(name: Annotated[str | None, typer.Argument(help="a model, to see all that is known of it")] = None) -> None:
    """List the zoo, or show one model: its mathematics, what it answers, and its measured proof."""
    from ..models.catalogue import ZOO

    if name is None:
        for each, exhibit in ZOO.items():
            typer.echo(f"{each:30} {exhibit.purpose}\n{'':30} {(exhibit.model.__doc__ or '').splitlines()[0]}")
        return
    _model(name)
    from .catalogue import entry

    typer.echo(entry(name))


@app.command()
def fit(
    model: Annotated[str, typer.Argument(help="a name from 'bayeszoo models', or FILE.py:FUNCTION of your own")],
    data: Annotated[str, typer.Argument(help="a CSV or Parquet path, or a bundled table such as penguins")],
    target: Annotated[str | None, typer.Option(help="column of the label or response; none: it is hidden")] = None,
    by: Annotated[str, typer.Option(help="mle, map, laplace, svi or nuts")] = "nuts",
    features: Annotated[list[str] | None, typer.Option(help="use these columns only; repeat the option")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="a hyperparameter, as in --set k=3")] = None,
    holdout: Annotated[float, typer.Option(min=0.0, max=0.9, help="share of rows kept for the score")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="seed of every random choice")] = 0,
    labels: Annotated[
        str | None, typer.Option(help="labels in their order, as ordinal_regression needs it: low,mid,high")
    ] = None,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="leave out rows that miss a value, as a model of y given x needs it")
    ] = False,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="write no pictures")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report.html")] = False,
    out: Annotated[Path | None, typer.Option(help="run folder; by default runs/MODEL-DATA")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the run that is there")] = False,
) -> None:
    """Fit a model to a table and write a run folder."""
    import warnings
    from functools import partial

    from .. import inference

    inference.keep_compiled_programs()
    from ..models.catalogue import ZOO
    from . import datasets, store
    from .tables import held_out, print_summary

    zoo = _own_or_zoo(model)
    if by not in METHODS:
        raise inference.ModelError(f"--by takes {', '.join(METHODS)}, got '{by}'.")
    function = partial(zoo, **_settings(zoo, setting)) if setting else zoo
    table = datasets.load(data)
    rows = datasets.choose_rows(
        table,
        target,
        features,
        named=inference.declare.declare(zoo).takes_kinds,
        share=holdout if target is not None else 0.0,
        seed=seed,
        drop_missing=drop_missing,
    )
    folder = out or Path("runs") / f"{zoo.__name__}-{Path(data).stem}"
    store.check_folder(folder)
    for name in (*store.FILES, store.MODEL, store.SCORE, *store.WRITTEN, "plots"):
        runs.refuse_to_replace(folder / name, force)
    y, notes = rows.y, [*rows.notes]
    if labels is not None:
        y = datasets.in_order(y, labels)
    elif model in ZOO and ZOO[model].ordered:
        notes += datasets.said_of_order(y)
    for note in notes:
        typer.echo(f"note: {note}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", inference.FitWarning)  # printed below, from the fit
        result = getattr(inference, METHODS[by])(function, rows.x, y, seed=seed, target=target)
    if y is not None and result.schema.labels is not None and (result.y < 0).any():
        typer.echo(
            f"note: {int((result.y < 0).sum())} of {len(y)} rows have no '{target}'; their labels are summed out."
        )
    origin = store.Origin(rows.kept if len(rows.kept) < len(table) else None, None, tuple(notes))
    tree, origin = _save(result, folder, origin, table.iloc[rows.held])
    print_summary(result)
    if origin.score:
        typer.echo(held_out(origin.score))
    _write_beside(result, tree, folder, origin, seed=seed, plots=not no_plots, report=not no_report)
    typer.echo(f"written to {folder}")


def _save(fit: Any, folder: Path, origin: Any, held: Any) -> tuple[Any, Any]:
    """Store a fit, and how well it predicts the rows held out that it can say anything of; its tree and its origin."""
    from dataclasses import replace

    from ..inference.table import read_x
    from . import store
    from .tables import known_rows, score_of

    if not len(held):
        return store.save(fit, folder, origin), origin
    truth = held[fit.schema.target]
    sure = known_rows(fit, held, truth)
    if not sure.any():
        return store.save(fit, folder, origin), origin
    new, truth = held[sure], truth[sure]
    origin = replace(origin, held=read_x(new[list(fit.schema.columns)], fit.schema)[0])
    tree = store.save(fit, folder, origin)
    origin = replace(origin, score=score_of(fit, new, truth))
    store.save_score(folder, origin.score)
    return tree, origin


def _write_beside(fit: Any, tree: Any, folder: Path, origin: Any, *, seed: int, plots: bool, report: bool) -> None:
    """Generated rows, pictures and the report; those of an earlier run go, written anew or not."""
    import matplotlib

    matplotlib.use("agg")
    from .plots import remove_plots, save_plots

    remove_plots(folder / "plots")
    if fit.shape.generative and fit.shape.classes:
        rows = fit.generate(100, label=list(fit.label_coordinate.tolist()), seed=seed)
        rows.to_pandas().to_csv(folder / "generated.csv", index=False)
    if plots:
        save_plots(fit, tree, folder / "plots")
    if report:
        runs.write_report(fit, tree, folder / "report.html", origin)


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="a name from 'bayeszoo models', or FILE.py:FUNCTION of your own")],
    by: Annotated[
        list[str] | None, typer.Option(help="nuts, laplace or svi; repeat the option; by default all")
    ] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="a hyperparameter, as in --set k=3")] = None,
    simulations: Annotated[int, typer.Option(min=20, help="tables to simulate and fit")] = 1000,
    rows: Annotated[int, typer.Option(min=5, help="rows of each")] = 40,
    columns: Annotated[int, typer.Option(min=1, help="columns of each, where the model has none of its own")] = 2,
    labels: Annotated[int, typer.Option(min=2, help="labels of each, where the model does not say how many")] = 3,
    hidden: Annotated[bool, typer.Option("--hidden", help="hide all labels")] = False,
    seed: Annotated[int, typer.Option(min=0, help="seed of every random choice")] = 0,
    out: Annotated[Path | None, typer.Option(help="folder for pictures; by default runs/check-MODEL")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace pictures that are there")] = False,
) -> None:
    """Calibrate a model's fitters by simulation: fit tables drawn from its own prior, and test the ranks."""
    from functools import partial

    from .. import inference
    from ..inference.sbc import FITTERS, calibrate
    from ..models.catalogue import ZOO
    from . import store

    inference.keep_compiled_programs()
    function = _own_or_zoo(model)
    name, kinds = function.__name__, ZOO[model].kinds if model in ZOO else ()
    folder = out or Path("runs") / f"check-{name}"
    store.check_folder(folder)
    for fitter in by or FITTERS:
        runs.refuse_to_replace(folder / f"{fitter}.png", force)
    ranks = calibrate(
        partial(function, **_settings(function, setting or [])),
        fitters=tuple(by or FITTERS),
        simulations=simulations,
        rows=rows,
        features=columns,
        labels=labels,
        kinds=kinds,
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
    save_calibration(ranks, name, folder)
    typer.echo(f"pictures written to {folder}")


@app.command("learning-curve")
def learning(
    data: Annotated[str, typer.Argument(help="a CSV or Parquet path, or a bundled table such as penguins")],
    target: Annotated[str, typer.Option(help="column of the label")],
    splits: Annotated[int, typer.Option(min=2, help="random splits of the rows")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="seed of the splits")] = 0,
    out: Annotated[Path | None, typer.Option(help="the picture; by default learning-curve-DATA.png")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the picture if it is there")] = False,
) -> None:
    """Generative or discriminative: naive Bayes against softmax regression, by the number of training rows."""
    from ..inference import keep_compiled_programs, learning_curve
    from . import datasets

    file = out or Path(f"learning-curve-{Path(data).stem}.png")
    runs.check_file(file, force, runs.PICTURES)
    keep_compiled_programs()
    x, y, notes = datasets.choose_columns(datasets.load(data), target, None)
    for note in notes:
        typer.echo(f"note: {note}")
    import matplotlib

    matplotlib.use("agg")
    from .learning import PAIR, overtaking, plot_learning_curve

    curve = learning_curve(PAIR, x, y, splits=splits, seed=seed)

    for measure in ("error", "log_loss"):
        table = curve[measure].mean("split").to_pandas().T
        typer.echo(f"{measure.replace('_', ' ')}, mean of {splits} splits\n{table.round(4).to_string()}")
        typer.echo(f"{overtaking(curve, measure)}\n")
    plot_learning_curve(curve, f"{data}, {target}").savefig(file, dpi=100)
    typer.echo(f"written to {file}")


def _own_or_zoo(name: str) -> Any:
    from .own import read_model

    file, colon, function = name.rpartition(":")
    return read_model(Path(file), function) if colon else _model(name)


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


def main() -> None:
    """Run a verb; a bayeszoo error is one sentence on stderr and exit code 2."""
    try:
        app()
    except ValueError as error:
        if type(error).__module__ != "bayeszoo.inference.errors":
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
