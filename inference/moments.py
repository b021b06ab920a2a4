"""Counts, means and scatter matrices of groups of rows: one blocked pass, and they merge."""

from dataclasses import dataclass

import numpy as np

BLOCK = 65_536  # rows at a time


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
        count = self.count + other.count
        share = np.divide(other.count, count, out=np.zeros_like(count), where=count > 0)
        shift = other.mean - self.mean
        weight = self.count * share
        if self.scatter.ndim == 2:
            between = weight[:, None] * shift**2
        else:
            between = weight[:, None, None] * shift[:, :, None] * shift[:, None, :]
        return Moments(count, self.mean + share[:, None] * shift, self.scatter + other.scatter + between)


def moments(z: np.ndarray, group: np.ndarray, weights: np.ndarray, groups: int, *, full: bool) -> Moments:
    """Weighted moments of the rows z (rows, columns) in each of ``groups`` groups; ``full`` keeps whole scatters."""
    columns = z.shape[1]
    shape = (groups, columns, columns) if full else (groups, columns)
    total = Moments(np.zeros(groups), np.zeros((groups, columns)), np.zeros(shape))
    for start in range(0, len(z), BLOCK):
        part = slice(start, start + BLOCK)
        total = total.merge(_of_block(np.asarray(z[part], dtype=np.float64), group[part], weights[part], total))
    return total


def _of_block(z: np.ndarray, group: np.ndarray, weights: np.ndarray, like: Moments) -> Moments:
    count, mean, scatter = np.zeros_like(like.count), np.zeros_like(like.mean), np.zeros_like(like.scatter)
    for g in np.unique(group):
        rows, w = z[group == g], weights[group == g]
        count[g] = w.sum()
        # About a row of the group first, so that a column of 1e8 +- 1 keeps its digits.
        mean[g] = rows[0] + w @ (rows - rows[0]) / count[g]
        centred = (rows - mean[g]) * np.sqrt(w)[:, None]
        scatter[g] = (centred**2).sum(axis=0) if scatter.ndim == 2 else centred.T @ centred
    return Moments(count, mean, scatter)


def mean_rows(of: Moments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row a group, its mean: what a likelihood that is linear in a row sees. Rows, groups and weights."""
    there = np.flatnonzero(of.count > 0)
    return of.mean[there], there, of.count[there]


def spread_rows(of: Moments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two rows a group, m - s and m + s: the same means and variances of each column."""
    there = np.flatnonzero(of.count > 0)
    variance = of.scatter if of.scatter.ndim == 2 else np.diagonal(of.scatter, axis1=1, axis2=2)
    sd = np.sqrt(variance[there] / of.count[there, None])
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
        sd = np.sqrt(np.diagonal(covariance))
        unit = np.where(sd > 0, sd, 1.0)
        size, axes = np.linalg.eigh(covariance / np.outer(unit, unit))
        factor = unit[:, None] * axes * np.sqrt(np.maximum(size, 0.0) * columns)
        rows += [of.mean[g] - factor.T, of.mean[g] + factor.T]
    weights = np.repeat(of.count[there] / (2 * columns), 2 * columns)
    return np.concatenate(rows), np.repeat(there, 2 * columns), weights
