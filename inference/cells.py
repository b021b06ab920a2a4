"""Single entries of tables, and what sentences call rows, names and numbers."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from .errors import DataError

MOST = float(np.finfo(np.float64).max)
NUMBER = int | float | Decimal | np.number | np.bool_


def missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas' NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # NA compares to NA, which has no truth value
        return True


def first_without_number(values: Sequence[Any]) -> int | None:
    """Where the first entry that is no number is, preferably text that does not even read as one; None without one."""
    strange = [i for i, v in enumerate(values) if not (missing(v) or isinstance(v, NUMBER))]
    return next((i for i in strange if not reads_as_number(values[i])), next(iter(strange), None))


def as_floats(values: Sequence[Any], called: Callable[[int], str]) -> np.ndarray:
    """Numbers as float64, NaN where one is missing. DataError for a whole number beyond it. called: what entry i is."""
    try:
        return np.array([np.nan if missing(value) else value for value in values], dtype=np.float64)
    except OverflowError:
        i = next(i for i, value in enumerate(values) if isinstance(value, int) and abs(value) > MOST)
        raise DataError(f"{called(i)} is beyond {MOST:.2g}, which float64 ends at; correct it.") from None


def reads_as_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not (isinstance(value, str) and "_" in value)  # 1_000 is one to Python, and to no file


def row_name(data: Any, i: int) -> Any:
    """How the user calls row i: a pandas object's own index, else the number from 0."""
    index = getattr(data, "index", None)
    return i if index is None or callable(index) else index[i]


def few(names: Sequence[Any], most: int = 12) -> str:
    """Names for a sentence, the first ones where there are many."""
    shown = ", ".join(map(str, names[:most]))
    return shown if len(names) <= most else f"{shown}, ... ({len(names)} in all)"


def whole(value: Any, name: str, least: int) -> int:
    """A whole number of at least ``least``; DataError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise DataError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    return int(value)
