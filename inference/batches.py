"""Rows as pyarrow reads them, and which columns of them are asked for, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .cells import few, first_without_number, missing
from .errors import DataError
from .frame import refuse_weights, with_weight
from .labels import read_labels
from .summary import Part, recoded
from .table import TAKEN, refuse_no_counts

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = 100  # different values up to which a column may hold labels


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read, by name; features None: all that are left.

    labelled: whether the target holds labels whatever it looks like. labels: all names that it may hold, None where
    any will do. known: names that it holds elsewhere, which are not read as missing values. whole: whether the features
    are all that were left, so that no part may have another. levels: of each feature the names that are read as codes,
    COUNTS or None; empty where all are numbers. kind: pyarrow's name of what a CSV's target holds, where its first
    block does not tell.
    """

    target: str | None
    features: tuple[str, ...] | None
    weights: str | None
    labelled: bool = False
    labels: tuple[Any, ...] | None = None
    known: tuple[Any, ...] = ()
    whole: bool = False
    levels: tuple[Any, ...] = ()
    kind: str | None = None

    @property
    def names_of(self) -> dict[str, tuple[Any, ...]]:
        """The features that are read as codes, and of what."""
        return {f: names for f, names in zip(self.features, self.levels, strict=False) if isinstance(names, tuple)}

    def known_of(self, name: str) -> tuple[Any, ...]:
        """The names that a column holds, as far as they are known, of which some may look like missing values."""
        return (*self.known, *(self.labels or ())) if name == self.target else self.names_of.get(name, ())

    @property
    def text(self) -> list[str]:
        """The features that are read as text."""
        return [feature for feature, names in self.names_of.items() if isinstance(names[0], str)]

    @property
    def names(self) -> list[str]:
        return [*self.features, *(name for name in (self.target, self.weights) if name is not None)]

    def of(self, has: Sequence[str], where: str) -> "Columns":
        """The same with the features named, where a table ``has`` these columns. DataError where one is missing."""
        if "" in has:
            raise DataError(f"{where} has a column without a name, as an index has; name it, or write without it.")
        features = self.features
        if features is None:
            features = tuple(name for name in has if name not in (self.target, self.weights))
        if not features:
            raise DataError(f"{where} has no column but {' and '.join(has)}; there is none for x.")
        every = replace(self, features=features).names
        for name in every:
            if name in TAKEN:
                raise DataError(f"{where}: a column is named '{name}', as the {name}s of answers are; rename it.")
            if has.count(name) != 1:
                what = "is missing" if name not in has else "is there twice"
                raise DataError(f"{where}: column '{name}' {what}; the table has {', '.join(has)}.")
            if every.count(name) > 1:
                raise DataError(f"column '{name}' is asked for twice, as a feature, target or weights; name it once.")
        other = next((name for name in has if name not in every), None)
        if self.whole and other is not None:
            raise DataError(f"{where}: column '{other}' is in no part before; leave it out, or name the features.")
        return replace(self, features=features, whole=self.whole or self.features is None)


def part_of(batch: "pa.RecordBatch", columns: Columns, where: str, start: int) -> Part:
    """A batch as arrays, with the file and the row of each row for errors."""
    import pyarrow as pa

    def name(i: int) -> str:
        return f"{start + i} of {where}"

    def numbers(column: str) -> np.ndarray:
        array = batch.column(column)
        if pa.types.is_null(array.type) or pa.types.is_boolean(array.type):
            array = array.cast(pa.float64() if pa.types.is_null(array.type) else pa.int8())
        if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type)):
            values = array.to_pylist()
            strange = first_without_number(values)
            if strange is not None:
                raise no_number(column, values[strange], name(strange))
            return np.array([np.nan if missing(value) else value for value in values], dtype=np.float64)
        return array.to_numpy(zero_copy_only=False)

    named = columns.names_of
    columns_of_x = [
        _codes(batch.column(one), one, named[one], where, start) if one in named else numbers(one)
        for one in columns.features
    ]
    kind = np.float32 if all(column.dtype == np.float32 for column in columns_of_x) else np.float64
    x = np.empty((batch.num_rows, len(columns_of_x)), dtype=kind)
    for j, column in enumerate(columns_of_x):
        x[:, j] = column
    refuse_no_counts(x, columns.features, columns.levels, name)
    weights = None
    if columns.weights is not None:
        weights = numbers(columns.weights).astype(np.float64)
        refuse_weights(weights, name)
    y, names = np.full(len(x), -1), ()
    if columns.target is not None:
        categories = columns.target in categories_of_pandas(batch.schema)
        y, names = labels_of(batch.column(columns.target), columns.target, where, categories=categories)
        if columns.labels is not None:
            part = recoded(Part(x, y, names, None, name), columns.labels)
            y, names = part.y, part.labels
        there = names if len(names) <= LABELS else [names[k] for k in np.unique(y[y >= 0])]  # of categories, few may be
        if not columns.labelled and too_many(there, columns.target):
            y, names = numbers(columns.target).astype(np.float64), None
            strange = np.flatnonzero(~np.isfinite(y))
            if len(strange):
                what = "missing" if np.isnan(y[strange[0]]) else y[strange[0]]
                raise DataError(
                    f"row {name(strange[0])}: the response '{columns.target}' is {what}; drop the row or fill it in."
                )
    return with_weight(Part(x, y, names, weights, name))


