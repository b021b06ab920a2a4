"""Verbs of the command line that ask a run folder something."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer()
PICTURES = (".png", ".pdf", ".svg")
Seed = Annotated[int, typer.Option(min=0, help="seed of the draws")]


@app.command()
def summary(run: Path) -> None:
    """Print a run's parameters and diagnostics."""
    from . import store
    from .tables import print_summary

    print_summary(store.load(run))


@app.command()
def report(
    run: Path,
    out: Annotated[Path | None, typer.Option(help="the file; by default RUN/report.html")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the file if it is there")] = False,
) -> None:
    """Write one page on a run: model, verdict, parameters, predictive checks, labels, outliers, leave-one-out."""
    from ..inference import keep_compiled_programs
    from . import store

    fit = store.load(run)
    file = out or run / "report.html"
    check_file(file, force)
    keep_compiled_programs()
    write_report(fit, store.load_tree(run), file, store.load_origin(run))
    typer.echo(f"written to {file}")


def write_report(fit: Any, tree: Any, file: Path, origin: Any) -> None:
    """The report as a file, which is whole or not there."""
    import matplotlib

    matplotlib.use("agg")
    from .report import report as page

    text = page(fit, tree, origin)
    beside = file.with_name(f".{file.name}.writing")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def refuse_to_replace(path: Path, force: bool) -> None:
    """Raise DataError where a file or folder is there already and was not asked to be replaced."""
    from ..inference.errors import DataError

    if path.exists() and not force:
        raise DataError(f"'{path}' is there already; give --force to replace it, or another place by --out.")


def check_file(path: Path, force: bool, kinds: tuple[str, ...] = ()) -> None:
    """Raise DataError where a file cannot be written, or would replace one unasked; before the work, not after it."""
    from ..inference.errors import DataError

    if kinds and path.suffix.lower() not in kinds:
        raise DataError(f"'{path}' is no name of a picture; it ends in {', '.join(kinds)}.")
    if path.is_dir():
        raise DataError(f"'{path}' is a folder; --out is the name of a file.")
    if not path.parent.is_dir():
        raise DataError(f"'{path}' cannot be written, as there is no folder '{path.parent}'.")
    refuse_to_replace(path, force)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="two run folders or more")],
    out: Annotated[Path | None, typer.Option(help="a picture of it, such as compare.png")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace the picture if it is there")] = False,
) -> None:
    """Print how well runs predict rows that are left out, on log P(y | x), with errors and stacking weights."""
    import warnings

    from ..inference.errors import DataError
    from . import store
    from .compare import compare as side_by_side

    if out is not None:
        check_file(out, force, PICTURES)
    twice = next((run for run in runs if runs.count(run) > 1), None)
    if twice is not None:
        raise DataError(f"'{twice}' is named twice; compare takes each run once.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fits = {str(run): store.load(run) for run in runs}
        table = side_by_side(fits, {str(run): store.load_tree(run) for run in runs})
    typer.echo(table.to_string(float_format="{:.4g}".format))
    for message in dict.fromkeys(str(one.message) for one in caught if "areto" in str(one.message)):
        typer.echo(f"note: {' '.join(message.split())}")
    if out is not None:
        import matplotlib

        matplotlib.use("agg")
        from arviz_plots import plot_compare

        plot_compare(table, backend="matplotlib").viz["figure"].item().savefig(out, dpi=100, bbox_inches="tight")
        typer.echo(f"written to {out}")


@app.command()
def predict(
    run: Path,
    data: str,
    reject: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="name no label where its chance of being wrong is more")
    ] = None,
    error_rate: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="name as many labels as leave this share of them wrong"),
    ] = None,
    held_out: Annotated[
        str | None, typer.Option(help="labelled rows for --error-rate; none: the run's own, each left out")
    ] = None,
    prior: Annotated[
        str | None, typer.Option(help="other label frequencies, as JSON, or 'estimate' to find them in DATA")
    ] = None,
) -> None:
    """Print y given each row of a new table, as CSV: a label and P(label) of each, or mean, sd and a 90 % interval."""
    from ..inference.decisions import cost_of_error_on
    from ..inference.errors import DataError, QueryError
    from . import datasets, store

    fit = store.load(run)
    table = datasets.load(data)
    answer = fit.predict(table)
    if "label" not in answer:
        if prior is not None or reject is not None or error_rate is not None:
            raise QueryError(f"{fit.model.name} has no labels, so --prior, --reject and --error-rate do not apply.")
        typer.echo(answer.to_pandas().to_csv(index=False), nl=False)
        return
    if held_out is not None and error_rate is None:
        raise DataError("--held-out serves --error-rate; give both.")
    if error_rate is not None:
        if reject is not None or prior is not None:
            raise DataError(
                "--error-rate finds the cost for --reject under the fit's own label frequencies; leave out --reject "
                "and --prior, or give --reject a cost."
            )
        curve, of = _accuracy_coverage(fit, run, held_out)
        reject = cost_of_error_on(curve, error=error_rate)
        kept = curve.isel(kept=curve.cost.values <= reject).isel(kept=-1)
        wrong = round(int(kept.kept) * (1 - float(kept.accuracy)))
        typer.echo(
            f"--reject {reject:.4g}: of {of} {int(kept.kept)} of {int(curve.kept[-1])} keep a label, of which "
            f"{wrong} are wrong; of new rows somewhat more may be, as the cost was chosen on these.",
            err=True,
        )
    probability = answer["probability"].rename(label_name="label")
    if prior is not None:
        probability = _under(prior, fit, table)
    best = probability.label.values[probability.argmax("label").values].astype(object)
    if reject is not None:
        best[1 - probability.max("label").values > reject] = ""
    frame = probability.to_pandas().rename(columns="P({})".format)
    frame.insert(0, fit.schema.target, best, allow_duplicates=True)  # a target may be called P(a)
    typer.echo(frame.to_csv(index=False), nl=False)


