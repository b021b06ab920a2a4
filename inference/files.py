"""Parquet and CSV files and Dask frames, read a part at a time.

pyarrow reads the files: it streams both formats a batch at a time with types that are told to it, names the column that
it cannot convert, and was there already for pandas' Parquet.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .cells import few, first_without_number, missing, reads_as_number
from .errors import DataError
from .frame import refuse_weights, with_weight
from .labels import read_labels
from .summary import Part

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 262_144  # rows in memory at a time
LABELS = 100  # different values up to which a column may hold labels


def too_many(names: Sequence[Any], target: str) -> bool:
    """Whether numbers are too many to be labels, and so a response. DataError for as many of another kind."""
    if len(names) <= LABELS:
        return False
    if all(isinstance(name, int | float) for name in names):
        return True
    raise DataError(f"'{target}' has more than {LABELS} different labels: {few(tuple(names))}; name another target.")


def is_dask(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] in ("dask", "dask_expr") and hasattr(data, "to_delayed")


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read, by name; features None: all that are left.

    labelled: whether the target holds labels whatever it looks like, as their names were given. whole: whether the
    features are all that were left, so that no part may have another.
    """

    target: str | None
    features: tuple[str, ...] | None
    weights: str | None
    labelled: bool = False
    whole: bool = False

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
            if name == "row":
                raise DataError(f"{where}: a column is named 'row', as the rows of every answer are; rename it.")
            if has.count(name) != 1:
                what = "is missing" if name not in has else "is there twice"
                raise DataError(f"{where}: column '{name}' {what}; the table has {', '.join(has)}.")
            if every.count(name) > 1:
                raise DataError(f"column '{name}' is asked for twice, as a feature, target or weights; name it once.")
        other = next((name for name in has if name not in every), None)
        if self.whole and other is not None:
            raise DataError(f"{where}: column '{other}' is in no part before; leave it out, or name the features.")
        return replace(self, features=features, whole=self.whole or self.features is None)


@dataclass(frozen=True)
class Pieces:
    """Where the rows can be read again."""

    pieces: tuple[Any, ...]
    columns: Columns

    def __iter__(self) -> Iterator[Part]:
        for piece in self.pieces:
            yield from piece.parts(self.columns)


def pieces(data: Any) -> Iterator[Any]:
    """The files that were named, each once, or the partitions of a Dask frame."""
    if is_dask(data):
        if not hasattr(data, "columns"):
            raise DataError(f"expected a Dask frame, got a Dask {type(data).__name__}; give it column names.")
        for i, one in enumerate(data.to_delayed()):
            yield Partition(one, f"partition {i}", tuple(map(str, data.columns)))
        return
    seen = set()
    for path in [data] if isinstance(data, str | Path) else data:
        for file in _files(Path(path)):
            if file.resolve() in seen:
                raise DataError(f"'{file}' is named twice, so its rows would count twice; name it once.")
            seen.add(file.resolve())
            yield File(file)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in (".parquet", ".csv"))
    if not found:
        raise DataError(f"the folder '{path}' holds no .parquet and no .csv file.")
    if len({file.suffix.lower() for file in found}) > 1 or any(file.parent != path for file in found):
        raise DataError(f"the folder '{path}' holds both kinds of files, or folders of them; name the files to read.")
    return found


