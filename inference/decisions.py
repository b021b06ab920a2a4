"""What to do about a label: act under costs, refuse to name one, and say what one is unsure about."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .cells import few
from .errors import DataError, QueryError
from .labels import read_labels
from .queries import log_joint, log_label_posterior, rows_of

if TYPE_CHECKING:
    from .fit import Fit

CELLS = 4_000_000  # draws x rows x labels held at a time


def decide(fit: "Fit", x: Any, cost: Any) -> xr.Dataset:
    """The action of least expected cost for each row: argmin_a sum_k P(y = k | x_i) cost(k, a).

    (Bishop 2006, eq. 1.81.) cost: what action a costs where the label is k, a frame with a row a label and a column an
    action, or {label: {action: cost}}. Answers ``decision``, dims (row), and ``expected_cost``, dims (row, action).
    """
    table = _costs(fit, cost)
    expected = np.exp(log_label_posterior(fit, x)).dot(table, dim="label")
    best = table.action.values[expected.argmin("action").values]
    return xr.Dataset({"decision": ("row", best), "expected_cost": expected})


def _costs(fit: "Fit", cost: Any) -> xr.DataArray:
    labels = fit.label_coordinate.tolist()
    if isinstance(cost, Mapping):
        rows = {label: dict(of) for label, of in cost.items()}
    elif hasattr(cost, "to_dict") and hasattr(cost, "index"):
        twice = cost.index[cost.index.duplicated()]
        if len(twice):
            raise DataError(f"a cost has a row for each label, got two of {twice[0]!r}.")
        rows = cost.to_dict("index")
    else:
        raise DataError(
            f"a cost is a frame with a row a label and a column an action, or {{label: {{action: cost}}}}, got "
            f"{type(cost).__name__}."
        )
    if set(rows) != set(labels):
        raise DataError(f"a cost has a row for each of the labels {few(labels)}, got {few(list(rows))}.")
    actions = list(rows[labels[0]])
    if not actions:
        raise DataError("a cost has a column for each action, got none.")
    values = np.empty((len(labels), len(actions)))
    for k, label in enumerate(labels):
        if set(rows[label]) != set(actions):
            raise DataError(
                f"label {label!r} has costs of {few(list(rows[label]))}, but {few(actions)} are the actions."
            )
        for a, action in enumerate(actions):
            one = rows[label][action]
            try:  # of a column of which one cell is no number, all may be text
                values[k, a] = float(one)
            except (TypeError, ValueError):
                values[k, a] = np.nan
            if not np.isfinite(values[k, a]):
                raise DataError(f"the cost of {action!r} where the label is {label!r} is {one!r}; give a number.")
    return xr.DataArray(values, {"label": fit.label_coordinate, "action": actions}, ("label", "action"))


def reject(fit: "Fit", x: Any, *, cost: float) -> xr.Dataset:
    """The most probable label of each row, ``rejected`` where 1 - P(label | x_i) is more than ``cost``.

    Chow's rule (1970): the least expected cost where a wrong label costs 1, a right one 0 and naming none ``cost``.
    Answers ``label``, ``probability`` and ``rejected``, dims (row). ``cost_of_error`` finds the cost for an error rate.
    """
    if isinstance(cost, bool) or not isinstance(cost, int | float | np.number) or not 0 <= cost <= 1:
        raise DataError(f"cost is that of naming no label, between 0 and 1, that of a wrong one; got {cost!r}.")
    posterior = np.exp(log_label_posterior(fit, x))
    top = posterior.max("label").values
    best = posterior.label.values[posterior.argmax("label").values]
    return xr.Dataset(
        {"label": ("row", best), "probability": ("row", top), "rejected": ("row", 1 - top > cost)},
        {"row": posterior.row},
    )


def accuracy_coverage(fit: "Fit", x: Any, y: Any) -> xr.Dataset:
    """How many rows keep a label, and how many of those are right, as the cost of naming none falls.

    x, y: rows that the fit has not seen, with their labels. Answers as ``accuracy_coverage_of``.
    """
    posterior = np.exp(log_label_posterior(fit, x)).values
    codes, _ = read_labels(y, fit.schema.labels)
    if len(codes) != len(posterior):
        raise DataError(f"give a label for each of the {len(posterior)} rows, got {len(codes)}.")
    if np.any(codes < 0):
        raise DataError(f"rows {few(np.flatnonzero(codes < 0).tolist())} have no label; leave them out of x and y.")
    return accuracy_coverage_of(posterior, codes)


def accuracy_coverage_of(probability: np.ndarray, codes: np.ndarray) -> xr.Dataset:
    """The curve of label probabilities, (rows, labels), against the labels' codes, (rows).

    ``coverage``, ``accuracy`` and ``cost`` along ``kept``, the number of rows that keep their label, the surest first;
    of equally sure rows, all are kept together.
    """
    top, right = probability.max(axis=1), probability.argmax(axis=1) == codes
    order = np.argsort(-top, kind="stable")
    top, right = top[order], np.cumsum(right[order])
    last = np.flatnonzero(np.append(np.diff(top) < 0, True))  # of rows that are equally sure
    kept = last + 1
    values = {"coverage": kept / len(top), "accuracy": right[last] / kept, "cost": 1 - top[last]}
    return xr.Dataset({name: ("kept", value) for name, value in values.items()}, {"kept": kept})


def cost_of_error(fit: "Fit", x: Any, y: Any, *, error: float) -> float:
    """The greatest cost for ``reject`` at which, of rows that keep their label, at most a share ``error`` is wrong.

    x, y: rows that the fit has not seen. Raises QueryError where even the surest rows are wrong more often. Other rows
    are wrong somewhat more often, as the cost was chosen on these, and the more so the fewer they are.
    """
    return cost_of_error_on(accuracy_coverage(fit, x, y), error=error)


def cost_of_error_on(curve: xr.Dataset, *, error: float) -> float:
    """``cost_of_error`` on a curve of ``accuracy_coverage``."""
    if isinstance(error, bool) or not isinstance(error, int | float | np.number) or not 0 <= error <= 1:
        raise DataError(f"error is a share of wrong labels between 0 and 1, got {error!r}.")
    wrong = np.round((1 - curve.accuracy.values) * curve.kept.values)  # a whole number, as shares are rounded
    good = curve.cost.values[wrong <= error * curve.kept.values * (1 + 1e-12)]
    if not len(good):
        least = float(1 - curve.accuracy.max())
        raise QueryError(
            f"no cost has an error rate of {error:g} on these rows; the least that one has is {least:.3g}."
        )
    return float(good.max())


def label_uncertainty(fit: "Fit", x: Any) -> xr.Dataset:
    """What is unsure about each row's label, in nats: ``total`` = ``aleatoric`` + ``epistemic``, dims (row).

    total: the entropy of P(y | x_i, D). aleatoric: what would be left if the parameters were known, the mean entropy of
    P(y | x_i, theta). epistemic: their difference, the mutual information of label and parameters, which more rows
    would take away (Depeweg et al. 2018, eq. 5). Means are over theta given D and, of a generative model, x_i too,
    which is evidence about the parameters. 0 epistemic for a point estimate.
    """
    if fit.shape.classes is None:
        raise QueryError(f"{fit.model.name} has no label to be unsure about; ask predict(x).")
    values = rows_of(fit, x)
    draws = fit.draws_shape[0] * fit.draws_shape[1]
    size = max(1, CELLS // (draws * fit.shape.classes))
    total, aleatoric = np.empty(len(values)), np.empty(len(values))
    for start in range(0, len(values), size):
        rows = values[start : start + size]
        if fit.shape.generative:
            joint = log_joint(fit, rows, draws=True).stack(s=("chain", "draw")).transpose("s", "row", "label").values
            log_x = np.logaddexp.reduce(joint, axis=-1)
            weight = np.exp(log_x - log_x.max(axis=0))
            each = np.exp(joint - log_x[..., None])
        else:
            each = np.exp(log_label_posterior(fit, rows, draws=True))
            each = each.stack(s=("chain", "draw")).transpose("s", "row", "label").values
            weight = np.ones(each.shape[:2])
        weight /= weight.sum(axis=0)
        total[start : start + size] = _entropy(np.einsum("sr,srk->rk", weight, each))
        aleatoric[start : start + size] = (weight * _entropy(each)).sum(axis=0)
    answers = {"total": total, "aleatoric": aleatoric, "epistemic": np.maximum(total - aleatoric, 0.0)}
    return xr.Dataset({name: ("row", value) for name, value in answers.items()}, {"row": np.arange(len(values))})


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=-1)
