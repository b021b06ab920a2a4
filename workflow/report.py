"""One page that says what a fit is, whether to trust it, and what it found."""

import base64
import inspect
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

from ..inference.outliers import improbable
from ..inference.progress import bar
from . import label_plots, plots
from .catalogue import answers
from .compare import left_out, question
from .diagram import diagram
from .formula import formula
from .left_out import Case, left_out_log_marginal, posterior_weights
from .page import Part, picture
from .report_decisions import decisions
from .seen import label_posterior
from .store import WHOLE, Origin
from .tables import at_modes, hears_x, held_out
from .verdict import checks

if TYPE_CHECKING:
    from ..inference.fit import Fit

TEMPLATE = Path(__file__).parent / "templates" / "report.html"
LISTED = 5  # rows of a list of rows
WIDE = 6  # labels up to which each has a column
PARAMETERS = 40  # rows of a table of parameters


def report(fit: "Fit", tree: xr.DataTree | None = None, origin: Origin = WHOLE) -> str:
    """The page as HTML that needs no other file: model, verdict, parameters, predictive checks, labels, LOO.

    tree: the fit's ``to_arviz()``, where it is at hand. origin: how its rows came from the user's table. Sections that
    need draws or rows say so where there are none; those on labels and P(x) are left out where there can be neither.
    """
    from jinja2 import Environment, FileSystemLoader

    case = Case(fit, fit.to_arviz() if tree is None else tree, origin)
    sections = []
    with warnings.catch_warnings(), plt.rc_context({"figure.max_open_warning": 0}):
        warnings.simplefilter("ignore")  # what ArviZ warns of, as of high Pareto k, is in the verdict
        for heading, make in bar(SECTIONS.items(), desc="report"):
            parts = list(make(case))
            sections += [{"heading": heading, "parts": parts}] if parts else []
    environment = Environment(loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True)
    title = f"{fit.model.name} by {fit.method}"
    subtitle = f"{fit.summary.rows} rows, {len(fit.schema.columns)} columns; it answers {answers(fit.shape)}."
    return environment.get_template(TEMPLATE.name).render(title=title, subtitle=subtitle, sections=sections)


def _model(case: Case) -> Iterator[Part]:
    fit, tree, origin = case.fit, case.tree, case.origin
    yield Part(formula=formula(inspect.cleandoc(fit.model.function.__doc__ or fit.model.name)))
    if fit.model.hyperparameters:
        given = [(name, _shown(value)) for name, value in fit.model.hyperparameters.items()]
        yield Part("Fixed beforehand", frame=pd.DataFrame(given, columns=["hyperparameter", "value"]))
    drawn = diagram(fit)
    if isinstance(drawn, str):
        yield Part("Plate diagram", text=drawn)
    else:
        image = base64.b64encode(drawn).decode()
        yield Part("Plate diagram", image=image, alt="plate diagram of the model", caption="What depends on what.")
    x, y = fit.x, fit.y
    table = [("rows", str(fit.summary.rows)), ("columns", ", ".join(fit.schema.columns))]
    if fit.schema.labels and len(y):
        counts = [f"{label}: {int(np.sum(y == k))}" for k, label in enumerate(fit.label_coordinate.tolist())]
        hidden = [f"hidden: {int(np.sum(y < 0))}"] if np.any(y < 0) else []
        table.append((fit.schema.target, ", ".join((counts if np.any(y >= 0) else []) + hidden)))
    elif fit.shape.has_y and not fit.shape.classes and len(y):
        table.append((fit.schema.target, f"{y.min():.4g} to {y.max():.4g}, {y.mean():.4g} on average"))
    if origin.numbers is not None:
        table.append(("numbers of rows", "as in the whole table, from 0; the others were held out, or left out"))
    table += [("missing cells", str(int(np.isnan(x).sum())))] if len(x) else []
    table += [("fitted to", fit.compression), *(("note", note) for note in origin.notes)]
    yield Part("Data", frame=pd.DataFrame(table, columns=["what", "value"]))
    if "prior" in tree:
        yield _numbers("Priors, in the data's units", tree["prior"].to_dataset())
    if fit.method == "mle":
        yield Part(text="Maximum likelihood leaves the priors out: what was fitted does not depend on them.")
    elif "prior" not in tree:
        yield Part(text="A prior of this model is improper, so that nothing can be drawn from it.")


def _shown(value: Any) -> str:
    """A hyperparameter in a word: a function by its name and what is bound to it."""
    if isinstance(value, partial):
        return f"{value.func.__name__}({', '.join(f'{k}={_shown(v)}' for k, v in value.keywords.items())})"
    return getattr(value, "__name__", None) or str(value)