def _accuracy_coverage(fit: Any, run: Path, held_out: str | None) -> tuple[Any, str]:
    """The curve of rows held out, or of the run's own, each left out where draws allow it; and of which, in words."""
    from ..inference import accuracy_coverage
    from ..inference.decisions import accuracy_coverage_of
    from ..inference.errors import QueryError
    from . import datasets, store
    from .left_out import own_label_posterior

    if held_out is not None:
        rows = datasets.load(held_out)
        return accuracy_coverage(fit, rows, _labels_of(fit, rows)), "rows held out"
    known = fit.y >= 0
    if fit.draws_shape == (1, 1) or not known.any() or fit.summary.weighted:
        raise QueryError(
            "--error-rate needs posterior draws and labelled rows in the run, to leave each out; give --held-out "
            "labelled rows that the fit has not seen."
        )
    p, of = own_label_posterior(fit, store.load_tree(run))
    return accuracy_coverage_of(p[known], fit.y[known]), of


def _labels_of(fit: Any, table: Any) -> Any:
    from ..inference.errors import DataError

    if fit.schema.target not in table:
        raise DataError(f"the table has no column '{fit.schema.target}' with labels; it has {', '.join(table)}.")
    return table[fit.schema.target]


def _under(prior: str, fit: Any, table: Any) -> Any:
    """P(y | x) of a table's rows under other label frequencies, given as JSON or estimated."""
    import numpy as np

    from ..inference import estimate_label_prior, label_posterior_under
    from ..inference.errors import DataError

    if prior == "estimate":
        shares = estimate_label_prior(fit, table)
        typer.echo(", ".join(f"P({k}) = {v:.4g}" for k, v in shares.to_series().items()), err=True)
    else:
        try:
            given = dict(json.loads(prior))
        except (ValueError, TypeError):
            raise DataError(
                f'--prior takes JSON such as {{"a": 0.3, "b": 0.7}} or estimate, got \'{prior}\'.'
            ) from None
        shares = {_as_label(name, fit.label_coordinate.tolist()): share for name, share in given.items()}
    return np.exp(label_posterior_under(fit, table, shares))


