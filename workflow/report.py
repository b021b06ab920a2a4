"""One page that says what a fit is, whether to trust it, and what it found."""

import base64
import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from ..inference.decisions import label_uncertainty
from ..inference.outliers import outliers
from ..inference.progress import bar
from . import label_plots, plots
from .catalogue import answers
from .diagram import diagram
from .verdict import check, left_out_label_posterior, smoothed_weights

if TYPE_CHECKING:
    from ..inference.fit import Fit

TEMPLATE = Path(__file__).parent / "templates" / "report.html"
LISTED = 5  # rows of a list of rows
PARAMETERS = 40  # rows of a table of parameters


@dataclass(frozen=True)
class Part:
    """A piece of a section: text, code, checks, a table, or a picture with what it shows."""

    heading: str = ""
    text: str = ""
    code: str = ""
    checks: Any = ()
    frame: pd.DataFrame | None = None
    image: str = ""
    alt: str = ""
    caption: str = ""

    @property
    def table(self) -> Any:
        if self.frame is None:
            return None
        cells = self.frame.map(_cell)
        return {"columns": list(cells), "rows": [list(row.items()) for _, row in cells.iterrows()]}

    @property
    def numbers(self) -> list[str]:
        return [] if self.frame is None else [n for n in self.frame if pd.api.types.is_numeric_dtype(self.frame[n])]


def report(fit: "Fit", tree: xr.DataTree | None = None) -> str:
    """The page as HTML that needs no other file: model, verdict, parameters, predictive checks, labels, LOO.

    tree: the fit's ``to_arviz()``, where it is at hand. Sections that need draws or rows say so where there are none.
    """
    from jinja2 import Environment, FileSystemLoader

    tree = fit.to_arviz() if tree is None else tree
    sections = []
    with warnings.catch_warnings(), plt.rc_context({"figure.max_open_warning": 0}):
        warnings.simplefilter("ignore")  # what ArviZ warns of, as of high Pareto k, is in the verdict
        for heading, make in bar(SECTIONS.items(), desc="report"):
            sections.append({"heading": heading, "parts": list(make(fit, tree))})
    environment = Environment(loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True)
    title = f"{fit.model.name} by {fit.method}"
    subtitle = f"{fit.summary.rows} rows, {len(fit.schema.columns)} columns; it answers {answers(fit.shape)}."
    return environment.get_template(TEMPLATE.name).render(title=title, subtitle=subtitle, sections=sections)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _picture(figure: Figure | Any, alt: str, caption: str, heading: str = "") -> Part:
    file = io.BytesIO()
    figure.savefig(file, dpi=80, bbox_inches="tight", facecolor="white")
    plt.close("all")
    return Part(heading, image=base64.b64encode(file.getvalue()).decode(), alt=alt, caption=caption)


def _model(fit: "Fit", tree: xr.DataTree) -> Iterator[Part]:
    yield Part(code=inspect.cleandoc(fit.model.function.__doc__ or fit.model.name))
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
        table.append((fit.schema.target, ", ".join(counts + hidden)))
    table += [("missing cells", str(int(np.isnan(x).sum())))] if len(x) else []
    table += [("fitted to", fit.compression)]
    yield Part("Data", frame=pd.DataFrame(table, columns=["what", "value"]))
    if "prior" in tree:
        yield Part("Priors, in the data's units", frame=_quantiles(tree["prior"].to_dataset()))


def _quantiles(draws: xr.Dataset) -> pd.DataFrame:
    """Median and central 90 % of every number, those of the first PARAMETERS."""
    from arviz_base import dataset_to_dataframe

    frame = dataset_to_dataframe(draws).quantile([0.05, 0.5, 0.95]).T
    frame.columns = ["5 %", "median", "95 %"]
    frame.insert(0, "parameter", [str(name) for name in frame.index])
    return frame.iloc[:PARAMETERS]


def _verdict(fit: "Fit", tree: xr.DataTree) -> Iterator[Part]:
    found = list(check(fit, tree).itertuples())
    bad = sum(not one.passed for one in found)
    summary = "Nothing speaks against this fit." if not bad else f"{bad} of {len(found)} checks want a look."
    yield Part(
        text=summary if found else "A point estimate: most checks need draws (nuts, laplace, svi).", checks=found
    )
    for sentence in fit.warnings:
        yield Part(text=f"Warning: {sentence}")


def _parameters(fit: "Fit", tree: xr.DataTree) -> Iterator[Part]:
    if "prior_predictive" in tree:
        caption = "The prior should be wider than the data, and not far from them."
        yield _picture(
            label_plots.plot_prior_predictive(fit, tree), "histograms of data and prior predictive", caption, "Prior"
        )
    yield Part("Posterior", frame=_quantiles(tree["posterior"].to_dataset()))
    if fit.draws_shape == (1, 1):
        yield Part(text="A point estimate has no intervals; fit by nuts, laplace or svi to see how sure it is.")
        return
    yield _picture(plots.plot_forest(fit), "intervals of parameters", "Medians, 50 and 90 % intervals.")
    for name, figure in plots.mixing(fit):
        yield _picture(figure, f"{name} plot of the worst-mixing parameters", MIXING[name])


