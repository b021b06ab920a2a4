"""A frame or an array in memory, read once and summarised."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np

from .cells import row_name
from .errors import DataError
from .summary import Part, Summary, summary_of
from .table import Schema, read_x

ReadY = Callable[[Any, Schema], tuple[np.ndarray, tuple[Any, ...] | None]]  # of y, and x's names and y's


def frame_summary(
    x: Any,
    y: Any,
    read_y: ReadY,
    weights: Any,
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    schema: Schema | None = None,
    full: bool,
    named: bool,
) -> Summary:
    """The summary of x, and of y as ``read_y`` makes codes and label names of it, or responses and None.

    features: columns of x, all by default. schema: names that columns and target must have. full: with covariances.
    named: whether columns of names and counts are kept as such.
    """
    values, columns, levels = read_x(x, schema, look=False, named=named)
    y = one_column(y)
    if features is not None:
        chosen = chosen_columns(features)
        absent = [name for name in chosen if name not in columns]
        if absent:
            raise DataError(f"column '{absent[0]}' is missing; the table has {', '.join(columns)}.")
        index = [columns.index(name) for name in chosen]
        values, columns, levels = values[:, index], chosen, tuple(levels[j] for j in index) if levels else ()
    target = target_name(y, target, columns) if schema is None else schema.target
    codes, names = read_y(y, Schema(columns, target, None, levels or (None,) * len(columns)))
    codes = np.full(len(values), -1) if y is None else codes
    if len(codes) != len(values):
        raise DataError(f"x has {len(values)} rows but y has {len(codes)}; give one y for every row.")
    part = Part(values, codes, names, read_weights(weights, values, x), partial(row_name, x))
    return replace(summary_of(with_weight(part), columns, target, full=full), levels=levels)


def one_column(y: Any) -> Any:
    """y itself, or the column of a frame that has one. DataError for a frame of several."""
    try:
        frame = nw.from_native(y, eager_only=True)
    except TypeError:
        return y
    if len(frame.columns) != 1:
        raise DataError(f"y is one column, got a frame of {len(frame.columns)}: {', '.join(map(str, frame.columns))}.")
    return frame[:, 0].to_native()


def with_weight(part: Part) -> Part:
    """The rows but those of weight 0, which stand for none."""
    if part.weights is None or np.all(part.weights > 0):
        return part
    there = np.flatnonzero(part.weights > 0)
    return replace(part.take(there), name=lambda i: part.name(there[i]))


def chosen_columns(features: Sequence[str]) -> tuple[str, ...]:
    """Column names that were asked for; DataError for none, for one twice, and for a text in place of several."""
    if isinstance(features, str):
        raise DataError(f"features are several names, got the text '{features}'; give a list of one.")
    chosen = tuple(map(str, features))
    twice = next((name for name in chosen if chosen.count(name) > 1), None)
    if twice is not None or not chosen:
        raise DataError("features name no column." if not chosen else f"column '{twice}' is asked for twice.")
    return chosen


def read_weights(weights: Any, values: np.ndarray, x: Any) -> np.ndarray | None:
    """How many rows each row stands for, as float64; DataError for what is no such number."""
    if weights is None:
        return None
    array = np.asarray(weights)
    if array.dtype.kind not in "iufbO":
        raise DataError(f"weights are numbers, one a row, got {type(weights).__name__} of {array.dtype}.")
    try:
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"weights are numbers, one a row, got {type(weights).__name__} with other entries.") from None
    if array.shape != (len(values),):
        raise DataError(f"x has {len(values)} rows but weights has shape {array.shape}; give one weight a row.")
    refuse_weights(array, partial(row_name, x))
    refuse_total(float(array.sum()))
    return array


def refuse_total(total: float) -> None:
    """Raise DataError for weights that add up to less than a row."""
    if total < 1:
        raise DataError(
            f"the weights add up to {total:g}, less than one row; a weight says how many rows a row stands for."
        )


def refuse_weights(weights: np.ndarray, name: Callable[[int], Any]) -> None:
    """Raise DataError for a weight that is negative, infinite or missing. name: how the user calls row i."""
    bad = np.flatnonzero(~((weights >= 0) & (weights < np.inf)))
    if len(bad):
        raise DataError(f"row {name(bad[0])}: the weight is {weights[bad[0]]}; a weight is a number of at least 0.")


def target_name(y: Any, target: str | None, columns: Sequence[str]) -> str:
    """What the user calls y."""
    target = target or getattr(y, "name", None)
    target = str(target) if target is not None else next(n for n in ("y", "label", "class_") if n not in columns)
    if target in columns:
        raise DataError(f"'{target}' is the target and a column of x, too; take it out of x.")
    if target == "row":
        raise DataError("the target is named 'row', as the rows of answers are; rename it.")
    return target
