"""Tables in: checked once, named for ever."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax.numpy as jnp
import narwhals.stable.v1 as nw
import numpy as np
import pandas as pd
from narwhals.exceptions import DuplicateError

from ..models.spec import COUNT, Spec
from .cells import NUMBER, as_floats, few, first_without_number, missing, row_name
from .errors import DataError
from .labels import FLOATS, read_labels

EMPTY = "expected at least one row and one column, got {} rows and {} columns."
LARGE = 1 << 28  # bytes from which on an array is not copied
EXTREME = 1e100  # squares of larger numbers, and of the inverses of smaller ones, leave float64
TAKEN = ("row", "draw")  # dimensions of answers that have a variable for each column, which may not have their names


NEARLY, ENOUGH = 0.01, 20  # share of cells up to which it is said that all others are counts, of so many at least
COUNTS = "counts"  # stands for the names of a column of whole numbers of at least 0


@dataclass(frozen=True)
class Schema:
    """The user's own names: columns, target and, where y is a label, the labels in the order of their codes.

    levels: of each column the names that its codes stand for, COUNTS or None; empty where all are numbers.
    """

    columns: tuple[str, ...]
    target: str
    labels: tuple[Any, ...] | None
    levels: tuple[Any, ...] = ()

    @property
    def each_levels(self) -> tuple[Any, ...]:
        """Of every column its entry of levels, None for numbers."""
        return self.levels or (None,) * len(self.columns)


def kinds_of(levels: tuple[Any, ...]) -> tuple[int, ...]:
    """What columns are, as a model sees it in Spec."""
    return tuple(COUNT if names == COUNTS else len(names or ()) for names in levels)


def read_x(
    x: Any, schema: Schema | None = None, *, look: bool = True, named: bool = False
) -> tuple[np.ndarray, tuple[str, ...], tuple[Any, ...]]:
    """An array (rows, features), NaN where a value is missing, its column names, and what its codes stand for.

    named: columns of text, categories and truth values are names, and those of whole numbers of at least 0 counts;
    otherwise, all must be numbers. With a schema, its own columns of names are.
    float32 and float64 come as they are, and uncopied from 256 MiB on; anything else as float64.
    A frame is matched to ``schema`` by name, an array by position. look: for infinite values, unless a pass over the
    rows will do so anyway.
    Raises DataError for an empty table, text, infinite values and columns that do not match.
    """
    levels: tuple[Any, ...] = schema.levels if schema else ()
    if isinstance(x, np.ndarray) and x.dtype.kind in "OSU" and x.ndim == 2 and (named or levels):
        x = pd.DataFrame(x, columns=schema.columns if schema else [f"x{j}" for j in range(x.shape[1])]).infer_objects()
    try:
        frame = nw.from_native(x, eager_only=True)
        has = list(map(str, frame.columns))
        twice = next((name for name in has if has.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"two columns are named '{twice}'; give each a name of its own.")
    except DuplicateError as error:
        twice = str(error).partition("'")[2].partition("'")[0]
        raise DataError(f"two columns are named '{twice}'; give each a name of its own.") from None
    except TypeError:
        values, columns = _array(x, schema)
        if named and schema is None and np.asarray(x).dtype.kind in "iu" and np.all(values >= 0):
            levels = (COUNTS,) * len(columns)
    else:
        values, columns, levels = _frame(frame, has, schema, named)
    if look and not np.isfinite(
        values.sum(dtype=np.float64)
    ):  # NaN or infinite; a sum is cheaper than a look at each cell
        refuse_infinite(values, columns, partial(row_name, x))
    if schema is not None:
        refuse_no_counts(values, columns, levels, partial(row_name, x))
    return values, columns, levels


def refuse_no_counts(values: np.ndarray, columns: Sequence[str], levels: tuple[Any, ...], name: Callable) -> None:
    """Raise DataError for a cell of a column of counts that is none. name: how the user calls row i."""
    if COUNTS not in levels:
        return
    counts = np.array([names == COUNTS for names in levels])
    bad = np.argwhere(counts & ((values < 0) | (np.floor(values) < values)))
    if len(bad):
        i, j = bad[0]
        raise DataError(
            f"row {name(i)}, column '{columns[j]}' is {values[i, j]:g}, but it held counts, whole numbers of at least "
            "0, where the model was fitted; correct it."
        )


def refuse_infinite(values: np.ndarray, columns: Sequence[str], name: Callable[[int], Any]) -> None:
    """Raise DataError for an infinite cell. name: how the user calls row i."""
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        i, j = infinite[0]
        raise DataError(
            f"row {name(i)}, column '{columns[j]}' is {values[i, j]}; replace it by a number or a missing value."
        )


def _array(x: Any, schema: Schema | None) -> tuple[np.ndarray, tuple[str, ...]]:
    if isinstance(x, np.ma.MaskedArray):
        x = x.astype(np.float64).filled(np.nan)
    try:
        raw = np.asarray(x)
        if raw.dtype.kind in "cMmSU" or isinstance(x, dict):
            raise TypeError
        # What is kept must not change with the user's array, unless a copy would cost too much.
        copy = schema is None and raw.nbytes < LARGE
        values = raw.astype(raw.dtype if raw.dtype in FLOATS else np.float64, copy=copy)
    except OverflowError:
        across = raw.size // len(raw)
        called = "row {}, column {} (from 0)".format
        values = as_floats(raw.ravel().tolist(), lambda i: called(*divmod(i, across))).reshape(raw.shape)
    except (TypeError, ValueError):
        hint = "call its .collect() first" if hasattr(x, "collect") else "leave out or encode text"
        raise DataError(f"expected a table of numbers, got {type(x).__name__}; {hint}.") from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise DataError(f"expected a table of rows and columns, got an array of shape {values.shape}.")
    if values.size == 0:
        raise DataError(EMPTY.format(*values.shape))
    columns = schema.columns if schema else tuple(f"x{j}" for j in range(values.shape[1]))
    if values.shape[1] != len(columns):
        raise DataError(
            f"expected {len(columns)} columns ({', '.join(columns)}), got {values.shape[1]}; "
            "one row is an array of shape (1, columns)."
        )
    return values, columns


def _frame(
    frame: Any, has: list[str], schema: Schema | None, named: bool
) -> tuple[np.ndarray, tuple[str, ...], tuple[Any, ...]]:
    columns = schema.columns if schema else tuple(has)
    absent = [name for name in columns if name not in has]
    if absent:
        raise DataError(f"column '{absent[0]}' is missing; the table has {', '.join(has)}.")
    if len(frame) == 0 or not columns:
        raise DataError(EMPTY.format(len(frame), len(has)))
    native = frame.to_native()
    kinds = set(frame.schema.values())
    if len(kinds) == 1 and kinds <= {nw.Float32, nw.Float64}:
        values = (frame if list(columns) == has else frame.select(*columns)).to_numpy()
        if values.dtype in FLOATS and not (schema and schema.levels):
            return values, columns, ()
    known = schema.each_levels if schema else (None,) * len(columns)
    read, levels = [], []
    for name, names in zip(columns, known, strict=True):
        column = frame[:, has.index(name)]
        if column.dtype == nw.Object and (isinstance(names, tuple) or named):
            _refuse_mixed(column.to_list(), name, native)
        if isinstance(names, tuple) or (schema is None and named and _holds_names(column)):
            codes, names = _codes(column, name, names, native)
            read.append(codes)
        else:
            read.append(_numbers(column, name, native))
            if schema is None and named and column.dtype.is_integer() and not np.any(read[-1] < 0):
                names = COUNTS
        levels.append(names)
    return np.column_stack(read), columns, tuple(levels) if any(names is not None for names in levels) else ()


def _holds_names(column: Any) -> bool:
    if column.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Boolean):
        return True
    return column.dtype == nw.Object and all(isinstance(v, str | bool) for v in column.to_list() if not missing(v))


def _refuse_mixed(values: list[Any], name: str, native: Any) -> None:
    """DataError for truth values beside numbers, which Python holds equal."""
    is_truth = np.array([isinstance(value, bool | np.bool_) for value in values])
    is_number = np.array([isinstance(value, NUMBER) and not missing(value) for value in values]) & ~is_truth
    if is_truth.any() and is_number.any():
        fewer, others = (is_number, "True or False") if is_number.sum() <= is_truth.sum() else (is_truth, "numbers")
        i = int(fewer.argmax())
        raise DataError(
            f"row {row_name(native, i)}, column '{name}' is {values[i]}, where others hold {others}; use one kind."
        )


def nearly_counts(values: np.ndarray, columns: Sequence[str], levels: tuple[Any, ...], name: Callable) -> list[str]:
    """A sentence for each column of numbers that would be counts but for few cells. name: how the user calls row i."""
    said = []
    for j, names in enumerate(levels or (None,) * len(columns)):
        column = values[:, j]
        odd = np.flatnonzero((column < 0) | (np.floor(column) < column))
        whole = np.count_nonzero(~np.isnan(column)) - len(odd)
        if names is None and 0 < len(odd) <= max(1, whole * NEARLY) and whole >= ENOUGH:
            said.append(
                f"column '{columns[j]}' is taken for numbers, as row {name(odd[0])} is {column[odd[0]]:g}; all but "
                f"{len(odd)} of {whole + len(odd)} rows hold whole numbers of at least 0; correct it if all are."
            )
    return said


def _codes(column: Any, name: str, names: tuple[Any, ...] | None, native: Any) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Codes of a column's names, NaN where one is missing, and the names: all categories that it declares."""
    if names is None and column.dtype in (nw.Categorical, nw.Enum):
        names = tuple(column.cat.get_categories().to_list())
    codes, found = read_labels(column.to_list(), None)
    names = found if names is None else names
    found = tuple(one if one in names else str(one) for one in found)  # text that looks like numbers, read from a file
    strange = next((one for one in found if one not in names), None)
    if strange is not None:
        row = row_name(native, int((codes == found.index(strange)).argmax()))
        raise DataError(f"row {row}, column '{name}' is {strange!r}, which is not one of {few(names)}.")
    place = np.array([*(names.index(one) for one in found), np.nan])
    return place[codes], names


