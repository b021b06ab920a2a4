"""Few rows in place of many: group moments, counted rows, or a reweighted part of the rows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .joint import Rows
from .moments import moments
from .recombine import recombine
from .structure import Structure

BLOCK = 2_000  # rows that are recombined at a time
RARE = 20  # rows of a label up to which they stay as they are
FLAT = 1e-11  # relative singular value that counts as none

Weighted = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, the group of each, the weight of each


def by_moments(points: Callable, *, full: bool) -> Callable[..., Weighted]:
    """Stand-ins of each group from its moments: means, m +- s, or sigma points."""
    return lambda z, group, weights, groups: points(moments(z, group, weights, groups, full=full))


def counted(z: np.ndarray, group: np.ndarray, weights: np.ndarray, groups: int) -> Weighted:
    """Each row that occurs once, weighted by how often: what any likelihood of independent rows sees."""
    unique, place = np.unique(np.column_stack([group, z]), axis=0, return_inverse=True)
    return unique[:, 1:], unique[:, 0].astype(int), np.bincount(place.ravel(), weights)


def some(rows: Rows, most: int) -> Rows:
    """At most about ``most`` of the rows, with the extremes of every column among them."""
    count = rows.x.shape[0]
    if count <= most:
        return rows
    drawn = np.random.default_rng(0).choice(count, size=most, replace=False)
    return take(rows, np.unique(np.concatenate([drawn, rows.x.argmin(axis=0), rows.x.argmax(axis=0)])))


def stand_in(kind: Callable[..., Weighted], shape: Structure, rows: Rows) -> Rows:
    """The rows as ``kind`` compresses them; those with a hidden label are left as they are, or counted."""
    known, columns = rows.y.shape[0], rows.x.shape[1]
    weights = np.ones(rows.x.shape[0]) if rows.weights is None else np.asarray(rows.weights)
    response = shape.has_y and shape.classes is None
    end = rows.x.shape[0] if kind is counted else known
    if end == 0:
        return rows
    label = np.full(end, shape.classes or 1)
    label[:known] = 0 if response else rows.y
    if rows.seen is None:
        patterns, pattern = np.ones((1, columns), dtype=bool), np.zeros(end, dtype=int)
    else:
        patterns, pattern = np.unique(rows.seen[:end], axis=0, return_inverse=True)
    keys, group = np.unique(np.stack([label, pattern.ravel()]), axis=1, return_inverse=True)
    z = rows.x[:end]
    if response:
        z = np.column_stack([z, rows.y])
    z, group, w = kind(z, group.ravel(), weights[:end], keys.shape[1])
    order = np.argsort(keys[0][group], kind="stable")  # hidden labels last
    z, group, w = z[order], group[order], w[order]
    new_known = int((keys[0][group] < (shape.classes or 1)).sum())
    y = z[:, columns] if response else keys[0][group][:new_known].astype(rows.y.dtype)
    x = np.concatenate([z[:, :columns], rows.x[end:]])
    seen = None if rows.seen is None else np.concatenate([patterns[keys[1][group]], rows.seen[end:]])
    return Rows(x, seen, y, np.concatenate([w, weights[end:]]))


def reweighted(each: Callable[[Rows], np.ndarray], shape: Structure, few: Rows, rows: Rows) -> Rows:
    """Some of the rows, with weights, whose likelihood is that of all; all of them where no few can have it.

    Let L be the matrix of each row's log-likelihood at many parameter points. Where its rank r is less than the number
    of points, the log-likelihood of any row is a combination of r features of the row, and r + 1 rows with the same
    sums of these features have the same likelihood as all: they exist (Caratheodory) and are found by recombination.
    each: the log-likelihood of each row at each point, (points, rows). few: rows from which the features are made.
    """
    label, label_of_few = _labels(rows, shape), _labels(few, shape)
    all_weights = np.ones(len(label)) if rows.weights is None else rows.weights
    kept, weights = [], []
    for k in np.unique(label):
        every = np.flatnonzero(label == k)
        if (label_of_few == k).sum() <= RARE:  # too few rows to tell their features; they stay
            kept, weights = [*kept, every], [*weights, all_weights[every]]
            continue
        sample = _in_blocks(each, few, np.flatnonzero(label_of_few == k))
        if not np.all(np.isfinite(sample)):
            return rows
        centre, scale = sample.mean(axis=0), np.maximum(sample.std(axis=0), 1e-300)
        _, size, axes = np.linalg.svd((sample - centre) / scale, full_matrices=False)
        rank = int((size > FLAT * size[0]).sum())
        if rank > min(sample.shape) // 2:
            return rows
        whiten = (axes[:rank] / size[:rank, None]).T * np.sqrt(len(sample))
        index, w, features = np.zeros(0, dtype=int), np.zeros(0), np.zeros((0, 1 + rank))
        for start in range(0, len(every), BLOCK):
            new = every[start : start + BLOCK]
            seen = (_in_blocks(each, rows, new) - centre) / scale @ whiten
            features = np.concatenate([features, np.column_stack([np.ones(len(new)), seen])])
            index = np.concatenate([index, new])
            w = np.concatenate([w, all_weights[new]])
            left, w = recombine(features, w)
            index, features = index[left], features[left]
        kept, weights = [*kept, index], [*weights, w]
    index, w = np.concatenate(kept), np.concatenate(weights)
    order = np.argsort(index)
    return replace(take(rows, index[order]), weights=w[order])


def _in_blocks(each: Callable[[Rows], np.ndarray], rows: Rows, index: np.ndarray) -> np.ndarray:
    """What ``each`` says of the rows at ``index``, (index, points); always BLOCK rows at a time, for one program."""
    parts = []
    for start in range(0, len(index), BLOCK):
        part = index[start : start + BLOCK]
        filled = np.pad(part, (0, BLOCK - len(part)), mode="edge")
        parts.append(np.asarray(each(take(rows, filled))).T[: len(part)])
    return np.concatenate(parts)


def _labels(rows: Rows, shape: Structure) -> np.ndarray:
    """The label of each row, 0 where y is none, and one more than the last where it is hidden."""
    known = np.asarray(rows.y) if shape.classes else np.zeros(len(rows.y), dtype=int)
    return np.concatenate([known, np.full(rows.x.shape[0] - len(known), shape.classes or 1)]).astype(int)


def take(rows: Rows, index: np.ndarray) -> Rows:
    """The rows at ``index``, which is sorted, so that known labels stay first."""
    weights = None if rows.weights is None else rows.weights[index]
    seen = None if rows.seen is None else rows.seen[index]
    return Rows(rows.x[index], seen, rows.y[index[index < rows.y.shape[0]]], weights)
