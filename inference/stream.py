"""One pass over a table of any size, in memory, in files or on a cluster: a summary that every fitter takes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .batches import LABELS, Columns, too_many
from .errors import DataError
from .file_kinds import levels_of_all, levels_of_piece
from .files import KINDS, OtherKind, Pieces, pieces
from .frame import chosen_columns, frame_summary, refuse_total
from .labels import read_labels, read_response
from .partitions import Frame, Partition, cannot_compute, is_dask
from .progress import bar
from .summary import Part, Summary, summary_of
from .table import Schema

LONELY = 60  # seconds that a cluster may be without any worker, as where new ones are being started


def summarise(
    data: Any,
    y: Any = None,
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    labels: Sequence[Any] | None = None,
    weights: Any = None,
    covariances: bool = True,
    named: bool = False,
    client: Any = None,
) -> Summary:
    """What one pass over a table keeps of it, which every fitter takes in its place: ``nuts(model, summarise(...))``.

    data: Parquet or CSV files (a path, a folder or several paths), a Dask frame, or a frame or array in memory.
    Of files, target and weights name columns; of a frame in memory, y and weights hold them. features: the columns
    of x; by default all others. A number with more than 100 different values is read as a response, anything else as
    labels, which a model of a response takes, too. NaN and null are missing values; in a CSV empty cells, and NA, N/A,
    NaN, NULL and the like, unless they are among ``labels``.
    covariances: with whole scatter matrices, as a regression needs them; naive Bayes does without.
    named: of files, whether text, categories and truth values are names, and whole numbers of at least 0 counts, as a
    model of names takes them; what there are is found by a pass before. Of a frame in memory, they always are.
    client: a dask.distributed.Client whose workers read the files.

    The moments of parts merge, so that the pass takes the memory of a part. Raises DataError for a file that cannot be
    read, and for a part with other columns; it names file, row and column. Pages of a Parquet file that were damaged
    are noticed where they were written with checksums (pyarrow's write_page_checksum=True). A worker that is lost has
    its part read by another one; DataError where none is left for LONELY seconds.
    """
    if not is_stream(data):
        chosen = {"target": target, "features": features}
        return frame_summary(data, y, partial(_read_y, labels), weights, **chosen, full=covariances, named=True)
    chosen = {"labelled": labels is not None, "covariances": covariances, "client": client}
    chosen["labels"] = None if labels is None else read_labels([], labels)[1]
    return streamed(data, y, target, features, weights, levels=None if named else (), **chosen)


def streamed(
    data: Any,
    y: Any,
    target: str | None,
    features: Sequence[str] | None,
    weights: Any,
    *,
    levels: tuple[Any, ...] | None,
    labelled: bool,
    labels: tuple[Any, ...] | None = None,
    known: tuple[Any, ...] = (),
    covariances: bool = True,
    client: Any = None,
) -> Summary:
    """The summary of files or of a Dask frame. labelled, labels, known: of the target, as in Columns.

    levels: of the features, as in Schema; None where these are to be found.
    """
    if y is not None:
        raise DataError("y is a column of the files: name it as target.")
    for name, what in ((target, "target"), (weights, "weights")):
        if not (name is None or isinstance(name, str | int)):
            raise DataError(f"{what} of files is the name of a column, got {type(name).__name__}.")
    if client is not None and not hasattr(client, "submit"):
        raise DataError(f"client is a dask.distributed.Client, got {client!r}.")
    target, weights = (None if name is None else str(name) for name in (target, weights))
    columns = Columns(target, None if features is None else chosen_columns(features), weights, labelled, labels, known)
    parts = list(pieces(data))
    columns = parts[0].complete(columns)
    on_workers = None if client is None else partial(_on_workers, client, parts)
    if levels is None:
        look = partial(levels_of_piece, columns=replace(columns, target=None, weights=None, whole=False))
        found = on_workers(look) if on_workers else map(look, bar(parts, desc="looking for names"))
        levels = levels_of_all(found, columns.features)
    columns = replace(columns, levels=levels)

    def one_pass(columns: Columns) -> Summary | None:
        total, read = None, partial(_of_piece, columns=columns, full=covariances)
        for summary in on_workers(read) if on_workers else _here(parts, columns, covariances):
            total = _together(total, summary, columns)
        return total

    try:
        total = one_pass(columns)
    except OtherKind:  # so that what was read before has other labels
        each = [set(piece.kinds_of(columns.target)) for piece in parts if piece.path.suffix.lower() == ".csv"]
        columns = replace(columns, kind=next(kind for kind in KINDS if all(kind in kinds for kinds in each)))
        total = one_pass(columns)
    for piece in parts:  # while they were read
        piece.refuse_changed()
    if total is None and weights is not None:
        refuse_total(0.0)
    if total is None:
        raise DataError("the files have no rows; give some with at least one.")
    if weights is not None and total.moments is not None:
        refuse_total(float(total.moments.count.sum()))
    total = total if labels is not None else total.occurring()
    return replace(total, sources=(Pieces(tuple(parts), columns),), levels=levels)


def is_stream(data: Any) -> bool:
    """Whether data are files or a Dask frame, and not a table in memory."""
    several = isinstance(data, list | tuple) and len(data) > 0 and all(isinstance(one, str | Path) for one in data)
    return several or isinstance(data, str | Path) or is_dask(data)


def _read_y(labels: Sequence[Any] | None, y: Any, schema: Schema) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    codes, names = read_labels([] if y is None else y, labels)
    if labels is None and too_many(names, schema.target):
        return read_response(y, schema.target), None
    return codes, names


def _together(total: Summary | None, new: Summary, columns: Columns) -> Summary:
    total = new if total is None else total.merge(new)
    if columns.labelled or total.labels is None or len(total.labels) <= LABELS:
        return total
    if not too_many(total.occurring().labels, total.target):
        return total
    return total.with_response()


def _here(parts_of: Sequence[Any], columns: Columns, full: bool) -> Iterator[Summary]:
    with bar(desc="rows", unit=" rows", unit_scale=True) as shown:
        for piece in parts_of:
            for part in piece.parts(columns):
                if len(part.x):  # of weight 0, all rows may be
                    yield _summary(part, columns, full)
                shown.update(len(part.x))


def _summary(part: Part, columns: Columns, full: bool) -> Summary:
    summary = summary_of(part, columns.features, columns.target or "label", full=full)
    return replace(summary, sources=None)


def _of_piece(piece: Any, columns: Columns, full: bool) -> Summary | None:
    total = None
    for part in piece.parts(columns):
        if len(part.x):
            total = _together(total, _summary(part, columns, full), columns)
    return total


def _on_workers(client: Any, several: Sequence[Any], work: Callable[[Any], Any]) -> Iterator[Any]:
    """What a worker makes of each piece, but None; Dask has it done again elsewhere where a worker is lost."""
    from distributed import KilledWorker

    def submit(piece: Any) -> Any:
        if isinstance(piece, Partition):
            return client.submit(_on_frame, client.compute(piece.delayed), piece.name, work, pure=False)
        return client.submit(work, piece, pure=False)

    futures = [submit(piece) for piece in several]
    for piece, future in zip(bar(several, desc="parts"), futures, strict=True):
        try:
            made = _result(client, future, piece.name)
        except KilledWorker as error:
            raise DataError(
                f"{piece.name}: every worker that read it died ({error}); give workers more memory."
            ) from error
        except Exception as error:  # a user's graph may fail in any way
            if isinstance(error, DataError) or not isinstance(piece, Partition):
                raise
            raise cannot_compute(piece.name, error) from error
        if made is not None:
            yield made


def _on_frame(frame: Any, name: str, work: Callable[[Any], Any]) -> Any:
    return work(Frame(frame, name))


def _result(client: Any, future: Any, name: str) -> Any:
    """What a worker made of its part; Dask itself waits for ever where there is no worker."""
    from distributed import TimeoutError as NotYet

    alone = 0
    while True:
        try:
            return future.result(timeout=1)
        except NotYet:
            if future.done():  # meanwhile, or it raised an error of this kind itself
                return future.result()
            alone = 0 if client.scheduler_info()["workers"] else alone + 1
        if alone >= LONELY:
            raise DataError(
                f"{name} is not read: the cluster has had no worker for {LONELY} s; start some, and read it all again."
            )
