"""Rows over all of JAX's devices, those of other processes included; one compiled program runs on them together.

A log-likelihood is a sum over rows, so each device adds up its own rows and one number, or one gradient, is summed over
the devices. Compiled functions need no change for it: they are partitioned by where their arguments lie (GSPMD: Xu et
al. 2021, arXiv:2105.04663). What they return lies whole on every device, so the optimisers and samplers of all
processes see the same numbers and go the same way.
"""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from typing import Any

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from .declare import Declared
from .errors import BayeszooError, DataError
from .evidence import names_of_classes
from .joint import Rows
from .structure import blank, structure
from .summary import Summary
from .table import check_columns


def gathered(part: bytes) -> list[bytes]:
    """The bytes of every process, in the order of the processes; all of them must call it."""
    if jax.process_count() == 1:
        return [part]
    lengths = process_allgather(np.array(len(part), dtype=np.int32)).ravel()
    parts = process_allgather(np.frombuffer(part.ljust(int(lengths.max())), dtype=np.uint8))
    return [row.tobytes()[:length] for row, length in zip(parts, lengths, strict=True)]


def everyone(value: Any) -> list[Any]:
    """Each process's value."""
    return list(map(pickle.loads, gathered(pickle.dumps(value)))) if jax.process_count() > 1 else [value]


@contextmanager
def as_one() -> Iterator[None]:
    """Let an error of one process be raised by all of them, which would wait for that one for ever."""
    error = None
    try:
        yield
    except BayeszooError as raised:
        error = raised
    said = everyone(error and str(error))
    if error:
        raise error
    for process, sentence in enumerate(said):
        if sentence:
            raise DataError(f"process {process} has other data than it should: {sentence}")


def shared(read: Callable[[], Summary], model: Declared) -> tuple[Summary, Summary]:
    """The summary of this process's rows, and the one of all processes' rows, the same in each.

    Raises DataError in every process where one cannot read its own, or where columns differ.
    """
    if jax.process_count() == 1:
        summary = read()
        return summary, summary
    with as_one():
        own = read()
    parts = everyone(replace(own, sources=None))
    with as_one():
        total = reduce(Summary.merge, parts)
        if total.labels is not None and structure(model, blank(len(total.columns), 2, total.kinds)).classes:
            total = total.named(names_of_classes(model, total))
        check_columns(*total.ends, total.columns, total.levels, units=model.takes_spec)
    return replace(own.named(total.labels), rows=own.rows), total


def spread(rows: Rows) -> Rows:
    """The rows, on all devices of all processes, each of which gives its own; as they are where there is one device.

    Each device holds equally many, so some rows stand twice, with weight 0 the second time.
    """
    if jax.device_count() == 1:
        return rows
    here, kinds = jax.local_device_count(), _kinds(rows)
    counts = [len(x) for x, *_ in kinds]
    shares = everyone((counts, here, rows.seen is not None, [[part[:1] for part in kind] for kind in kinds]))
    parts = []
    for kind, own in enumerate(kinds):
        size = max(-(-count[kind] // devices) for count, devices, *_ in shares)
        # A process without such rows is lent one, of weight 0, as each device holds equally many.
        kept = own if counts[kind] else next((ones[kind] for *_, ones in shares if len(ones[kind][0])), own)
        index, first = filled(counts[kind], here * size)
        x, seen, y, weights = (part[index].reshape(here, size, *part.shape[1:]) for part in kept)
        parts.append((x, seen, y, weights * first.reshape(here, size)))
    x, seen, _, weights = (np.concatenate(pair, axis=1) for pair in zip(*parts, strict=True))
    sharding = NamedSharding(Mesh(np.array(jax.devices()), ("rows",)), PartitionSpec("rows"))

    def put(part: np.ndarray) -> jax.Array:
        shape = (part.shape[1] * jax.device_count(), *part.shape[2:])
        return jax.make_array_from_process_local_data(sharding, part.reshape(-1, *part.shape[2:]), shape)

    holes = any(some_missing for _, _, some_missing, _ in shares)
    return Rows(put(x), put(seen) if holes else None, put(parts[0][2]), put(weights), jax.device_count())


def filled(count: int, places: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``count`` rows stands in each place, the last one in those left over, and whether it does so first."""
    place = np.arange(places)
    return np.minimum(place, max(count - 1, 0)), place < count


def _kinds(rows: Rows) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """x, seen, y and weights of the rows whose y is known, and of the others."""
    seen = np.ones(rows.x.shape, dtype=bool) if rows.seen is None else rows.seen
    weights = np.ones(rows.x.shape[0]) if rows.weights is None else rows.weights
    y = np.concatenate([rows.y, np.zeros(rows.x.shape[0] - rows.y.shape[0], rows.y.dtype)])
    return tuple(zip(*map(rows.apart, (rows.x, seen, y, weights)), strict=True))
