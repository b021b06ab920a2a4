"""Some of the rows, reweighted, with the sums of all: the theorem of Caratheodory made an algorithm."""

import numpy as np


def recombine(features: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices and positive weights of at most m rows with the same weighted sum of ``features`` (rows, m).

    A feature that is 1 in every row keeps the sum of the weights. Halves a tree of 2 m bundles of rows until m rows are
    left (Tchernychova and Lyons 2015, algorithm 4.1): O(rows m + m^3 log(rows / m)).
    """
    index, weights, most = np.flatnonzero(weights > 0), weights.astype(np.float64), features.shape[1]
    while len(index) > most:
        bundles = np.array_split(index, min(2 * most, len(index)))
        mass = np.array([weights[bundle].sum() for bundle in bundles])
        centres = np.array([weights[b] @ features[b] for b in bundles]) / mass[:, None]
        kept = _drop(centres, mass)
        for bundle, before, after in zip(bundles, mass, kept, strict=True):
            weights[bundle] *= after / before
        left = [bundle for bundle, after in zip(bundles, kept, strict=True) if after > 0]
        if len(left) == len(bundles):  # no direction in which a weight could go
            break
        index = np.concatenate(left)
    return index, weights[index]


def _drop(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights of the same weighted sum of points (n, m), as many of them 0 as the null space allows."""
    n = len(points)
    _, size, axes = np.linalg.svd(points.T, full_matrices=True)
    rank = int((size > 1e-13 * max(size.max(initial=0.0), 1e-300)).sum())
    null, weights = axes[rank:].copy(), weights.copy()
    there = np.ones(n, dtype=bool)
    for k in range(len(null)):
        direction = null[k] if (null[k][there] > 0).any() else -null[k]
        falls = there & (direction > 1e-14 * np.abs(direction).max())
        if not falls.any():
            continue
        first = np.flatnonzero(falls)[np.argmin(weights[falls] / direction[falls])]
        weights = np.where(there, np.maximum(weights - weights[first] / direction[first] * direction, 0.0), 0.0)
        weights[first], there[first] = 0.0, False
        # The directions to come must leave alone the point that is gone.
        null[k + 1 :] -= np.outer(null[k + 1 :, first] / direction[first], direction)
    return weights