MIXING = {
    "trace": "Of the parameters that mix worst: chains should look alike.",
    "rank": "Ranks of their draws: even where chains agree.",
    "pair": "The two that mix worst; diverging draws, if any, are marked.",
}


def _predictive(fit: "Fit", tree: xr.DataTree) -> Iterator[Part]:
    if "posterior_predictive" not in tree:
        yield Part(text="The rows are not at hand, so what the model predicts of them is not shown.")
        return
    for name, figure in plots.predictive(fit, tree):
        yield _picture(figure, f"{name} check of the posterior predictive", PREDICTIVE[name])
        plt.close("all")


PREDICTIVE = {
    "columns by class": "Real rows and what the fit predicts of each class.",
    "density": "The data and draws of the posterior predictive.",
    "rootogram": "Counts that were seen and predicted.",
    "loo-pit": "Where each response lies in what the other rows predict of it: inside the band where calibrated.",
    "mean label posterior": "How rows of each label are taken, on average.",
    "columns": "Real rows and what the fit predicts.",
}


def _labels(fit: "Fit", tree: xr.DataTree) -> Iterator[Part]:
    if not len(fit.x):
        yield Part(text="The rows are not at hand.")
        return
    known = fit.y >= 0 if fit.shape.has_y and fit.shape.classes else np.zeros(len(fit.x), dtype=bool)
    if fit.shape.classes:
        if "log_likelihood" in tree and fit.draws_shape != (1, 1):
            p, of = left_out_label_posterior(fit, smoothed_weights(tree)[0]), "rows left out"
        else:
            p, of = np.exp(fit.log_label_posterior(fit.x).values), "the rows it was fitted to"
        if known.any():
            right = np.mean(p[known].argmax(axis=1) == fit.y[known])
            loss = -np.mean(np.log(np.maximum(p[known, fit.y[known]], 1e-300)))
            yield Part(text=f"Of {of}: accuracy {right:.3f}, log loss {loss:.4f}.")
            yield _picture(label_plots.plot_confusion(fit, p), "confusion matrix", f"Counts, of {of}.")
            calibration = (
                "How often a label is right against how probable it was called, with a band; the line is best."
            )
            yield _picture(label_plots.plot_label_calibration(fit, p), "reliability diagrams", calibration)
        yield Part("Least sure rows", frame=_least_sure(fit))
    if fit.shape.generative:
        found = outliers(fit, fit.x)
        rows = found.log_marginal.values.argsort()[:LISTED]
        table = {"row": rows, "log P(x)": found.log_marginal.values[rows], "tail": found.tail_probability.values[rows]}
        values = {name: fit.x[rows, j] for j, name in enumerate(fit.schema.columns[:LISTED])}
        yield Part(
            "Outliers",
            text="The least probable rows; tail: how rarely the model generates one as improbable.",
            frame=pd.DataFrame({**table, **values}),
        )
    if fit.shape.generative and fit.shape.classes:
        picture = label_plots.plot_images if label_plots.has_images(fit) else plots.plot_generated
        yield _picture(picture(fit), "real and generated rows of each label", "Real and generated rows.", "Generated")


def _least_sure(fit: "Fit") -> pd.DataFrame:
    unsure = label_uncertainty(fit, fit.x)
    rows = unsure.total.values.argsort()[::-1][:LISTED]
    mean = np.exp(fit.log_label_posterior(fit.x[rows]).values)
    draws = np.exp(fit.log_label_posterior(fit.x[rows], draws=True))
    low, high = draws.quantile([0.05, 0.95], dim=("chain", "draw")).values
    table = {"row": rows}
    for k, label in enumerate(fit.label_coordinate.tolist()[:6]):
        table[f"P({label}), 90 %"] = [
            f"{m:.2f} ({a:.2f} to {b:.2f})" for m, a, b in zip(mean[:, k], low[:, k], high[:, k], strict=True)
        ]
    table["epistemic, nats"] = unsure.epistemic.values[rows]
    return pd.DataFrame(table)


def _loo(fit: "Fit", tree: xr.DataTree) -> Iterator[Part]:
    if "log_likelihood" not in tree or fit.draws_shape == (1, 1):
        yield Part(text="Leave-one-out needs draws and the log-likelihood of each row; this fit has one or none.")
        return
    from arviz_stats import loo

    found = loo(tree)
    rows = [
        ("elpd, nats", float(found.elpd)),
        ("its standard error", float(found.se)),
        ("effective parameters p", float(found.p)),
        ("elpd a row", float(found.elpd) / len(fit.x)),
    ]
    yield Part(frame=pd.DataFrame(rows, columns=["what", "value"]))
    yield Part(text="bayeszoo compare RUN RUN ... sets runs side by side.")


SECTIONS: dict[str, Callable[["Fit", xr.DataTree], Iterator[Part]]] = {
    "Model and data": _model,
    "Verdict": _verdict,
    "Parameters": _parameters,
    "Posterior predictive": _predictive,
    "Labels and rows": _labels,
    "Leave one out": _loo,
}