def _numbers(column: Any, name: str, native: Any) -> np.ndarray:
    if column.dtype.is_numeric():
        array = column.to_numpy()
        if array.dtype.kind in "iuf":  # NaN where a value is missing
            return array.astype(np.float64)
    values = column.to_list()
    if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
        strange = first_without_number(values)
        if strange is not None:
            raise DataError(
                f"column '{name}' holds {values[strange]!r} in row {row_name(native, strange)}, which is no number; "
                "correct it, or leave the column out or encode it."
            )
    return as_floats(values, lambda i: f"row {row_name(native, i)}, column '{name}'")


def check_columns(
    low: np.ndarray, high: np.ndarray, columns: Sequence[str], levels: tuple[Any, ...], *, units: bool
) -> None:
    """Raise DataError for a column that carries no information, or whose size leaves float64.

    low, high: least and greatest value of each column, NaN of one that has none. units: whether each column must have
    one, its standard deviation; a model that asks for none may have a column of ones, or a single row.
    """
    for name, names, least, most in zip(
        columns, levels or (None,) * len(columns), low.tolist(), high.tolist(), strict=True
    ):
        if name in TAKEN:
            raise DataError(f"a column is named '{name}', as the {name}s of answers are; rename it.")
        if np.isnan(least):
            raise DataError(f"column '{name}' has no value at all; leave it out.")
        if least == most and units:
            said = repr(names[int(least)]) if isinstance(names, tuple) else f"{least:g}"
            if isinstance(names, tuple) or abs(least) < 2**53:
                raise DataError(f"column '{name}' is constant ({said} in every row); leave it out.")
            what = f"column '{name}' is {said} in every row, as far as float64 tells such numbers apart"
            raise DataError(f"{what}; leave it out, or subtract its least value from it.")
        if max(abs(least), abs(most)) > EXTREME or 0 < most - least < 1 / EXTREME:
            raise DataError(f"column '{name}' spans {least:g} to {most:g}; give it in another unit.")