@dataclass(frozen=True)
class File:
    """A Parquet or CSV file."""

    path: Path

    def complete(self, columns: Columns) -> Columns:
        """The columns with their features named, which this file must have."""
        return columns.of(self._has(), f"'{self.path}'")

    def _has(self) -> list[str]:
        import pyarrow as pa
        from pyarrow import csv, parquet

        if not self.path.is_file():
            raise DataError(f"'{self.path}' is no file; give the path of a Parquet or CSV file.")
        if self.path.suffix.lower() not in (".parquet", ".csv"):
            raise DataError(f"'{self.path}' ends in '{self.path.suffix}'; a .csv or .parquet file is read.")
        try:
            if self.path.suffix.lower() == ".parquet":
                schema = parquet.read_schema(self.path)
                index = (schema.pandas_metadata or {}).get("index_columns", [])
                return [name for name in schema.names if name not in index]  # pandas' row labels are no feature
            with csv.open_csv(self.path) as reader:
                return list(reader.schema.names)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error

    def parts(self, columns: Columns) -> Iterator[Part]:
        """The file's rows, CHUNK at a time."""
        columns = self.complete(columns)
        batches = self._parquet if self.path.suffix.lower() == ".parquet" else self._csv
        start = 0
        for batch in ahead(batches(columns)):
            if batch.num_rows:
                yield _part(batch, columns, f"'{self.path}'", start)
            start += batch.num_rows

    def _parquet(self, columns: Columns) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa
        from pyarrow import parquet

        with parquet.ParquetFile(self.path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                try:
                    yield from file.iter_batches(CHUNK, row_groups=[group], columns=columns.names)
                except (pa.ArrowException, OSError) as error:
                    raise _unreadable(self.path, error, f"row group {group}", _culprit(file, group, columns)) from error

    def _csv(self, columns: Columns) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa
        from pyarrow import csv

        numbers = [*columns.features, *([columns.weights] if columns.weights else [])]
        try:
            with csv.open_csv(self.path) as reader:  # True and False are numbers, too
                found = {name: reader.schema.field(name).type for name in numbers}
            types = {name: kind if pa.types.is_boolean(kind) else pa.float64() for name, kind in found.items()}
            yield from self._csv_as(columns.names, types)
        except (pa.ArrowException, OSError) as error:
            raise self._strange_cell(numbers) or _unreadable(self.path, error) from error

    def _csv_as(self, names: Sequence[str], types: dict[str, Any]) -> Iterator["pa.RecordBatch"]:
        from pyarrow import csv

        convert = csv.ConvertOptions(column_types=types, include_columns=names, strings_can_be_null=True)
        with csv.open_csv(self.path, csv.ReadOptions(block_size=1 << 22), convert_options=convert) as reader:
            yield from reader

    def _strange_cell(self, numbers: Sequence[str]) -> DataError | None:
        """The error that names the first cell of these columns that is no number, found by reading them as text."""
        import pyarrow as pa

        start = 0
        try:
            for batch in self._csv_as(numbers, {name: pa.string() for name in numbers}):
                for name in numbers:
                    values = batch.column(name).to_pylist()
                    i = next((i for i, v in enumerate(values) if v is not None and not reads_as_number(v)), None)
                    if i is not None:
                        return no_number(name, values[i], f"{start + i} of '{self.path}'")
                start += batch.num_rows
        except (pa.ArrowException, OSError):
            return None  # the file itself cannot be read, as the first error says
        return None


@dataclass(frozen=True)
class Partition:
    """A partition of a Dask frame."""

    delayed: Any
    name: str
    columns: tuple[str, ...]

    def complete(self, columns: Columns) -> Columns:
        """The columns with their features named, which the frame must have."""
        return columns.of(list(self.columns), "the Dask frame")

    def parts(self, columns: Columns) -> Iterator[Part]:
        """The partition's rows at once."""
        import dask

        try:
            (frame,) = dask.compute(self.delayed)
        except Exception as error:  # a user's graph may fail in any way
            raise cannot_compute(self.name, error) from error
        yield from of_partition(frame, columns, self.name)


def cannot_compute(name: str, error: Exception) -> DataError:
    return DataError(f"{name} cannot be computed: {type(error).__name__}: {' '.join(str(error).split())}")


def of_partition(frame: Any, columns: Columns, name: str) -> Iterator[Part]:
    import pyarrow as pa

    frame = frame.rename(columns=str)
    columns = columns.of(list(frame.columns), name)
    if len(frame):
        yield _part(pa.RecordBatch.from_pandas(frame[columns.names], preserve_index=False), columns, name, 0)


def _culprit(file: Any, group: int, columns: Columns) -> str | None:
    """The first column of a row group that cannot be read."""
    import pyarrow as pa

    for name in columns.names:
        try:
            file.read_row_group(group, columns=[name])
        except (pa.ArrowException, OSError):
            return name
    return None


def _unreadable(path: Path, error: Exception, where: str | None = None, column: str | None = None) -> DataError:
    place = [f"'{path}'", *([where] if where else []), *([f"column '{column}'"] if column else [])]
    return DataError(f"{', '.join(place)} cannot be read: {' '.join(str(error).split())}")


def _part(batch: "pa.RecordBatch", columns: Columns, where: str, start: int) -> Part:
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

    columns_of_x = [numbers(feature) for feature in columns.features]
    kind = np.float32 if all(column.dtype == np.float32 for column in columns_of_x) else np.float64
    x = np.empty((batch.num_rows, len(columns_of_x)), dtype=kind)
    for j, column in enumerate(columns_of_x):
        x[:, j] = column
    weights = None
    if columns.weights is not None:
        weights = numbers(columns.weights).astype(np.float64)
        refuse_weights(weights, name)
    y, names = np.full(len(x), -1), ()
    if columns.target is not None:
        y, names = _labels(batch.column(columns.target), columns.target, where)
        if not columns.labelled and too_many(names, columns.target):
            y, names = numbers(columns.target).astype(np.float64), None
            strange = np.flatnonzero(~np.isfinite(y))
            if len(strange):
                what = "missing" if np.isnan(y[strange[0]]) else y[strange[0]]
                raise DataError(
                    f"row {name(strange[0])}: the response '{columns.target}' is {what}; drop the row or fill it in."
                )
    return with_weight(Part(x, y, names, weights, name))


def no_number(column: str, value: Any, row: str) -> DataError:
    return DataError(
        f"column '{column}' holds {value!r} in row {row}, which is no number; correct it, or leave the column out "
        "(features=) or encode it."
    )


def _labels(column: "pa.Array", target: str, where: str) -> tuple[np.ndarray, tuple[Any, ...]]:
    import pyarrow as pa

    try:
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    except pa.ArrowNotImplementedError as error:
        raise DataError(f"'{target}' of {where} holds {column.type}, which are no labels; name another.") from error
    values = column.dictionary.to_pylist()
    places = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(int)
    if any(isinstance(value, bytes) for value in values):
        raise DataError(f"'{target}' of {where} holds text that is not UTF-8; write the file in that encoding.")
    codes, names = read_labels(values)
    return np.append(codes, -1)[places], names


def ahead(parts: Iterator[Any]) -> Iterator[Any]:
    """The same, each read while the one before it is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part
