"""Data of any kind, read once and summarised for one model."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from .declare import Declared
from .errors import DataError
from .stream import is_stream, summarise
from .structure import Structure, blank, structure
from .summary import Part, Summary, summary_of
from .table import check_columns, name_classes, read_labels, read_response, read_x, row_name


def evidence(
    model: Declared, x: Any, y: Any, target: str | None, labels: Sequence[Any] | None, weights: Any
) -> Summary:
    """The summary of a table, with y read as the model takes it: as labels, as a number, or not at all.

    x: a frame or an array, files or a Dask frame, or a Summary of them.
    """
    if isinstance(x, Summary) or is_stream(x):
        summary = x if isinstance(x, Summary) else summarise(x, y, target=target, labels=labels, weights=weights)
        if isinstance(x, Summary) and any(one is not None for one in (y, target, labels, weights)):
            raise DataError("a Summary holds y, target, labels and weights; give them to summarise instead.")
        shape = structure(model, blank(len(summary.columns), 2))
        if shape.classes is None and shape.has_y:
            summary = summary.with_response()
    else:
        summary, shape = _in_memory(model, x, y, target, labels, weights)
    if jax.process_count() == 1:  # of several, all see the same columns later
        check_columns(*summary.ends, summary.columns)
    no_label = summary.labels is not None and np.all(summary.few.y < 0)
    if no_label and shape.has_y and not (shape.generative and shape.classes):
        raise DataError(f"{model.name} has no hidden label to sum out and needs y; give one for every row.")
    if shape.classes is None:
        if labels is not None:
            raise DataError(f"{model.name} has no label, so labels name nothing; leave them out.")
        return summary
    if summary.labels is None:
        raise DataError(f"'{summary.target}' holds too many different numbers to be labels of {model.name}.")
    return summary if jax.process_count() > 1 else summary.named(names_of_classes(model, summary))


def _in_memory(
    model: Declared, x: Any, y: Any, target: str | None, labels: Sequence[Any] | None, weights: Any
) -> tuple[Summary, Structure]:
    values, columns = read_x(x, look=False)
    target = target_name(y, target, columns)
    shape = structure(model, blank(len(columns), 2))
    names: tuple[Any, ...] | None = ()
    codes = np.full(len(values), -1)
    if shape.classes and (y is not None or labels is not None):
        codes, names = read_labels([None] * len(values) if y is None else y, labels)
    elif y is not None and shape.has_y and not shape.classes:
        codes, names = read_response(y, target), None
    elif y is not None:
        codes = np.full(len(y), -1)
    if len(codes) != len(values):
        raise DataError(f"x has {len(values)} rows but y has {len(codes)}; give one y for every row.")
    part = Part(values, codes, names, read_weights(weights, values, x), partial(row_name, x))
    return summary_of(part, columns, target, full=False), shape


def read_weights(weights: Any, values: np.ndarray, x: Any) -> np.ndarray | None:
    """How many rows each row stands for, as float64; DataError for what is no such number."""
    if weights is None:
        return None
    array = read_response(weights, "weights") if np.ndim(weights) == 1 and np.ptp(weights) > 0 else np.asarray(weights)
    if array.shape != (len(values),):
        raise DataError(f"x has {len(values)} rows but weights has shape {array.shape}; give one weight a row.")
    bad = np.flatnonzero(~(array >= 0))
    if len(bad):
        raise DataError(f"row {row_name(x, bad[0])}: the weight is {array[bad[0]]}; a weight is 0 or more.")
    if array.sum() == 0:
        raise DataError("all weights are 0; give some row a weight.")
    return array.astype(np.float64)


def target_name(y: Any, target: str | None, columns: Sequence[str]) -> str:
    """What the user calls y."""
    target = target or getattr(y, "name", None)
    target = str(target) if target is not None else next(n for n in ("y", "label", "class_") if n not in columns)
    if target in columns:
        raise DataError(f"'{target}' is the target and a column of x, too; take it out of x.")
    if target == "row":
        raise DataError("the target is named 'row', as the rows of every answer are; rename it.")
    return target


def names_of_classes(model: Declared, summary: Summary) -> tuple[Any, ...]:
    """The names of all classes of the model."""
    names, rows = summary.labels, summary.rows
    hidden = summary.moments is None or bool(np.any(summary.label == len(names)))
    if len(names) == 1 and not hidden:
        raise DataError(f"every row has the label {names[0]!r}; a model of labels needs at least two.")
    if len(names) > 20 and len(names) > rows / 2:
        raise DataError(
            f"'{summary.target}' has {len(names)} different labels in {rows} rows; for a numeric response use a "
            "model of one, such as linear_regression."
        )
    # A model that follows the number of labels in the data has another number where the data have another.
    own, two, three = (structure(model, blank(len(summary.columns), k)).classes for k in (len(names), 2, 3))
    if own > rows:
        raise DataError(f"{own} components need as many rows, got {rows}.")
    return name_classes(names, own, fixed=two == three)
