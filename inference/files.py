"""Parquet and CSV files and Dask frames, read a part at a time.

pyarrow reads the files: it streams both formats a batch at a time with types that are told to it, names the column that
it cannot convert, and was there already for pandas' Parquet.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .batches import Columns, flattened_categories, no_number, part_of
from .cells import reads_as_number
from .errors import DataError
from .partitions import Partition, is_dask
from .summary import Part

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 262_144  # rows in memory at a time
LINE = 10_000  # bytes of a CSV's first line that are looked at
KINDS = "int64", "float64", "bool", "string"  # of the cells of a CSV, the first that all can be


@dataclass(frozen=True)
class Pieces:
    """Where the rows can be read again, as long as they are the same."""

    pieces: tuple[Any, ...]
    columns: Columns

    def __iter__(self) -> Iterator[Part]:
        for piece in self.pieces:
            piece.refuse_changed()
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
            yield File(file, _stamp(file))


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file, None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in (".parquet", ".csv"))
    if not found:
        raise DataError(f"the folder '{path}' holds no .parquet and no .csv file.")
    if len({file.suffix.lower() for file in found}) > 1 or any(file.parent != path for file in found):
        raise DataError(f"the folder '{path}' holds both kinds of files, or folders of them; name the files to read.")
    return found


def refuse_other_separators(path: Path) -> None:
    """Raise DataError for a CSV whose first line has no comma, but another mark that parts columns."""
    with path.open("rb") as file:
        head = file.readline(LINE).decode(errors="replace").strip()
    if "," not in head and any(mark in head for mark in ";\t|"):
        raise DataError(f"'{path}' has one column, '{head}'; separate columns by commas.")


def refuse_open_quote(path: Path, rows: int) -> None:
    """Raise DataError for a CSV with a quote that nothing closes: the rows after it were read as part of its cell."""
    with path.open("rb") as file:
        quotes = sum(block.count(b'"') for block in iter(partial(file.read, 1 << 22), b""))
        file.seek(0)
        if quotes % 2 and rows < sum(1 for line in file if line.strip(b"\r\n")) - 1:
            raise DataError(
                f"'{path}' has {quotes} quotes: one opens a cell, and none closes it, so that the rows after it would "
                "be lost; close it, or double it where it is part of a cell."
            )


@dataclass(frozen=True)
class File:
    """A Parquet or CSV file. stamp: its size and time when it was named."""

    path: Path
    stamp: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """What sentences call it."""
        return f"'{self.path}'"

    def refuse_changed(self) -> None:
        """Raise DataError where it is another by now, of which a summary would be wrong."""
        now = _stamp(self.path)
        if None not in (now, self.stamp) and now != self.stamp:
            raise DataError(f"'{self.path}' has changed since it was first read; summarise it again, or fit it again.")

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
            refuse_other_separators(self.path)
            with csv.open_csv(self.path) as reader:
                return list(reader.schema.names)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error

    def parts(self, columns: Columns) -> Iterator[Part]:
        """The file's rows, CHUNK at a time."""
        columns = self.complete(columns)
        parquet, start = self.path.suffix.lower() == ".parquet", 0
        for batch in ahead(self._parquet(columns) if parquet else self._csv(columns, columns.text)):
            if batch.num_rows:
                yield part_of(batch, columns, self.name, start)
            start += batch.num_rows
        if not parquet:
            refuse_open_quote(self.path, start)

    def cells(self, columns: Columns) -> Iterator[tuple["pa.RecordBatch", set[str]]]:
        """The file's rows with text as such, and which columns are written as whole numbers."""
        import pyarrow as pa
        from pyarrow import parquet

        columns = self.complete(columns)
        if self.path.suffix.lower() == ".parquet":
            flattened = flattened_categories(parquet.read_schema(self.path))
            lost = next((name for name in columns.features if name in flattened), None)
            if lost is not None:
                raise DataError(
                    f"'{self.path}', column '{lost}': its categories were written as numbers, and would be read as "
                    "such; write them as text, or the column as numbers."
                )
            for batch in self._parquet(columns):
                yield batch, {field.name for field in batch.schema if pa.types.is_integer(field.type)}
            return
        types = dict(self._csv_types(columns.features))
        for name, kind in types.items():
            if pa.types.is_null(kind):  # its first cells are empty
                types[name] = pa.type_for_alias(self.kinds_of(name)[0])
        whole = {name for name, kind in types.items() if pa.types.is_integer(kind)}
        text = tuple(name for name, kind in types.items() if pa.types.is_string(kind))
        for batch in self._csv(columns, text):
            yield batch, whole

    def _parquet(self, columns: Columns) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa
        from pyarrow import parquet

        with parquet.ParquetFile(self.path, page_checksum_verification=True) as file:
            if columns.target is not None and columns.labels is None:
                self._refuse_lost_order(file, columns.target)
            for group in range(file.num_row_groups):
                try:
                    yield from file.iter_batches(CHUNK, row_groups=[group], columns=columns.names)
                except (pa.ArrowException, OSError) as error:
                    raise _unreadable(self.path, error, f"row group {group}", _culprit(file, group, columns)) from error

    def _refuse_lost_order(self, file: Any, target: str) -> None:
        """Raise DataError for ordered categories that were written as text or numbers, which are read in any order."""
        if flattened_categories(file.schema_arrow).get(target):
            raise DataError(
                f"'{self.path}', column '{target}': its categories are ordered, but were written as numbers; write "
                "them as text, or give the order by labels=."
            )
        if not getattr(file.schema_arrow.field(target).type, "ordered", False):
            return
        groups = (file.metadata.row_group(group) for group in range(file.num_row_groups))
        chunks = (group.column(j) for group in groups for j in range(group.num_columns))
        if not all("_DICTIONARY" in str(one.encodings) for one in chunks if one.path_in_schema == target):
            raise DataError(
                f"'{self.path}', column '{target}': its categories are ordered, but were written without their order; "
                "write the file with dictionaries, or give the order by labels=."
            )

    def _csv(self, columns: Columns, text: Sequence[str]) -> Iterator["pa.RecordBatch"]:
        """Features, and weights, as numbers or truth values, but for those that are ``text``."""
        import pyarrow as pa

        numbers = [*columns.features, *([columns.weights] if columns.weights else [])]
        types = {name: kind if pa.types.is_boolean(kind) else pa.float64() for name, kind in self._csv_types(numbers)}
        named = [columns.target] if any(isinstance(name, str) for name in columns.known_of(columns.target)) else []
        types |= dict.fromkeys([*text, *named], pa.string())
        if columns.kind is not None:
            types[columns.target] = pa.type_for_alias(columns.kind)
        try:
            yield from self._csv_as(columns, columns.names, types)
        except (pa.ArrowException, OSError) as error:
            strange = self._strange_cell(columns, [c for c in numbers if c not in text])
            if strange is None and columns.target not in (None, *types):
                raise OtherKind(f"{self.name}, column '{columns.target}' is not what it begins as") from error
            raise strange or _unreadable(self.path, error) from error

    def _csv_types(self, names: Sequence[str]) -> Iterator[tuple[str, "pa.DataType"]]:
        """What pyarrow takes these columns for, by the first block."""
        import pyarrow as pa
        from pyarrow import csv

        try:
            with csv.open_csv(self.path) as reader:
                schema = reader.schema
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error
        return ((name, schema.field(name).type) for name in names)

    def kinds_of(self, column: str) -> list[str]:
        """What all cells of a column of a CSV may be, of KINDS."""
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import csv

        kinds = list(KINDS)
        options = csv.ConvertOptions(column_types={column: pa.string()}, include_columns=[column])
        missing = pa.array(options.null_values)
        try:
            with csv.open_csv(self.path, convert_options=options) as reader:
                for batch in reader:
                    cells = pc.utf8_trim_whitespace(batch.column(0))
                    cells = pc.filter(cells, pc.invert(pc.is_in(cells, missing)))
                    kinds = [kind for kind in kinds if _are(cells, kind)]
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error
        return kinds

    def _csv_as(self, columns: Columns, names: Sequence[str], types: dict[str, Any]) -> Iterator["pa.RecordBatch"]:
        from pyarrow import csv

        convert = csv.ConvertOptions(column_types=types, include_columns=names)
        with csv.open_csv(self.path, csv.ReadOptions(block_size=1 << 22), convert_options=convert) as reader:
            for batch in reader:
                yield _with_missing(batch, columns, convert.null_values)

    def _strange_cell(self, columns: Columns, numbers: Sequence[str]) -> DataError | None:
        """The error that names the first cell of these columns that is no number, found by reading them as text."""
        import pyarrow as pa

        start = 0
        try:
            for batch in self._csv_as(columns, numbers, {name: pa.string() for name in numbers}):
                for name in numbers:
                    values = batch.column(name).to_pylist()
                    i = next((i for i, v in enumerate(values) if v is not None and not reads_as_number(v)), None)
                    if i is not None:
                        return no_number(name, values[i], f"{start + i} of '{self.path}'")
                start += batch.num_rows
        except (pa.ArrowException, OSError):
            return None  # the file itself cannot be read, as the first error says
        return None


class OtherKind(DataError):
    """The target of a CSV holds something else further down than in its first block."""


def _are(cells: "pa.Array", kind: str) -> bool:
    import pyarrow as pa

    try:
        cells.cast(pa.type_for_alias(kind))
    except pa.ArrowInvalid:
        return False
    return True


def _with_missing(batch: "pa.RecordBatch", columns: Columns, written: Sequence[str]) -> "pa.RecordBatch":
    """The batch with text that missing values are written as taken for such, but where it is a name of its column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def cells(name: str, column: "pa.Array") -> "pa.Array":
        if not pa.types.is_string(column.type):
            return column
        texts = [text for text in written if text not in columns.known_of(name)]
        return pc.if_else(pc.is_in(column, pa.array(texts)), None, column)

    names = batch.schema.names
    return pa.RecordBatch.from_arrays([cells(*one) for one in zip(names, batch.columns, strict=True)], names)


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


def ahead(parts: Iterator[Any]) -> Iterator[Any]:
    """The same, each read while the one before it is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = pool.submit(next, parts, None)
            yield part