def _codes(column: "pa.Array", feature: str, names: tuple[Any, ...], where: str, start: int) -> np.ndarray:
    """Places among names of the entries of a column, NaN where one is missing."""
    codes, found = labels_of(column, feature, where)
    found = tuple(one if one in names else str(one) for one in found)  # a column of numbers, of which text was read
    place = np.array([*(names.index(one) if one in names else len(names) for one in found), np.nan])[codes]
    strange = np.flatnonzero(place == len(names))
    if len(strange):
        i = strange[0]
        raise DataError(
            f"row {start + i} of {where}, column '{feature}' is {found[codes[i]]!r}, which is not one of {few(names)}."
        )
    return place


def no_number(column: str, value: Any, row: str) -> DataError:
    return DataError(
        f"column '{column}' holds {value!r} in row {row}, which is no number; correct it, or leave the column out "
        "(features=) or encode it."
    )


def labels_of(
    column: "pa.Array", target: str, where: str, *, categories: bool = False
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Codes of the entries of a column, -1 where one is missing, and the different ones, sorted.

    Of categories all, in their order: of ordered ones, and of pandas', which remembers them.
    """
    import pyarrow as pa

    try:
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    except pa.ArrowNotImplementedError as error:
        raise DataError(f"'{target}' of {where} holds {column.type}, which are no labels; name another.") from error
    values = column.dictionary.to_pylist()
    places = column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)  # polars' are unsigned
    if any(isinstance(value, bytes) for value in values):
        raise DataError(f"'{target}' of {where} holds bytes, or text that is not UTF-8; write text in that encoding.")
    ordered = column.type.ordered
    codes, names = read_labels(values, values if ordered or categories else None)
    names = tuple(names) if categories and not ordered else names
    return np.append(codes, -1)[places], names


def categories_of_pandas(schema: "pa.Schema") -> set[str]:
    """The columns that were pandas' categories, whose order is kept though they may be unordered."""
    import pyarrow as pa

    told = (schema.pandas_metadata or {}).get("columns", [])
    named = {one["name"] for one in told if one["pandas_type"] == "categorical"}
    return {name for name in named if name in schema.names and pa.types.is_dictionary(schema.field(name).type)}


def flattened_categories(schema: "pa.Schema") -> dict[str, bool]:
    """The columns that were pandas' categories of numbers, which Parquet keeps as numbers, and whether in an order."""
    import pyarrow as pa

    told = (schema.pandas_metadata or {}).get("columns", [])
    named = {
        one["name"]: bool((one["metadata"] or {}).get("ordered")) for one in told if one["pandas_type"] == "categorical"
    }
    there = (name for name in schema.names if not pa.types.is_dictionary(schema.field(name).type))
    return {name: named[name] for name in there if name in named}


def too_many(names: Sequence[Any], target: str) -> bool:
    """Whether numbers are too many to be labels, and so a response. DataError for as many of another kind."""
    if len(names) <= LABELS:
        return False
    if all(isinstance(name, int | float) for name in names):
        return True
    raise DataError(f"'{target}' has more than {LABELS} different labels: {few(tuple(names))}; name another target.")
