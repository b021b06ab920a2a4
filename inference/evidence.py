"""Data of any kind, read once and summarised for one model."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from .cells import few
from .declare import Declared
from .errors import DataError
from .frame import frame_summary
from .labels import name_classes, read_labels, read_response
from .stream import is_stream, summarise
from .structure import Structure, blank, structure
from .summary import Summary
from .table import EXTREME, Schema, check_columns, kinds_of


def evidence(
    model: Declared, x: Any, y: Any, target: str | None, labels: Sequence[Any] | None, weights: Any
) -> Summary:
    """The summary of a table, with y read as the model takes it: as labels, as a number, or not at all.

    x: a frame or an array, files or a Dask frame, or a Summary of them.
    """
    if isinstance(x, Summary) or is_stream(x):
        asked = {"target": target, "labels": labels, "weights": weights, "named": model.takes_kinds}
        summary = x if isinstance(x, Summary) else summarise(x, y, **asked)
        if isinstance(x, Summary) and any(one is not None for one in (y, target, labels, weights)):
            raise DataError("a Summary holds y, target, labels and weights; give them to summarise instead.")
        if not model.takes_kinds:
            summary = summary.of_numbers(model.name)
        shape = structure(model, blank(len(summary.columns), 2, summary.kinds), summary.columns)
        if shape.classes is None and shape.has_y:
            summary = summary.with_response()
    else:
        read_y, named = partial(_read_y, model, labels), model.takes_kinds
        summary = frame_summary(x, y, read_y, weights, target=target, full=False, named=named)
        shape = structure(model, blank(len(summary.columns), 2, summary.kinds), summary.columns)
    if jax.process_count() == 1:  # of several, all see the same columns later
        check_columns(*summary.ends, summary.columns, summary.levels, units=model.takes_spec)
    y = summary.few.y
    if summary.labels is None and summary.rows > 0 and model.takes_spec and np.all(y == y[0]):
        raise DataError(
            f"the response '{summary.target}' is {y[0]:g} in every row, and the priors of {model.name} are in units of "
            "its spread; give rows that differ, or a model function of your own that does not ask for spec."
        )
    if summary.labels is None and summary.rows > 0 and np.abs(y).max() > EXTREME:
        raise DataError(f"the response '{summary.target}' spans {y.min():g} to {y.max():g}; give it in another unit.")
    no_label = summary.labels is not None and np.all(summary.label == len(summary.labels))
    if no_label and shape.has_y and not (shape.generative and shape.classes):
        raise DataError(f"{model.name} has no hidden label to sum out and needs y; give y, or what labels are known.")
    if shape.classes is None:
        if labels is not None:
            raise DataError(f"{model.name} has no label, so labels name nothing; leave them out.")
        return summary
    if summary.labels is None:
        raise DataError(f"'{summary.target}' holds too many different numbers to be labels of {model.name}.")
    return summary if jax.process_count() > 1 else summary.named(names_of_classes(model, summary))


def _read_y(
    model: Declared, labels: Sequence[Any] | None, y: Any, schema: Schema
) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    levels = schema.levels
    kinds = kinds_of(levels) if model.takes_kinds else ()
    shape = structure(model, blank(len(levels), 2, kinds), schema.columns)
    if shape.classes:
        return read_labels([] if y is None else y, _labels_that_columns_say(model, shape, levels, labels))
    if y is not None and shape.has_y:
        return read_response(y, schema.target), None
    return np.full(0 if y is None else len(y), -1), ()


def _labels_that_columns_say(
    model: Declared, shape: Structure, levels: tuple[Any, ...], labels: Sequence[Any] | None
) -> Sequence[Any] | None:
    """``labels``, or the names in the columns where these are labels: where a site holds labels by labels said."""
    if not any("label_2" in site.dims for _, site in shape.sites):
        return labels
    other = next((names for names in levels if names != levels[0]), None)
    if other is not None or (labels is not None and tuple(labels) != levels[0]):
        other = tuple(labels) if other is None else other
        raise DataError(
            f"the columns of {model.name} hold labels, all of one list, and got {few(levels[0])} beside {few(other)}; "
            "make the columns categories of one list, as by .astype(pandas.CategoricalDtype(names))."
        )
    return levels[0]


def names_of_classes(model: Declared, summary: Summary) -> tuple[Any, ...]:
    """The names of all classes of the model."""
    names, rows = summary.labels, summary.rows
    hidden = bool(np.any(summary.label == len(names)))
    if len(names) == 1 and not hidden:
        raise DataError(f"every row has the label {names[0]!r}; a model of labels needs at least two.")
    if len(names) > 20 and len(names) > rows / 2:
        raise DataError(
            f"'{summary.target}' has {len(names)} different labels in {rows} rows; for a numeric response use a "
            "model of one, such as linear_regression."
        )
    # A model that follows the number of labels in the data has another number where the data have another.
    own, two, three = (
        structure(model, blank(len(summary.columns), k, summary.kinds)).classes for k in (len(names), 2, 3)
    )
    if own > rows:
        raise DataError(f"{own} components need as many rows, got {rows}.")
    return name_classes(names, own, fixed=two == three)