def _numbers(heading: str, draws: xr.Dataset) -> Part:
    """Median and central 90 % of the first PARAMETERS numbers; of a point, the numbers."""
    from arviz_base import dataset_to_dataframe

    frame = dataset_to_dataframe(draws)
    frame = frame.T if len(frame) == 1 else frame.quantile([0.05, 0.5, 0.95]).T
    frame.columns = ["estimate"] if len(frame.columns) == 1 else ["5 %", "median", "95 %"]
    frame.insert(0, "parameter", [str(name) for name in frame.index])
    some = f"The first {PARAMETERS} of {len(frame)} numbers." if len(frame) > PARAMETERS else ""
    return Part(heading, text=some, frame=frame.iloc[:PARAMETERS])


def _verdict(case: Case) -> Iterator[Part]:
    found = checks(case)
    bad = sum(not one.passed for one in found)
    if found:
        none = "The optimiser got there." if case.point else "Nothing speaks against this fit."
        some = f"{bad} of {len(found)} checks {'wants' if bad == 1 else 'want'} a look."
        yield Part(text=some if bad else none, checks=found)
    if case.point:
        yield Part(text="Of a point estimate, little can be checked: most checks need draws (nuts, laplace, svi).")
    if case.origin.score:
        better = "better" if hears_x(case.origin.score) else "NO better"
        yield Part(
            text=f"It predicts what it has not seen {better} than one who knows no x: {held_out(case.origin.score)}."
        )


def _parameters(case: Case) -> Iterator[Part]:
    fit, tree = case.fit, case.tree
    if "prior_predictive" in tree:
        caption = "The prior should be wider than the data, and not far from them."
        yield picture(plots.plot_prior_predictive(tree), "histograms of data and prior predictive", caption, "Prior")
    each = list(at_modes(fit, tree["posterior"].to_dataset()))
    for mode, draws in each:
        yield _numbers(f"Posterior{mode}", draws)
    if len(each) > 1:
        yield Part(text="Draws are at several modes; intervals over all of them would describe none: none are drawn.")
    if case.point:
        yield Part(text="A point estimate has no intervals; fit by nuts, laplace or svi to see how sure it is.")
        return
    if len(each) == 1:
        yield picture(plots.plot_forest(tree), "intervals of parameters", "Medians, 50 and 90 % intervals.")
    several = sum(one[0, 0].size for one in fit.posterior().data_vars.values()) > 1
    shown = {"trace": True, "rank": fit.draws_shape[0] > 1, "pair": several}
    for name, (draw, caption) in MIXING.items():
        if shown[name]:
            yield picture(draw(tree), f"{name} plot of the worst-mixing parameters", caption)


MIXING: dict[str, tuple[Callable, str]] = {
    "trace": (plots.plot_trace, "Of the parameters that mix worst: chains should look alike."),
    "rank": (plots.plot_rank, "Ranks of their draws: even where chains agree."),
    "pair": (plots.plot_worst_pair, "The two that mix worst; diverging draws, if any, are marked."),
}


def _predictive(case: Case) -> Iterator[Part]:
    if "posterior_predictive" not in case.tree:
        yield Part(text="The rows are not at hand, so what the model predicts of them is not shown.")
        return
    for name, figure in plots.predictive(case):
        yield picture(figure, f"{name} check of the posterior predictive", PREDICTIVE[name])
    if case.point:
        yield Part(text="A point estimate leaves no row out, so what the others predict of each is not shown.")


PREDICTIVE = {
    "columns by class": "Real rows and what the fit predicts of each class, in the columns that differ most.",
    "counts": "How often each count was seen, as roots, and what the fit predicts, with intervals.",
    "response": "The data and draws of the posterior predictive.",
    "intervals": "Single rows, from the least response to the greatest: what the fit predicts of each, in intervals of "
    "50 and 90 %, and what was seen.",
    "line": "What was seen against its column, and what the fit predicts there, in intervals of 50 and 90 %.",
    "errors": "What each response is off by in what the other rows predict of it, in units of a standard normal, and "
    "means of like rows with two standard errors: away from 0 where a column tells more than the hypothesis hears.",
    "loo-pit": "Where each response lies in what the other rows predict of it: near 0 where calibrated; p is of a "
    "test; what speaks against it is marked.",
    "loo-pit of columns": "Where each cell lies in what the other rows, and its own label, predict of it: the line is "
    "inside the band where a column is calibrated, and p is small, and red, where it is not. Labels of fewer than 20 "
    "rows are left out.",
    "mean label posterior": "How rows of each label are taken, on average.",
    "columns": "Real rows and what the fit predicts.",
}


