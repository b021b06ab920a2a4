"""Rows over all of JAX's devices, those of other processes included; one compiled program runs on them together.

A log-likelihood is a sum over rows, so each device adds up its own rows and one number, or one gradient, is summed over
the devices. Compiled functions need no change for it: they are partitioned by where their arguments lie (GSPMD: Xu et
al. 2021, arXiv:2105.04663). What they return lies whole on every device, so the optimisers and samplers of all
processes see the same numbers and go the same way.
"""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from itertools import chain
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..models.spec import Spec
from .errors import BayeszooError, DataError
from .joint import Rows
from .moments import Moments
from .standin import some
from .table import make_spec, read_labels


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


def agreed(value: Any, name: str) -> Any:
    """The value, which must be the same in all processes; DataError otherwise."""
    for process, other in enumerate(everyone(value)):
        if other != value:
            raise DataError(f"{name} must be those of all processes, but process {process} has {other}, not {value}.")
    return value


def shared_labels(y: Any, labels: Sequence[Any] | None) -> Sequence[Any] | None:
    """The label names that any process's rows show, sorted where they can be, unless they are given."""
    if jax.process_count() == 1 or labels is not None:
        return labels
    with as_one():
        own = () if y is None else read_labels(y)[1]
    names = list(dict.fromkeys(chain.from_iterable(everyone(own))))
    try:
        return sorted(names)
    except TypeError:
        return names


def shared_spec(x: np.ndarray, y: np.ndarray | None, classes: int) -> Spec:
    """make_spec of the rows of all processes."""
    if jax.process_count() == 1:
        return make_spec(x, y, classes)
    columns = x if y is None else np.column_stack([x, y])
    there = ~np.isnan(columns)
    count = there.sum(axis=0).astype(float)
    mean = np.where(there, columns, 0.0).sum(axis=0) / np.maximum(count, 1)
    scatter = (np.where(there, columns - mean, 0.0) ** 2).sum(axis=0)
    shares = everyone((len(x), Moments(count, mean[:, None], scatter[:, None])))
    total = reduce(Moments.merge, (moments for _, moments in shares))
    loc, scale = total.mean.ravel(), np.sqrt(total.scatter.ravel() / total.count)
    features = x.shape[1]
    return Spec(
        loc=jnp.asarray(loc[:features]),
        scale=jnp.asarray(scale[:features]),
        y_loc=jnp.asarray(0.0 if y is None else loc[features]),
        y_scale=jnp.asarray(1.0 if y is None else scale[features]),
        rows=sum(rows for rows, _ in shares),
        features=features,
        classes=max(classes, 2),
    )


def sample(rows: Rows, most: int) -> Rows:
    """About ``most`` of the rows of all processes, the same in each, and weighted so that they stand for all."""
    few = some(rows, max(1, most // jax.process_count()))
    count = few.x.shape[0]
    weights = np.full(count, rows.x.shape[0] / count)
    known, hidden = zip(*map(_kinds, everyone(replace(few, weights=weights))), strict=True)
    x, seen, y, weights = (np.concatenate(parts) for parts in zip(*known, *hidden, strict=True))
    return Rows(x, None if seen.all() else seen, y[: sum(len(part[0]) for part in known)], weights)


def spread(rows: Rows, *, table_is_read: bool = False) -> Rows:
    """The rows, on all devices of all processes, each of which gives its own; as they are where there is one device.

    Each device holds equally many, so some rows stand twice, with weight 0 the second time. A prior that reads the
    table would see these: ``table_is_read`` leaves the rows where they are.
    """
    if jax.device_count() == 1 or table_is_read:
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
