"""Tables larger than memory: Parquet and CSV files, and Dask frames, summarised a part at a time.

pyarrow reads them: it streams both formats a batch at a time with types that are told to it, names the column that it
cannot convert, and was there already for pandas' Parquet.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import DataError
from .progress import bar
from .summary import Part, Summary, summary_of
from .table import few, missing, read_labels, read_response, read_x, row_name

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 262_144  # rows in memory at a time
LABELS = 100  # different numbers up to which a column may hold labels


def summarise(
    data: Any,
    y: Any = None,
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    labels: Sequence[Any] | None = None,
    weights: Any = None,
    covariances: bool = True,
    client: Any = None,
) -> Summary:
    """What one pass over a table keeps of it, which every fitter takes in its place: ``nuts(model, summarise(...))``.

    data: Parquet or CSV files (a path, a folder or several paths), a Dask frame, or a frame or array in memory.
    Of files, target and weights name columns; of a frame in memory, y and weights hold them. features: the columns
    of x; by default all others. A number with more than 100 different values is read as a response, anything else as
    labels, which a model of a response takes, too. NaN and null are missing values.
    covariances: with whole scatter matrices, as a regression needs them; naive Bayes does without.
    client: a dask.distributed.Client whose workers read the files.

    The moments of parts merge, so that the pass takes the memory of a part. Raises DataError for a file that cannot be
    read, and for a part with other columns; it names file, row and column.
    """
    if not is_stream(data):
        return _of_frame(data, y, target, labels, weights, covariances)
    if y is not None:
        raise DataError("y is a column of the files: name it as target.")
    columns = Columns(target, None if features is None else tuple(features), weights)
    parts = list(_pieces(data))
    columns = parts[0].complete(columns)
    summaries = _on_workers(client, parts, columns, covariances) if client else _here(parts, columns, covariances)
    total = None
    for summary in summaries:
        total = summary if total is None else _together(total, summary)
    if total is None:
        raise DataError("the files have no rows; give some with at least one.")
    total = replace(total, sources=(Pieces(tuple(parts), columns),))
    if labels is None or total.labels is None:
        return total
    strange = [name for name in total.labels if name not in labels]
    if strange:
        raise DataError(f"label {strange[0]!r} is not one of {few(tuple(labels))}.")
    return total.named(tuple(labels))


def is_stream(data: Any) -> bool:
    """Whether data are files or a Dask frame, and not a table in memory."""
    several = isinstance(data, list | tuple) and len(data) > 0 and all(isinstance(one, str | Path) for one in data)
    return several or isinstance(data, str | Path) or _is_dask(data)


def _is_dask(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] in ("dask", "dask_expr") and hasattr(data, "to_delayed")


def _of_frame(data: Any, y: Any, target: str | None, labels: Any, weights: Any, covariances: bool) -> Summary:
    from .evidence import read_weights, target_name

    values, columns = read_x(data, look=False)
    target = target_name(y, target, columns)
    codes, names = (np.full(len(values), -1), ()) if y is None else read_y(y, labels, target)
    if len(codes) != len(values):
        raise DataError(f"x has {len(values)} rows but y has {len(codes)}; give one y for every row.")
    part = Part(values, codes, names, read_weights(weights, values, data), partial(row_name, data))
    return summary_of(part, columns, target, full=covariances)


def read_y(y: Any, labels: Sequence[Any] | None, target: str) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    """Codes and names of labels, or responses and None where y has too many different numbers to be labels."""
    codes, names = read_labels(y, labels)
    if labels is None and len(names) > LABELS and all(isinstance(n, int | float) for n in names):
        return read_response(y, target), None
    return codes, names


def _together(total: Summary, new: Summary) -> Summary:
    total = total.merge(new)
    if total.labels is None or len(total.labels) <= LABELS:
        return total
    if all(isinstance(name, int | float) for name in total.labels):
        return total.with_response()
    raise DataError(f"'{total.target}' has more than {LABELS} different labels: {few(total.labels)}.")


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


def _pieces(data: Any) -> Iterator[Any]:
    if _is_dask(data):
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
        yield from _of_partition(frame, columns, self.name)


def _of_partition(frame: Any, columns: Columns, name: str) -> Iterator[Part]:
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
        bad = np.flatnonzero(~(weights >= 0))
        if len(bad):
            raise DataError(f"row {name(bad[0])}: the weight is {weights[bad[0]]}; a weight is 0 or more.")
    if columns.target is None:
        return Part(x, np.full(len(x), -1), (), weights, name)
    codes, names = _labels(batch.column(columns.target))
    if len(names) > LABELS and all(isinstance(n, int | float) for n in names):
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


def _here(pieces: Sequence[Any], columns: Columns, full: bool) -> Iterator[Summary]:
    with bar(desc="rows", unit=" rows", unit_scale=True) as shown:
        for piece in pieces:
            for part in piece.parts(columns):
                yield _summary(part, columns, full)
                shown.update(len(part.x))


def _summary(part: Part, columns: Columns, full: bool) -> Summary:
    summary = summary_of(part, columns.features, columns.target or "label", full=full)
    return replace(summary, sources=())


def _of_piece(parts: Callable[[Columns], Iterable[Part]], columns: Columns, full: bool) -> Summary | None:
    total = None
    for part in parts(columns):
        new = _summary(part, columns, full)
        total = new if total is None else _together(total, new)
    return total


def _on_workers(client: Any, pieces: Sequence[Any], columns: Columns, full: bool) -> Iterator[Summary]:
    """Each piece summarised by a worker; Dask runs it again elsewhere where a worker is lost."""
    from distributed import KilledWorker

    def submit(piece: Any) -> Any:
        if isinstance(piece, Partition):
            frame = client.compute(piece.delayed)
            return client.submit(_of_frame_piece, frame, columns, piece.name, full, pure=False)
        return client.submit(_of_piece, piece.parts, columns, full, pure=False)

    futures = [submit(piece) for piece in pieces]
    for piece, future in zip(bar(pieces, desc="parts"), futures, strict=True):
        try:
            summary = future.result()
        except KilledWorker as error:
            name = piece.name if isinstance(piece, Partition) else f"'{piece.path}'"
            raise DataError(f"{name}: every worker that read it died ({error}); give workers more memory.") from error
        if summary is not None:
            yield summary


def _of_frame_piece(frame: Any, columns: Columns, name: str, full: bool) -> Summary | None:
    return _of_piece(lambda columns: _of_partition(frame, columns, name), columns, full)
