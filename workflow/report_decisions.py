"""The report's section on decisions: what only the whole distribution of a label, or of a row, can answer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..inference.decisions import accuracy_coverage_of, cost_of_error_on
from ..inference.errors import ModelError, QueryError
from ..inference.impute import impute
from ..inference.shift import estimate_label_prior, label_posterior_under
from ..inference.table import in_own_kind
from . import decision_plots
from .left_out import Case
from .page import Part, picture

if TYPE_CHECKING:
    from ..inference.fit import Fit

LISTED = 5  # rows of a list of rows
COSTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of naming no label, where a wrong one costs 1
WORSE = 10  # cost of the mistake that the example is careful of, where any other costs 1
HIDDEN = 500  # rows of which a cell is hidden, at most


def decisions(case: Case) -> Iterator[Part]:
    """Naming no label, costs, uncertainty, another label prior, missing cells: each where the model can answer it."""
    fit, known = case.fit, case.known
    if not fit.shape.classes and not case.answers_x:
        return
    if not len(fit.x):
        yield Part(text="The rows are not at hand.")
        return
    if fit.shape.classes:
        if known.any():
            yield from _rejection(case)
            yield from _costs(fit, case.label_posterior[0][known], fit.y[known])
        yield from _uncertainty(case)
        if case.answers_x and known.any():
            yield from _shift(case)
    if case.answers_x:
        yield from _missing(case)


def _rejection(case: Case) -> Iterator[Part]:
    (p, of), known = case.label_posterior, case.known
    curve = accuracy_coverage_of(p[known], case.fit.y[known])
    rows = []
    for error in decision_plots.ERRORS:
        row = {"wrong, at most": f"{100 * error:g} %"}
        try:
            cost = cost_of_error_on(curve, error=error)
        except QueryError:
            rows.append({**row, "cost for reject": "none", "named": "0 %", "of those right": ""})
            continue
        at = int((curve.cost.values <= cost).sum()) - 1
        share, right = (f"{100 * float(curve[of][at]):.1f} %" for of in ("coverage", "accuracy"))
        rows.append({**row, "cost for reject": f"{cost:.4g}", "named": share, "of those right": right})
    caption = "The fewer rows keep their label, the surest, the more of those are right."
    yield picture(
        decision_plots.plot_accuracy_coverage(case.tree, p),
        "accuracy of labels against the share of rows that keep one",
        f"{caption} Of {of}.",
        "Naming no label where it is not sure",
    )
    yield Part(frame=pd.DataFrame(rows))


def _costs(fit: "Fit", p: np.ndarray, y: np.ndarray) -> Iterator[Part]:
    top, best = p.max(axis=1), p.argmax(axis=1)
    rows = []
    for cost in COSTS:
        kept = 1 - top <= cost
        expected, paid = np.where(kept, 1 - top, cost), np.where(kept, best != y, cost)
        row = {"cost of none": cost, "named": int(kept.sum()), "none": int((~kept).sum())}
        rows.append({**row, "expected cost a row": float(expected.mean()), "paid a row": float(paid.mean())})
    yield Part(
        "Decisions under costs",
        text="Where a wrong label costs 1, a right one 0 and none what the first column says, a label is named if it "
        "is wrong with at most that probability (Chow's rule). What is paid should be near what was expected.",
        frame=pd.DataFrame(rows),
    )
    if p.shape[1] > 1:
        mistaken = np.zeros((p.shape[1], p.shape[1]))  # expected rows of a label, by what they are called
        np.add.at(mistaken.T, best, p)
        np.fill_diagonal(mistaken, -1)
        truth, said = np.unravel_index(mistaken.argmax(), mistaken.shape)
        cost = 1.0 - np.eye(p.shape[1])
        cost[truth, said] = WORSE
        changed = int(((p @ cost).argmin(axis=1) != best).sum())
        labels = fit.label_coordinate.tolist()
        yield Part(
            text=f"Taking {labels[truth]} for {labels[said]} is the mistake to expect most. Were it {WORSE} times as "
            f"bad as any other, {changed} of {len(p)} rows would be called otherwise. In Python, or by a CSV and the "
            "verb decide:",
            code=f"labels = {labels}\n"
            "cost = pd.DataFrame(1.0 - np.eye(len(labels)), labels, labels)\n"
            f"cost.loc[{labels[truth]!r}, {labels[said]!r}] = {WORSE}  # a row a label, a column an action\n"
            'decide(fit, x, cost)["decision"]',
        )


def _uncertainty(case: Case) -> Iterator[Part]:
    fit, found = case.fit, case.unsure
    total, epistemic = float(found.total.mean()), float(found.epistemic.mean())
    sure = f"A label is unsure by {total:.3g} nats on average; {np.log(fit.shape.classes):.3g} would be no idea at all."
    if case.point:
        yield Part("What is unsure", text=f"{sure} A point estimate cannot say how much of it more rows would settle.")
        return
    share = f"More rows like these would settle {100 * epistemic / max(total, 1e-300):.0f} % of it: the epistemic part."
    yield picture(
        decision_plots.plot_label_uncertainty(found),
        "bars of the aleatoric and epistemic uncertainty of the least sure rows",
        "Labels overlap where it is aleatoric; parameters are not known well enough where it is epistemic.",
        "What is unsure",
    )
    yield Part(text=f"{sure} {share}")


def _shift(case: Case) -> Iterator[Part]:
    fit = case.fit
    labels, y = fit.label_coordinate.tolist(), fit.y
    learnt = np.exp(fit.log_label_prior().values)
    found = estimate_label_prior(fit, fit.x).values
    table = {
        "label": labels,
        "share of rows": [float(np.mean(y[y >= 0] == k)) for k in range(len(labels))],
        "P(y)": learnt,
        "from x alone, by EM": found,
    }
    against = ""
    if not case.point:
        draws = np.exp(fit.log_label_prior(draws=True).values).reshape(-1, len(labels))
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        table["P(y)"] = [f"{m:.3f} ({a:.3f} to {b:.3f})" for m, a, b in zip(learnt, low, high, strict=True)]
        against = " Much more than its 90 % interval is wide speaks against P(x | y)."
    yield Part(
        "Were labels more or less frequent",
        text="How frequent labels are is also estimated from x alone, as it would be of new rows without labels. It "
        f"should agree with P(y), and is off by {np.abs(found - learnt).max():.3f} at most.{against}",
        frame=pd.DataFrame(table),
    )
    before = np.exp(fit.log_label_posterior(fit.x).values)
    after = np.exp(label_posterior_under(fit, fit.x, dict.fromkeys(labels, 1 / len(labels))).values)
    rows = np.flatnonzero(before.argmax(axis=1) != after.argmax(axis=1))
    yield Part(
        text=f"Were all labels equally frequent, {len(rows)} of {len(y)} rows would be called otherwise, by Bayes' "
        "rule with the same P(x | y).",
        frame=_changed(case, rows[:LISTED], before, after) if len(rows) else None,
    )


def _changed(case: Case, rows: np.ndarray, before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    labels = case.fit.label_coordinate.tolist()

    def called(p: np.ndarray) -> list[str]:
        return [f"{labels[one.argmax()]} ({one.max():.2f})" for one in p[rows]]

    return pd.DataFrame(
        {"row": case.row(rows), "with the P(y) learnt": called(before), "equally frequent": called(after)}
    )


def _missing(case: Case) -> Iterator[Part]:
    """Cells that are missing, filled in; and of cells that are not, whether they would have been filled in well."""
    fit, heading = case.fit, "Missing cells, filled in"
    holes = np.flatnonzero(np.isnan(fit.x).any(axis=1))[:LISTED]
    if len(holes):
        yield Part(
            heading,
            text="By P(x_missing | x_seen, y), of the first rows that miss any: the mean and a 90 % interval, of names "
            "the most probable one and its probability.",
            frame=_filled(case, holes),
        )
    try:
        numbers, names = _hidden(fit)
    except ModelError as error:
        yield Part(heading, text=f"Not to be had: {error}")
        return
    given = "the others and the label" if case.known.any() else "the others"
    how = f"One cell a row was hidden and filled in given {given}; these rows were in the fit."
    inside = (
        " Inside: how many are in their 90 % interval, of counts at least so many. Error: in standard deviations of "
        "the column, where 1 is no better than its mean."
    )
    yield Part("" if len(holes) else heading, text=how + (inside if len(numbers) else ""))
    for frame in (numbers, names):
        if len(frame):
            yield Part(frame=frame)


def _own_labels(fit: "Fit", rows: np.ndarray) -> list | None:
    """Labels of rows by name, None where one is hidden; None where all are."""
    labels = fit.label_coordinate.tolist()
    if not fit.shape.has_y or not fit.shape.classes or np.all(fit.y < 0):
        return None
    return [labels[k] if k >= 0 else None for k in fit.y[rows].tolist()]


def _filled(case: Case, rows: np.ndarray) -> pd.DataFrame:
    fit = case.fit
    drawn, table = impute(fit, fit.x[rows], _own_labels(fit, rows), every=True), []
    for i, row in enumerate(rows):
        for j in np.flatnonzero(np.isnan(fit.x[row])):
            column = fit.schema.columns[j]
            values = drawn[column].values[:, i]
            if isinstance(fit.schema.each_levels[j], tuple):
                names, counts = np.unique(values, return_counts=True)
                said = f"{names[counts.argmax()]} ({counts.max() / len(values):.2f})"
            else:
                low, high = np.quantile(values, [0.05, 0.95])
                said = f"{values.mean():.4g} ({low:.4g} to {high:.4g})"
            table.append({"row": case.row(rows)[i], "column": column, "filled in": said})
    return pd.DataFrame(table)


def _hidden(fit: "Fit") -> tuple[pd.DataFrame, pd.DataFrame]:
    """A cell of each row hidden at random and filled in: how well, a row a column of numbers, and one of names."""
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(len(fit.x))[:HIDDEN])
    x = fit.x[rows]
    chosen = np.where(np.isnan(x), -1.0, rng.random(x.shape)).argmax(axis=1)
    hidden = x.copy()
    hidden[np.arange(len(x)), chosen] = np.nan
    drawn = impute(fit, hidden, _own_labels(fit, rows), every=True)
    numbers, names = [], []
    for j, column in enumerate(fit.schema.columns):
        own, level = chosen == j, fit.schema.each_levels[j]
        own &= ~np.isnan(x[:, j])
        if not own.any():
            continue
        truth, values = in_own_kind(x[own, j], level), drawn[column].values[:, own]
        row = {"column": column, "hidden": int(own.sum())}
        if isinstance(level, tuple):
            shares = np.array([np.mean(values == name, axis=0) for name in level])
            right = np.array(level)[shares.argmax(axis=0)] == truth
            names.append({**row, "right": float(right.mean()), "expected": float(shares.max(axis=0).mean())})
        else:
            low, high = np.quantile(values, [0.05, 0.95], axis=0)
            error = np.sqrt(np.mean((values.mean(axis=0) - truth) ** 2)) / np.nanstd(x[:, j])
            numbers.append({**row, "inside 90 %": float(np.mean((low <= truth) & (truth <= high))), "error": error})
    return pd.DataFrame(numbers), pd.DataFrame(names)