def missing_feature(model: str, row: int, column: str, generative: bool = False) -> DataError:
    """The error of a model that has no P(x), or none of fewer columns, and is asked about a row that misses one."""
    if generative:
        return DataError(
            f"row {row}, column '{column}' is missing, which cannot be integrated out of P(x) of {model}; drop or fill "
            "the row."
        )
    return DataError(
        f"row {row}, column '{column}' is missing, and {model} has no P(x) to integrate it out; "
        "drop or fill the row, or use a generative model such as gaussian_naive_bayes."
    )


def in_own_kind(column: np.ndarray, names: Any) -> np.ndarray:
    """A column of codes as its names, of counts as whole numbers, of numbers as it is; names: its entry of levels."""
    if isinstance(names, tuple):
        return np.array(names)[column.astype(int)]
    return column.astype(int) if names == COUNTS else column


def make_spec(x: np.ndarray, y: np.ndarray | None, classes: int) -> Spec:
    """Sizes and units of the table; y is a numeric response or None. Leaves are float64 under x64."""
    return Spec(
        loc=jnp.asarray(np.nanmean(x, axis=0)),
        scale=jnp.asarray(np.nanstd(x, axis=0)),
        y_loc=jnp.asarray(0.0 if y is None else y.mean()),
        y_scale=jnp.asarray(1.0 if y is None else y.std()),
        rows=len(x),
        features=x.shape[1],
        classes=max(classes, 2),
    )
