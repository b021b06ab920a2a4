"""What a fit's ``to_arviz()`` says of the rows that were seen, and of their labels, without the fit."""

import json
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import softmax

from ..inference.errors import DataError

COLUMNS = 4  # columns that are shown or tested: those that differ most between labels or, without labels, the first


@dataclass(frozen=True)
class Seen:
    """The user's rows and names.

    x: (rows, columns), NaN where a cell is missing. y: of each row a number, or a code, -1 where its label is hidden;
    None where the model has none. levels: of each column the names of its codes, COUNTS, or None. labels: in the order
    of their codes.
    """

    x: np.ndarray
    y: np.ndarray | None
    columns: list[str]
    levels: list[tuple[str, ...] | str | None]
    labels: list[str]
    target: str


def seen(tree: xr.DataTree) -> Seen:
    """From the groups ``observed_data`` and ``constant_data`` that ``to_arviz()`` makes of a fit that has its rows.

    Raises DataError for any other tree.
    """
    if "observed_data" not in tree:
        raise DataError("the tree has no rows (no group observed_data), as of a fit to files; fit rows of a table.")
    observed = tree["observed_data"].to_dataset()
    given = tree["constant_data"].to_dataset() if "constant_data" in tree else xr.Dataset()
    x, y = (next((rows[name] for rows in (observed, given) if name in rows), None) for name in ("x", "y"))
    if x is None or "levels" not in x.attrs:
        raise DataError("the tree does not say what its columns are; take what to_arviz() makes, as it is.")
    levels = [tuple(one) if isinstance(one, list) else one for one in json.loads(x.attrs["levels"])]
    return Seen(
        x=x.values,
        y=None if y is None else y.values,
        columns=[str(name) for name in x.feature.values],
        levels=levels,
        labels=[str(label) for label in observed["class"].values] if "class" in observed.coords else [],
        target="" if y is None else y.attrs["long_name"],
    )


def response(tree: xr.DataTree) -> Seen:
    """The same, of a tree whose y is a number. Raises DataError for any other."""
    rows = seen(tree)
    if rows.labels:
        raise DataError(
            f"'{rows.target}' is a label, and no number; see plot_confusion or plot_probabilities_by_class."
        )
    if rows.y is None:
        raise DataError("the model has no y, which this picture is of.")
    return rows


def label_posterior(tree: xr.DataTree) -> np.ndarray:
    """P(y = k | x_i, D) of the rows, (rows, labels). Raises DataError where the tree has no labels."""
    return _group(tree, "label_posterior", "a fit of rows by labels")["p"].values


def labelled(tree: xr.DataTree, probability: np.ndarray | None) -> tuple[list[str], np.ndarray, np.ndarray, str]:
    """The labels, and of rows whose label is known its code and P(y = k), (rows, labels); and the target's name.

    Raises DataError where no label is known.
    """
    rows = seen(tree)
    if not rows.labels or rows.y is None or not np.any(rows.y >= 0):
        raise DataError("no row has a label that is known, which this picture needs.")
    known = rows.y >= 0
    p = label_posterior(tree) if probability is None else np.asarray(probability)
    return rows.labels, rows.y[known].astype(int), p[known], rows.target


def known_or_assigned(tree: xr.DataTree) -> np.ndarray:
    """Codes of the rows' labels, the most probable where none is known; 0 of a model without labels."""
    rows = seen(tree)
    if not rows.labels:
        return np.zeros(len(rows.x), dtype=int)
    assigned = label_posterior(tree).argmax(axis=1)
    return assigned if rows.y is None else np.where(rows.y >= 0, rows.y, assigned).astype(int)


def by_label(tree: xr.DataTree) -> list[tuple[str, np.ndarray, int]]:
    """Each label's name, its rows and its code, and last the rows whose label is hidden, -1; of some there are none."""
    rows = seen(tree)
    y = np.full(len(rows.x), -1) if rows.y is None or not rows.labels else rows.y
    groups = [(label, y == k, k) for k, label in enumerate(rows.labels)]
    return [*groups, ("all rows" if np.all(y < 0) else "label hidden", y < 0, -1)]


def telling_columns(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The COLUMNS whose means differ most between codes, in units of the column's standard deviation."""
    there = ~np.isnan(x)
    every = np.arange(codes.max() + 1)[:, None] == codes  # (labels, rows)
    count = every @ there
    centres = np.divide(every @ np.where(there, x, 0.0), count, out=np.full(count.shape, np.nan), where=count > 0)
    return np.argsort(-np.nanstd(centres, axis=0) / np.nanstd(x, axis=0), kind="stable")[:COLUMNS]


def predicted(tree: xr.DataTree) -> np.ndarray:
    """x of the group ``posterior_predictive``, (draws and rows, features).

    Raises DataError for a model that declares no x.
    """
    drawn = _group(tree, "posterior_predictive", "a fit of rows")
    if "x" not in drawn:
        raise DataError("the model takes x as given, and predicts none.")
    return drawn["x"].values.reshape(-1, drawn.sizes["feature"])


def draws_of_x(tree: xr.DataTree, code: int) -> tuple[np.ndarray, np.ndarray]:
    """x ~ P(x | y = code, theta), or P(x | theta) where code is -1, (rows, features), and which draw each is of.

    A draw is numbered as in the stacked dims (chain, draw) of the group ``class_conditional``. Raises DataError where
    the model does not answer P(x).
    """
    drawn = class_conditional(tree)
    x = drawn["x"].stack(s=("chain", "draw")).transpose("sample", "s", "class", "feature").values
    draw = np.tile(np.arange(x.shape[1]), x.shape[0])
    flat = x.reshape(-1, *x.shape[2:])
    if code >= 0:
        return flat[:, code], draw
    steps = np.exp(log_label_prior(tree)).cumsum(axis=1)[draw, :-1]
    codes = (np.random.default_rng(0).random((len(draw), 1)) > steps).sum(axis=1)
    return flat[np.arange(len(flat)), codes], draw


def log_label_prior(tree: xr.DataTree) -> np.ndarray:
    """log P(y = k | theta) at the draws of ``draws_of_x``, (draws, labels)."""
    drawn = class_conditional(tree)
    return drawn["log_label_prior"].stack(s=("chain", "draw")).transpose("s", "class").values


def generated(tree: xr.DataTree, code: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """n different rows of ``draws_of_x``, or all where these are fewer: x ~ P(x | y = code, D).

    Naming a label is evidence about the parameters, so that each row counts by P(y = code | theta).
    """
    x, draw = draws_of_x(tree, code)
    weights = softmax(log_label_prior(tree)[:, code])[draw] if code >= 0 else np.ones(len(x))
    return x[by_weight(weights, n, rng)]


def by_weight(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n different numbers, or all where these are fewer, each drawn in proportion to its weight among those left.

    Those of the largest log w_i + G_i, G_i of Gumbel's distribution (Vieira 2014).
    """
    return np.argsort(-(np.log(np.maximum(weights, 1e-300)) + rng.gumbel(size=len(weights))))[:n]


def class_conditional(tree: xr.DataTree) -> xr.Dataset:
    """The group of that name. Raises DataError where the model does not answer P(x)."""
    return _group(tree, "class_conditional", "a model that answers P(x)")


def _group(tree: xr.DataTree, name: str, of: str) -> xr.Dataset:
    if name not in tree:
        raise DataError(f"the tree has no group {name}, as to_arviz() makes of {of}.")
    return tree[name].to_dataset()
