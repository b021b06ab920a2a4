"""Counts, means and scatter matrices of groups of rows, which merge, and the few rows that have the same."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Of each group g: count (g,), mean (g, column) and scatter sum_i (z_i - mean)(z_i - mean)' (g, column, column).

    Only its diagonal, (g, column), where the columns are treated as independent. All float64.
    """

    count: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of rows together (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        a, b = (self, other) if self.scatter.ndim == other.scatter.ndim else (self.diagonal, other.diagonal)
        count = a.count + b.count
        share = np.divide(b.count, count, out=np.zeros_like(count), where=count > 0)
        shift = b.mean - a.mean
        return Moments(count, a.mean + share[:, None] * shift, a.scatter + b.scatter + outer(a.count * share, shift, a))

    @property
    def diagonal(self) -> "Moments":
        """The same with each column's sum of squares only."""
        if self.scatter.ndim == 2:
            return self
        return Moments(self.count, self.mean, np.diagonal(self.scatter, axis1=1, axis2=2).copy())

    def take(self, groups: np.ndarray) -> "Moments":
        """Those of some groups, in this order; of none at -1."""
        there = groups >= 0
        count, mean, scatter = (
            np.where(there.reshape(-1, *[1] * (part.ndim - 1)), part[groups], 0.0)
            for part in (self.count, self.mean, self.scatter)
        )
        return Moments(count, mean, scatter)

    def together(self) -> "Moments":
        """Of all groups as one."""
        count = self.count.sum(keepdims=True)
        mean = self.count @ self.mean / count if count[0] > 0 else np.zeros(self.mean.shape[1])
        between = outer(self.count, self.mean - mean, self).sum(axis=0)
        return Moments(count, mean[None], (self.scatter.sum(axis=0) + between)[None])


def outer(weight: np.ndarray, shift: np.ndarray, like: Moments) -> np.ndarray:
    """weight_g shift_g shift_g', or its diagonal."""
    if like.scatter.ndim == 2:
        return weight[:, None] * shift**2
    return weight[:, None, None] * shift[:, :, None] * shift[:, None, :]


def mean_rows(of: Moments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row a group, its mean: what a likelihood that is linear in a row sees. Rows, groups and weights."""
    there = np.flatnonzero(of.count > 0)
    return of.mean[there], there, of.count[there]


def whole_rows(of: Moments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1 + D rows a group with its mean, of whole numbers, for a likelihood that is linear in a row and knows no others.

    The mean rounded down, whose weight may be negative, and D times one more in a column.
    """
    there = np.flatnonzero(of.count > 0)
    columns = of.mean.shape[1]
    low = np.floor(of.mean[there])
    above = of.mean[there] - low
    rows = np.concatenate([low, *(low + one for one in np.eye(columns))])
    shares = np.concatenate([1 - above.sum(axis=1), above.T.ravel()])
    used = shares != 0
    weights = np.tile(of.count[there], 1 + columns) * shares
    return rows[used], np.tile(there, 1 + columns)[used], weights[used]


def spread_rows(of: Moments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two rows a group, m - s and m + s: the same means and variances of each column."""
    there = np.flatnonzero(of.count > 0)
    sd = np.sqrt(of.diagonal.scatter[there] / of.count[there, None])
    rows = np.concatenate([of.mean[there] - sd, of.mean[there] + sd])
    return rows, np.tile(there, 2), np.tile(of.count[there] / 2, 2)


def sigma_points(of: Moments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """2 D rows a group, m +- sqrt(D) L e_j with L L' the covariance: the same means and covariances.

    Julier and Uhlmann 1997, eq. 12 with kappa = 0. L from the eigenvectors of the correlations, as columns may be
    constant or collinear.
    """
    there = np.flatnonzero(of.count > 0)
    columns = of.mean.shape[1]
    rows = []
    for g in there:
        covariance = of.scatter[g] / of.count[g]
        sd = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
        unit = np.where(sd > 0, sd, 1.0)
        size, axes = np.linalg.eigh(covariance / np.outer(unit, unit))
        factor = unit[:, None] * axes * np.sqrt(np.maximum(size, 0.0) * columns)
        rows += [of.mean[g] - factor.T, of.mean[g] + factor.T]
    weights = np.repeat(of.count[there] / (2 * columns), 2 * columns)
    return np.concatenate(rows), np.repeat(there, 2 * columns), weights
