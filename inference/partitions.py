"""Dask frames, a partition at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .batches import Columns, part_of
from .errors import DataError
from .summary import Part
from .threads import others_first

if TYPE_CHECKING:
    import pyarrow as pa


def is_dask(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] in ("dask", "dask_expr") and hasattr(data, "to_delayed")


@dataclass(frozen=True)
class Frame:
    """A partition of a Dask frame that is at hand."""

    frame: Any
    name: str

    def parts(self, columns: Columns) -> Iterator[Part]:
        """Its rows at once."""
        for batch, _ in self.cells(columns):
            yield part_of(batch, columns.of(batch.schema.names, self.name), self.name, 0)

    def cells(self, columns: Columns) -> Iterator[tuple["pa.RecordBatch", set[str]]]:
        """Its rows as they are, and which columns are whole numbers."""
        import pyarrow as pa

        frame = self.frame.rename(columns=str)
        columns = columns.of(list(frame.columns), self.name)
        if len(frame):
            batch = pa.RecordBatch.from_pandas(frame[columns.names], preserve_index=False)
            yield batch, {field.name for field in batch.schema if pa.types.is_integer(field.type)}


@dataclass(frozen=True)
class Partition:
    """A partition of a Dask frame."""

    delayed: Any
    name: str
    columns: tuple[str, ...]

    def refuse_changed(self) -> None:
        """A graph is what it was."""

    def complete(self, columns: Columns) -> Columns:
        """The columns with their features named, which the frame must have."""
        return columns.of(list(self.columns), "the Dask frame")

    def parts(self, columns: Columns) -> Iterator[Part]:
        """The partition's rows at once."""
        yield from self._here().parts(columns)

    def cells(self, columns: Columns) -> Iterator[tuple["pa.RecordBatch", set[str]]]:
        """The partition's rows as they are, and which columns are whole numbers."""
        yield from self._here().cells(columns)

    def _here(self) -> Frame:
        import dask

        try:
            with others_first():  # what is computed may ask a fit
                return Frame(dask.compute(self.delayed)[0], self.name)
        except Exception as error:  # a user's graph may fail in any way
            raise cannot_compute(self.name, error) from error


def cannot_compute(name: str, error: Exception) -> DataError:
    return DataError(f"{name} cannot be computed: {type(error).__name__}: {' '.join(str(error).split())}")
