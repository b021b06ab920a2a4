"""One blocked pass over rows, on all cores: the moments of each group, in float64 and about a row of the group."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from .arithmetic import one_blas_thread
from .moments import Moments, outer

OVERFLOWS = np.errstate(over="ignore", invalid="ignore")  # cells whose squares leave float64 are refused by their size
BLOCK = 16_384  # rows at a time: with 20 columns, what a core's cache holds
FOLD = 64  # rows of a block that are compared at once for its extremes
FAR = 100.0  # standard deviations of a group from its origin at which sums of squares are taken again
PATTERNS = 2_000  # kinds of missing cells up to which groups are kept apart


@dataclass(frozen=True)
class Pass:
    """What one pass over rows finds. Groups are the pairs of a label and of a pattern of cells that are seen.

    label (g,), seen (g, column) and moments of the groups that occur; least and most (column,): where each column has
    its extremes, as numbers of rows.
    """

    label: np.ndarray
    seen: np.ndarray
    moments: Moments
    least: np.ndarray
    most: np.ndarray


class TooManyPatterns(Exception):
    """Rows miss so many different combinations of columns that groups would be no fewer than rows."""


@OVERFLOWS
def one_pass(
    parts: list[np.ndarray], label: np.ndarray, labels: int, weights: np.ndarray | None, *, full: bool
) -> Pass:
    """Weighted moments of the rows of ``parts`` side by side (each (rows, columns)), a group at a time.

    label: (rows,) int32 below ``labels``. full keeps whole scatter matrices. NaN: a cell that is not seen; it counts
    as the origin of its group, in the mean and in the scatter. Infinite cells raise FloatingPointError.
    """
    first = _first_rows(parts, label, labels)
    origin: Origins = defaultdict(lambda: first)
    found, least, most = _sums(parts, label, weights, origin, full)
    total = {key: _central(sums, origin[key]) for key, sums in found.items()}
    if any(_far(of, origin[key]) for key, of in total.items()):
        origin |= {key: np.where(of.count[:, None] > 0, of.mean, first) for key, of in total.items()}
        found, least, most = _sums(parts, label, weights, origin, full)
        total = {key: _central(sums, origin[key]) for key, sums in found.items()}
    columns = sum(part.shape[1] for part in parts)
    labelled, seen, kept = [], [], []
    for key, of in total.items():
        there = np.flatnonzero(of.count > 0)
        pattern = np.unpackbits(np.frombuffer(key, dtype=np.uint8), count=columns).astype(bool)
        labelled.append(there)
        seen.append(np.tile(pattern, (len(there), 1)))
        kept.append(of.take(there))
    moments = Moments(*(np.concatenate([getattr(m, f) for m in kept]) for f in ("count", "mean", "scatter")))
    return Pass(np.concatenate(labelled), np.concatenate(seen), moments, least, most)


def _far(of: Moments, origin: np.ndarray) -> bool:
    """Whether a group lies so far from its origin, an untypical first row, that squares about it lose digits."""
    return bool(np.any(np.square(of.mean - origin) * of.count[:, None] > FAR**2 * of.diagonal.scatter))


def _first_rows(parts: list[np.ndarray], label: np.ndarray, labels: int) -> np.ndarray:
    """A row of each label to measure from, so that a column of 1e8 +- 1 keeps its digits; 0 where it misses a cell."""
    some = np.linspace(0, len(label) - 1, min(len(label), 1000)).astype(int)
    unique, place = np.unique(label[some], return_index=True)
    first = np.full(labels, -1)
    first[unique] = some[place]
    for k in np.flatnonzero(first < 0):
        place = int((label == k).argmax())
        first[k] = place if label[place] == k else 0
    row = np.concatenate([part[first] for part in parts], axis=1).astype(np.float64)
    middle = np.concatenate([_middle(part[some]) for part in parts])
    return np.where(np.isfinite(row), row, middle)


def _middle(some: np.ndarray) -> np.ndarray:
    seen = np.isfinite(some)
    total = np.where(seen, some, 0).sum(axis=0, dtype=np.float64)
    return total / np.maximum(seen.sum(axis=0), 1)


Origins = dict[bytes, np.ndarray]  # of each pattern of cells seen, a row of each label to measure from
Sums = tuple[np.ndarray, np.ndarray, np.ndarray]  # of weights, of z and of z z' about the origin


def _sums(
    parts: list[np.ndarray], label: np.ndarray, weights: np.ndarray | None, origin: Origins, full: bool
) -> tuple[dict[bytes, Sums], np.ndarray, np.ndarray]:
    block = partial(_of_block, parts, label, weights, origin, full)
    total: dict[bytes, Sums] = {}
    low, high = [], []
    starts = range(0, len(label), BLOCK)
    # The cores are taken by blocks, and BLAS would start as many threads again in each.
    with one_blas_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for sums, least, most in few_ahead(pool, block, starts):
            low.append(least)
            high.append(most)
            for key, new in sums.items():
                old = total.get(key)
                total[key] = new if old is None else tuple(a + b for a, b in zip(old, new, strict=True))
            if len(total) > PATTERNS:
                raise TooManyPatterns
    return total, _where(parts, np.array(low), np.nanargmin), _where(parts, np.array(high), np.nanargmax)


def few_ahead(pool: ThreadPoolExecutor, block: Callable, starts: Iterable) -> Iterator:
    """The blocks' results in order, while no more than a few are under way."""
    waiting = []
    for start in starts:
        waiting.append(pool.submit(block, start))
        if len(waiting) > 4 * (os.cpu_count() or 1):
            yield waiting.pop(0).result()
    for one in waiting:
        yield one.result()