def _labels(case: Case) -> Iterator[Part]:
    fit = case.fit
    if not fit.shape.classes and not case.answers_x:
        return
    if not len(fit.x):
        yield Part(text="The rows are not at hand.")
        return
    known = case.known
    if fit.shape.classes:
        p, of = case.label_posterior
        if known.any():
            right = np.mean(p[known].argmax(axis=1) == fit.y[known])
            loss = -np.mean(np.log(np.maximum(p[known, fit.y[known]], 1e-300)))
            yield Part(text=f"Of {of}: accuracy {right:.3f}, log loss {loss:.4f}.")
            yield picture(plots.plot_confusion(case.tree, p), "confusion matrix", f"Counts, of {of}.")
            calibration = (
                "How often a label is right against how probable it was called, with a band; the line is best. Of more "
                f"than {label_plots.COLUMNS} labels, those that are most often mistaken."
            )
            yield picture(plots.plot_label_calibration(case.tree, p), "reliability diagrams", calibration)
        yield Part("Least sure rows", frame=_least_sure(case))
    if case.answers_x:
        held = case.origin.reference
        score = left_out_log_marginal(fit, case.weights[0]) if case.leaves_out else None
        found = improbable(fit, fit.x, score, held_out=held)
        rows = found.log_marginal.values.argsort()[:LISTED]
        table = {
            "row": case.row(rows),
            "log P(x)": found.log_marginal.values[rows],
            "tail": found.tail_probability.values[rows],
        }
        values = {name: _own_names(fit, rows, j) for j, name in enumerate(fit.schema.columns[:LISTED])}
        yield picture(plots.plot_outliers(found), "histogram of log P(x)", "P(x) of each row.", "Outliers")
        tail = "the model generates one that is" if held is None else f"one of {len(held)} held-out rows is"
        seen = "given all others" if case.leaves_out else "which the fit has seen, so that tails are too great"
        yield Part(
            text=f"The least probable rows, {seen}; tail: how rarely {tail} as improbable.",
            frame=pd.DataFrame({**table, **values}),
        )
    if case.answers_x and fit.shape.classes:
        draw = plots.plot_images if label_plots.has_images(fit.schema.columns) else plots.plot_generated
        yield picture(draw(case.tree), "real and generated rows of each label", "Real and generated rows.", "Generated")


def _own_names(fit: "Fit", rows: np.ndarray, j: int) -> list:
    """Cells of a column of some rows, as names where it holds names."""
    names = fit.schema.each_levels[j]
    cells = fit.x[rows, j].tolist()
    return ["missing" if cell != cell else names[int(cell)] if isinstance(names, tuple) else cell for cell in cells]


def _least_sure(case: Case) -> pd.DataFrame:
    fit, unsure = case.fit, case.unsure
    rows = unsure.total.values.argsort()[::-1][:LISTED]
    mean = label_posterior(case.tree)[rows]
    table = {"row": case.row(rows)}
    labels = fit.label_coordinate.tolist()
    said = [[f"{p:.2f}" for p in row] for row in mean]
    if not case.point:
        draws = np.exp(fit.log_label_posterior(fit.x[rows], draws=True))
        low, high = draws.quantile([0.05, 0.95], dim=("chain", "draw")).values
        said = [
            [f"{p:.2f} ({low[i, k]:.2f} to {high[i, k]:.2f})" for k, p in enumerate(row)] for i, row in enumerate(mean)
        ]
    interval = "" if case.point else ", 90 %"
    if len(labels) <= WIDE:
        table |= {f"P({label}){interval}": [row[k] for row in said] for k, label in enumerate(labels)}
    else:
        order = np.argsort(-mean, axis=1)
        for place, name in enumerate(("most probable", "next", "third")):
            best = [f"{labels[k]}: {said[i][k]}" for i, k in enumerate(order[:, place])]
            table[f"{name}{interval}"] = best
    if not case.point:
        table["epistemic, nats"] = unsure.epistemic.values[rows]
    return pd.DataFrame(table)


def _loo(case: Case) -> Iterator[Part]:
    fit = case.fit
    if not case.leaves_out:
        yield Part(text="Leave-one-out needs draws and the log-likelihood of each row; this fit has one or none.")
        return
    questions = {question(fit): left_out(fit, case)}
    if fit.shape.generative and case.known.any():
        questions = {"log P(x, y)": case.loo, **questions}
    table = {"what": ["elpd, nats", "its standard error", "effective parameters p", "elpd a row"]}
    for asked, found in questions.items():
        table[asked] = [float(v) for v in (found.elpd, found.se, found.p, found.elpd / found.n_data_points)]
    yield Part(frame=pd.DataFrame(table))
    if posterior_weights(case.tree) is not None:
        yield Part(
            text="Draws of a normal are weighted to the posterior before a row is left out, so these are scores of the "
            "posterior; what the fit answers of new rows is averaged over the normal."
        )
    yield Part(text="bayeszoo compare RUN RUN ... sets runs side by side.")


SECTIONS: dict[str, Callable[[Case], Iterator[Part]]] = {
    "Model and data": _model,
    "Verdict": _verdict,
    "Parameters": _parameters,
    "Posterior predictive": _predictive,
    "Labels and rows": _labels,
    "Decisions": decisions,
    "Leave one out": _loo,
}
