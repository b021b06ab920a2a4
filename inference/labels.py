"""Labels and responses in: codes and their names, or numbers."""

from collections.abc import Hashable, Iterable
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd

from .cells import as_floats, few, first_without_number, missing, row_name
from .errors import DataError

FLOATS = (np.float32, np.float64)


def read_labels(y: Any, labels: Iterable[Any] | None = None) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Codes 0..K-1 with -1 for a missing label, and the label names, sorted where they can be.

    Of categories, the names that occur, in the categories' order.

    Raises DataError where a label is not among ``labels``, or where names are equal.
    """
    codes, present = _factorized(y)
    if (codes < 0).any() and all(isinstance(v, float) and v % 1 == 0 for v in present):
        present = [int(v) for v in present]  # whole numbers that were made floats for want of a missing integer
    if labels is None:
        try:
            labels = sorted(present)
        except TypeError:
            labels = present
        categories = categories_of(y)
        if categories is not None:
            labels = type(categories)(name for name in categories if name in set(present))
        ordered = isinstance(labels, Ordered)
    else:
        ordered = True
    labels = (Ordered if ordered else tuple)(_plain(labels))
    code = {label: k for k, label in enumerate(labels)}
    if len(code) < len(labels):
        raise DataError(f"labels must differ from one another, got {', '.join(map(str, labels))}.")
    strange = next((k for k, value in enumerate(present) if value not in code), None)
    if strange is not None:
        row = row_name(y, int((codes == strange).argmax()))
        raise DataError(f"row {row}: label {present[strange]!r} is not one of {few(labels)}.")
    return np.array([*(code[value] for value in present), -1])[codes], labels


class Ordered(tuple):
    """Names in an order that was given: those of ordered categories, or of ``labels=``."""

    __slots__ = ()


def categories_of(y: Any) -> tuple[Any, ...] | None:
    """The categories of a column in their order, those that do not occur, too; None for a column without."""
    kind = getattr(y, "dtype", None)
    if isinstance(kind, pd.CategoricalDtype):
        return (Ordered if kind.ordered else tuple)(_plain(kind.categories))
    if type(kind).__name__ == "Enum":  # polars'
        return Ordered(_plain(kind.categories))
    arrow = getattr(y, "type", None)  # pyarrow's; text that is only stored so has no order
    if getattr(arrow, "ordered", False) and len(y):
        column = y.unify_dictionaries().chunk(0) if hasattr(y, "chunk") else y
        return Ordered(column.dictionary.to_pylist())
    return None


def union_of_names(a: tuple[Any, ...], b: tuple[Any, ...], what: str) -> tuple[Any, ...]:
    """The names of two parts together, in the order of the one whose order was given and that has all; else sorted.

    Names that stand in no order of the alphabet, though none was given, as of categories that are not ordered, stay in
    theirs, and new ones come last. Raises DataError where orders that were given differ, or do not say where a name
    of the other part stands.
    """
    if not a or not b:
        return a or b
    new, given = [name for name in b if name not in a], [isinstance(names, Ordered) for names in (a, b)]
    same = [name for name in a if name in b] == [name for name in b if name in a]
    if not same and (all(given) or (given[1] and not set(a) <= set(b))):
        raise DataError(f"{what} are in the order {few(a)} in one part and {few(b)} in another; use one order.")
    if given[1] and set(a) <= set(b):
        return b if new or not given[0] else a
    if not new and (given[0] or given[1]):
        return a
    if any(given):
        strange = new[0] if given[0] else next(name for name in a if name not in b)
        raise DataError(
            f"{what} are {few(a)} in one part and {few(b)} in another, and where {strange!r} stands among the others "
            "is not said; give all names in their order, as ordered categories."
        )
    if set(a) <= set(b) and same:
        return b
    if not new:
        return a
    try:
        own = list(a) != sorted(a)
    except TypeError:  # names of several kinds, in the order in which they came
        own = False
    return (*a, *new) if own else read_labels([*a, *new])[1]


def read_response(y: Any, target: str) -> np.ndarray:
    """A numeric response as float64, shape (rows,). Raises DataError for text, missing and infinite values."""
    as_it_is = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype in FLOATS
    values = y if as_it_is else _plain(y)
    strange = None if as_it_is else first_without_number(values)
    if strange is not None:
        raise DataError(
            f"the response '{target}' must be numeric, got {values[strange]!r} in row {row_name(y, strange)}; correct "
            "it, or for labels use a model of labels, such as softmax_regression."
        )
    numbers = (
        np.array(y, dtype=np.float64)
        if as_it_is
        else as_floats(values, lambda i: f"row {row_name(y, i)}: the response '{target}'")
    )
    empty = np.flatnonzero(np.isnan(numbers))
    if len(empty):
        raise DataError(f"row {row_name(y, empty[0])}: the response '{target}' is missing; drop the row or fill it in.")
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise DataError(
            f"row {row_name(y, bad[0])}: the response '{target}' is {numbers[bad[0]]}; drop the row or fill it in."
        )
    return numbers


def name_classes(labels: tuple[Any, ...], classes: int, fixed: bool) -> tuple[Any, ...]:
    """Names of all classes of a model: those seen, and new ones for classes that no row shows.

    ``fixed``: the model sets the number of classes itself. There, integers below it are the classes' own numbers.
    Raises DataError where more labels were seen than the model has classes.
    """
    integers = all(isinstance(label, int) and not isinstance(label, bool) for label in labels)
    if fixed and integers and all(0 <= label < classes for label in labels):
        return tuple(range(classes))
    if len(labels) > classes:
        raise DataError(
            f"the model has {classes} classes, but y has {len(labels)} labels: {few(labels)}; keep the rows of "
            f"{classes} of them, or use a model of more labels."
        )
    text = any(isinstance(label, str) for label in labels)
    numbers = range(2 * classes + len(labels))
    spare = (name for name in (map(str, numbers) if text else numbers) if name not in labels)
    return labels + tuple(next(spare) for _ in range(classes - len(labels)))


def _factorized(y: Any) -> tuple[np.ndarray, list[Any]]:
    """Codes of the entries of a column, -1 where one is missing, and what they stand for.

    Typed columns by a hash table in C, as there may be many rows.
    """
    try:
        column = nw.from_native(y, series_only=True)
        plain = column.dtype.is_integer() or column.dtype.is_float() or column.dtype in (nw.Boolean, nw.String)
        array = column.to_numpy() if plain else None
    except TypeError:
        array = y if isinstance(y, np.ndarray) and not isinstance(y, np.ma.MaskedArray) else None
    if array is not None and array.ndim == 1 and array.dtype.kind in "iufb":
        codes, unique = pd.factorize(array)
        return codes, unique.tolist()
    values = _plain(y)
    known = [value for value in values if not missing(value)]
    try:
        place = {value: k for k, value in enumerate(dict.fromkeys(known))}
        codes = np.fromiter((place.get(value, -1) for value in values), dtype=np.int64, count=len(values))
    except TypeError:
        strange = next(value for value in values if not isinstance(value, Hashable))
        raise DataError(f"a label must be hashable, as text and numbers are, got {strange!r}.") from None
    if bool in (kinds := set(map(type, known))) and kinds & {int, float}:
        raise DataError("labels mix True or False with numbers, which Python holds equal; use one kind.")
    return codes, list(place)


def _plain(values: Any) -> list[Any]:
    """The entries of a column, as Python values where NumPy's stand for them."""
    try:
        listed = nw.from_native(values, series_only=True).to_list()
    except TypeError:
        if isinstance(values, np.ma.MaskedArray):
            values = values.astype(object).filled(None)
        # pandas' arrays are listed as they are: NumPy makes floats of whole numbers where one is missing.
        array = values if isinstance(values, list | tuple) or hasattr(values, "isna") else np.asarray(values)
        if isinstance(array, np.ndarray) and array.dtype.kind in "iufb":
            return array.ravel().tolist()
        listed = list(np.ravel(array)) if isinstance(array, np.ndarray) else list(array)  # tolist() of dates: integers
    return [value.item() if isinstance(value, np.number | np.bool_ | np.str_) else value for value in listed]
