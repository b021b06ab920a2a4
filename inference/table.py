"""Tables and labels in: checked once, named for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import narwhals.stable.v1 as nw
import numpy as np

from ..models.spec import Spec
from .errors import DataError


@dataclass(frozen=True)
class Schema:
    """The user's own names: columns, target and, where y is a label, the labels in the order of their codes."""

    columns: tuple[str, ...]
    target: str
    labels: tuple[Any, ...] | None


def read_x(x: Any, schema: Schema | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """A float64 array (rows, features), NaN where a value is missing, and its column names.

    A frame is matched to ``schema`` by name, an array by position.
    Raises DataError for an empty table, text, infinite values and columns that do not match.
    """
    try:
        frame = nw.from_native(x, eager_only=True)
    except TypeError:
        values = np.asarray(x, dtype=np.float64)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2:
            raise DataError(f"expected a table of rows and columns, got an array of shape {values.shape}.") from None
        columns = schema.columns if schema else tuple(f"x{j}" for j in range(values.shape[1]))
        if values.shape[1] != len(columns):
            raise DataError(f"expected {len(columns)} columns ({', '.join(columns)}), got {values.shape[1]}.") from None
    else:
        columns = schema.columns if schema else tuple(map(str, frame.columns))
        absent = [name for name in columns if name not in frame.columns]
        if absent:
            raise DataError(f"column '{absent[0]}' is missing; the table has {', '.join(frame.columns)}.")
        values = np.column_stack([_numbers(frame[name]) for name in columns]) if columns else np.empty((0, 0))
    if values.size == 0:
        raise DataError(f"expected at least one row and one column, got shape {values.shape}.")
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        i, j = infinite[0]
        raise DataError(f"row {i}, column '{columns[j]}' is {values[i, j]}; replace it by a number or a missing value.")
    return values, columns


def _numbers(column: Any) -> np.ndarray:
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        first = next((v for v in column.to_list() if v is not None), None)
        raise DataError(f"column '{column.name}' holds {first!r}, not numbers; leave it out or encode it.")
    return np.array([np.nan if v is None else v for v in column.to_list()], dtype=np.float64)


def check_columns(x: np.ndarray, columns: Sequence[str]) -> None:
    """Raise DataError for a column that carries no information: all missing, or constant."""
    for j, name in enumerate(columns):
        seen = x[~np.isnan(x[:, j]), j]
        if len(seen) == 0:
            raise DataError(f"column '{name}' has no value at all; leave it out.")
        if np.all(seen == seen[0]):
            raise DataError(f"column '{name}' is constant ({seen[0]:g} in every row); leave it out.")


def missing_feature(model: str, row: int, column: str) -> DataError:
    """The error of a model that is asked about a row with a missing feature and has no P(x)."""
    return DataError(
        f"row {row}, column '{column}' is missing, and {model} has no P(x) to integrate it out; "
        "drop or fill the row, or use a generative model such as gaussian_naive_bayes."
    )


def read_labels(y: Any, labels: Sequence[Any] | None = None) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Codes 0..K-1 with -1 for a missing label, and the label names, sorted where they can be.

    Raises DataError where a label is not among ``labels``.
    """
    values = np.asarray(y, dtype=object).ravel().tolist()
    missing = [v is None or v != v for v in values]
    present = [v for v, m in zip(values, missing, strict=True) if not m]
    if labels is None:
        unique = dict.fromkeys(present)
        try:
            labels = sorted(unique)
        except TypeError:
            labels = list(unique)
    code = {label: k for k, label in enumerate(labels)}
    strange = next((i for i, (v, m) in enumerate(zip(values, missing, strict=True)) if not m and v not in code), None)
    if strange is not None:
        raise DataError(f"row {strange}: label {values[strange]!r} is not one of {', '.join(map(str, labels))}.")
    return np.array([-1 if m else code[v] for v, m in zip(values, missing, strict=True)]), tuple(labels)


def read_response(y: Any, target: str) -> np.ndarray:
    """A numeric response as float64, shape (rows,). Raises DataError for text, missing and infinite values."""
    values = np.asarray(y).ravel()
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"the response '{target}' must be numeric, got {values[0]!r} in row 0; "
            "for labels use a model of labels, such as softmax_regression."
        ) from None
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise DataError(f"row {bad[0]}: the response '{target}' is {numbers[bad[0]]}; drop the row or fill it in.")
    return numbers


def make_spec(x: np.ndarray, y: np.ndarray | None, classes: int) -> Spec:
    """Sizes and units of the table; y is a numeric response or None. Leaves are float64 under x64."""
    return Spec(
        loc=jnp.asarray(np.nanmean(x, axis=0)),
        scale=jnp.asarray(np.nanstd(x, axis=0)),
        y_loc=jnp.asarray(0.0 if y is None else y.mean()),
        y_scale=jnp.asarray(1.0 if y is None else max(y.std(), np.finfo(float).tiny)),
        rows=len(x),
        features=x.shape[1],
        classes=max(classes, 2),
    )
