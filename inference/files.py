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

from .errors import DataError
from .frame import refuse_weights
from .summary import Part
from .table import few, missing, read_labels

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
    """The columns of a table that are read, by name; features None: all that are left."""

    target: str | None
    features: tuple[str, ...] | None
    weights: str | None

    @property
    def names(self) -> list[str]:
        return [*self.features, *(name for name in (self.target, self.weights) if name is not None)]

    def of(self, has: Sequence[str], where: str) -> "Columns":
        """The same with the features named, where a table ``has`` these columns. DataError where one is missing."""
        features = self.features
        if features is None:
            features = tuple(name for name in has if name not in (self.target, self.weights))
        for name in (*features, self.target, self.weights):
            if name is not None and has.count(name) != 1:
                what = "is missing" if name not in has else "is there twice"
                raise DataError(f"{where}: column '{name}' {what}; the table has {', '.join(has)}.")
        return replace(self, features=features)


@dataclass(frozen=True)
class Pieces:
    """Where the rows can be read again."""

    pieces: tuple[Any, ...]
    columns: Columns

    def __iter__(self) -> Iterator[Part]:
        for piece in self.pieces:
            yield from piece.parts(self.columns)


def pieces(data: Any) -> Iterator[Any]:
    if is_dask(data):
        for i, one in enumerate(data.to_delayed()):
            yield Partition(one, f"partition {i}", tuple(map(str, data.columns)))
        return
    for path in [data] if isinstance(data, str | Path) else data:
        path = Path(path)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in (".parquet", ".csv"))
            if not inside:
                raise DataError(f"the folder '{path}' holds no .parquet and no .csv file.")
            yield from map(File, inside)
        else:
            yield File(path)


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
                return list(parquet.read_schema(self.path).names)
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
                yield _part(batch, columns, self.path.name, start)
            start += batch.num_rows

    def _parquet(self, columns: Columns) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa
        from pyarrow import parquet

        with parquet.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                try:
                    yield from file.iter_batches(CHUNK, row_groups=[group], columns=columns.names)
                except (pa.ArrowException, OSError) as error:
                    raise _unreadable(self.path, error, f"row group {group}", _culprit(file, group, columns)) from error

    def _csv(self, columns: Columns) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa
        from pyarrow import csv

        numbers = [*columns.features, *([columns.weights] if columns.weights else [])]
        convert = csv.ConvertOptions(
            column_types={name: pa.float64() for name in numbers},
            include_columns=columns.names,
            strings_can_be_null=True,
        )
        try:
            with csv.open_csv(self.path, csv.ReadOptions(block_size=1 << 24), convert_options=convert) as reader:
                yield from reader
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error


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

        (frame,) = dask.compute(self.delayed)
        yield from of_partition(frame, columns, self.name)


def of_partition(frame: Any, columns: Columns, name: str) -> Iterator[Part]:
    import pyarrow as pa

    columns = columns.of(list(map(str, frame.columns)), name)
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

    arrays = [batch.column(feature) for feature in columns.features]
    for feature, array in zip(columns.features, arrays, strict=True):
        if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type) or pa.types.is_boolean(array.type)):
            value = next((v for v in array.to_pylist() if not missing(v)), None)
            raise DataError(
                f"column '{feature}' of {where} holds {value!r}, which is no number; leave it out (features=) or "
                "encode it."
            )
    kind = np.float32 if all(array.type == pa.float32() for array in arrays) else np.float64
    x = np.empty((batch.num_rows, len(arrays)), dtype=kind)
    for j, array in enumerate(arrays):
        array = array.cast(pa.int8()) if pa.types.is_boolean(array.type) else array
        x[:, j] = array.to_numpy(zero_copy_only=False)
    weights = None
    if columns.weights is not None:
        weights = np.asarray(batch.column(columns.weights).to_numpy(zero_copy_only=False), dtype=np.float64)
        refuse_weights(weights, name)
    if columns.target is None:
        return Part(x, np.full(len(x), -1), (), weights, name)
    codes, names = _labels(batch.column(columns.target))
    if too_many(names, columns.target):
        y = batch.column(columns.target).to_numpy(zero_copy_only=False).astype(np.float64)
        strange = np.flatnonzero(~np.isfinite(y))
        if len(strange):
            raise DataError(f"row {name(strange[0])}: the response '{columns.target}' is {y[strange[0]]}.")
        return Part(x, y, None, weights, name)
    return Part(x, codes, names, weights, name)


def _labels(column: "pa.Array") -> tuple[np.ndarray, tuple[Any, ...]]:
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary.to_pylist()
    places = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(int)
    codes, names = read_labels(values)
    return np.append(codes, -1)[places], names


def ahead(parts: Iterator[Any]) -> Iterator[Any]:
    """The same, each read while the one before it is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part