@app.command()
def coverage(run: Path, data: str) -> None:
    """Print how many labelled rows keep a label and how many of those are right, by the cost of naming none, as CSV."""
    from ..inference import accuracy_coverage
    from . import datasets, store

    fit, table = store.load(run), datasets.load(data)
    curve = accuracy_coverage(fit, table, _labels_of(fit, table))
    typer.echo(curve.to_dataframe().to_csv(), nl=False)


@app.command()
def uncertainty(run: Path, data: str) -> None:
    """Print what is unsure about the label of each row, in nats, as CSV: total = aleatoric + epistemic."""
    from ..inference import label_uncertainty
    from . import datasets, store

    answer = label_uncertainty(store.load(run), datasets.load(data))
    typer.echo(answer.to_pandas().to_csv(index=False), nl=False)


@app.command()
def generate(
    run: Path,
    label: Annotated[str | None, typer.Option(help="draw rows of this label; none: labels from P(y)")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="how many rows")] = 100,
    seed: Seed = 0,
) -> None:
    """Print rows drawn from the posterior predictive, as CSV in the input's columns."""
    from . import store

    fit = store.load(run)
    rows = fit.generate(n, label=_as_label(label, fit.label_coordinate.tolist()), seed=seed)
    typer.echo(rows.to_pandas().to_csv(index=False), nl=False)


@app.command()
def outliers(
    run: Path,
    data: str,
    held_out: Annotated[
        str | None, typer.Option(help="rows that the fit has not seen, to compare with; by default those of the run")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Print log P(x) of each row of a table, and how rarely a row is as improbable, as CSV."""
    from ..inference import outliers as improbable
    from ..inference.outliers import GENERATED
    from . import datasets, store

    fit = store.load(run)
    reference = store.load_origin(run).reference if held_out is None else datasets.load(held_out)
    answer = improbable(fit, datasets.load(data), held_out=reference, seed=seed)
    what = f"{GENERATED:,} that the model generates" if reference is None else f"{len(reference)} that were held out"
    typer.echo(f"tail_probability: how rarely a row is as improbable, of {what}", err=True)
    typer.echo(answer.to_pandas().to_csv(index=False), nl=False)


@app.command()
def decide(
    run: Path,
    data: str,
    costs: Annotated[str, typer.Argument(help="a CSV: a row a label, its name first, and a column an action")],
) -> None:
    """Print the action of least expected cost for each row, and what each action is expected to cost, as CSV."""
    from ..inference import decide as cheapest
    from ..inference.errors import QueryError
    from . import datasets, store

    fit = store.load(run)
    if fit.shape.classes is None:
        raise QueryError(f"{fit.model.name} has no labels, so there is none to decide on.")
    table = datasets.load(costs)
    table = table.set_index(table.columns[0])
    table.index = [_as_label(str(name), fit.label_coordinate.tolist()) for name in table.index]
    answer = cheapest(fit, datasets.load(data), table)
    frame = answer["expected_cost"].to_pandas().rename(columns="cost({})".format)
    frame.insert(0, "decision", answer["decision"].values)
    typer.echo(frame.to_csv(index=False), nl=False)


@app.command()
def impute(run: Path, data: str, seed: Seed = 0) -> None:
    """Print the table with its missing cells filled in by P(x_missing | x_seen, y), as CSV."""
    from ..inference import impute as fill
    from . import datasets, store

    fit = store.load(run)
    table = datasets.load(data)
    y = table[fit.schema.target] if fit.schema.target in table and fit.shape.classes else None
    filled = table.copy()
    answer = fill(fit, table, y, seed=seed)
    for column in fit.schema.columns:
        filled[column] = answer[column].to_numpy()
    typer.echo(filled.to_csv(index=False), nl=False)


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