def _where(parts: list[np.ndarray], of_blocks: np.ndarray, arg: Callable) -> np.ndarray:
    """The row at which each column has its extreme, from the extremes of blocks; 0 of a column without any value."""
    rows, first = [], 0
    for part in parts:
        for j in range(part.shape[1]):
            extremes = of_blocks[:, first + j]
            if np.all(np.isnan(extremes)):
                rows.append(0)
                continue
            start = int(arg(extremes)) * BLOCK
            rows.append(start + int(arg(part[start : start + BLOCK, j])))
        first += part.shape[1]
    return np.array(rows)


@OVERFLOWS
def _of_block(
    parts: list[np.ndarray], label: np.ndarray, weights: np.ndarray | None, origin: Origins, full: bool, start: int
) -> tuple[dict[bytes, Sums], np.ndarray, np.ndarray]:
    stop = min(start + BLOCK, len(label))
    raw = [np.ascontiguousarray(part[start:stop]) for part in parts]
    which = label[start:stop]
    weight = None if weights is None else weights[start:stop]
    # In the table's own precision, which halves what is read.
    low, high = _extremes(raw, np.minimum), _extremes(raw, np.maximum)
    # What is not finite comes out as an extreme, so that no cell needs a look of its own.
    if np.isfinite(low).all() and np.isfinite(high).all():
        everything = np.packbits(np.ones(len(low), dtype=bool)).tobytes()
        z = np.take(origin[everything], which, axis=0, mode="clip")
        first = 0
        for part in raw:
            own = z[:, first : first + part.shape[1]]
            np.subtract(part, own, out=own)
            first += part.shape[1]
        return {everything: _grouped(z, which, weight, len(origin[everything]), full)}, low, high
    z = np.concatenate(raw, axis=1, dtype=np.float64)
    seen = ~np.isnan(z)
    low, high = _extremes(raw, np.fmin), _extremes(raw, np.fmax)
    if np.isinf(low).any() or np.isinf(high).any():
        raise FloatingPointError
    patterns, pattern = np.unique(np.packbits(seen, axis=1), axis=0, return_inverse=True)
    sums = {}
    for p, key in enumerate(map(np.ndarray.tobytes, patterns)):
        rows = np.flatnonzero(pattern.ravel() == p)
        some = None if weight is None else weight[rows]
        shifted = np.where(seen[rows], z[rows] - origin[key][which[rows]], 0.0)
        sums[key] = _grouped(shifted, which[rows], some, len(origin[key]), full)
    return sums, low, high


def _extremes(parts: list[np.ndarray], of: np.ufunc) -> np.ndarray:
    """The least or the greatest value of each column; np.fmin and np.fmax leave NaN out where there is another."""
    return np.concatenate([_extreme(part, of) for part in parts], dtype=np.float64)


def _extreme(z: np.ndarray, of: np.ufunc) -> np.ndarray:
    whole = len(z) // FOLD * FOLD
    folded = of.reduce(z[:whole].reshape(FOLD, -1), axis=0).reshape(-1, z.shape[1]) if whole else z[:0]
    return of.reduce(np.concatenate([folded, z[whole:]]), axis=0)


def _grouped(z: np.ndarray, which: np.ndarray, weight: np.ndarray | None, groups: int, full: bool) -> Sums:
    """Sums of 1, z and z z' in each group."""
    rows = len(z)
    one = np.ones(rows) if weight is None else weight
    # A matrix with one entry a column adds each row to its group's sum in one sweep.
    members = sparse.csc_array((one, which, np.arange(rows + 1, dtype=np.int32)), shape=(groups, rows))
    count = np.bincount(which, weight, minlength=groups).astype(np.float64)
    if not full:
        first = members @ z
        return count, first, members @ np.square(z, out=z)
    first, second = members @ z, np.zeros((groups, z.shape[1], z.shape[1]))
    if groups == 1:
        second[0] = (z if weight is None else z * weight[:, None]).T @ z
        return count, first, second
    order = np.argsort(which.astype(np.uint16) if groups < 1 << 16 else which, kind="stable")
    z, one = z[order], one[order]
    ends = np.cumsum(np.bincount(which, minlength=groups))
    for g in np.flatnonzero(np.diff(ends, prepend=0)):
        part = slice(0 if g == 0 else ends[g - 1], ends[g])
        own = z[part]
        second[g] = (own if weight is None else own * one[part, None]).T @ own
    return count, first, second


def _central(sums: Sums, origin: np.ndarray) -> Moments:
    count, first, second = sums
    shift = np.divide(first, count[:, None], out=np.zeros_like(first), where=count[:, None] > 0)
    like = Moments(count, shift, second)
    scatter = second - outer(count, shift, like)
    if scatter.ndim == 2:
        scatter = np.maximum(scatter, 0.0)
    return Moments(count, origin + shift, scatter)
