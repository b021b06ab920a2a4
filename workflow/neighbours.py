"""Whether errors of rows that are near one another in x are alike: what a model of y given x leaves unexplained.

Moran's statistic (1950) over pairs of neighbours: where the model is right, errors of rows left out have mean 0 and,
but for the little that the same posterior makes them share, do not go together, however near the rows are.
"""

import numpy as np
from scipy.stats import norm

ENOUGH = 50  # rows from which on the sum over pairs is about normal
NEAREST = 5  # rows that each is compared with
MOST = 5_000  # rows that are looked at, at random where there are more


def errors_of_labels(probability: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1[y_i = k] - P(y_i = k), (rows, labels), and its covariance under the model, diag(p) - p p', of each row."""
    labels = probability.shape[1]
    spread = np.einsum("ik,kl->ikl", probability, np.eye(labels)) - np.einsum("ik,il->ikl", probability, probability)
    return np.eye(labels)[codes] - probability, spread


def p_of_neighbours(x: np.ndarray, errors: np.ndarray, spread: np.ndarray) -> float:
    """The chance that errors of neighbours are as alike as they are, or more, where the model is right.

    With errors e_i of mean 0 and covariance C_i, sum_ij e_i' e_j over pairs of neighbours has mean 0 and variance
    sum_ij tr(C_i C_j), and is about normal. Neighbours are the NEAREST rows in standardised columns, a missing cell
    taken for its column's mean.
    x: (rows, features), NaN where missing; errors: (rows, k); spread: (rows, k, k).
    """
    from sklearn.neighbors import NearestNeighbors

    chosen = np.sort(np.random.default_rng(0).permutation(len(x))[:MOST])
    x, errors, spread = x[chosen], errors[chosen], spread[chosen]
    width = np.nanstd(x, axis=0)
    x = np.nan_to_num((x - np.nanmean(x, axis=0)) / np.where(width > 0, width, 1.0))
    near = NearestNeighbors(n_neighbors=NEAREST).fit(x).kneighbors(return_distance=False)  # none is its own
    ends = np.column_stack([np.repeat(np.arange(len(x)), NEAREST), near.ravel()])
    i, j = np.unique(np.sort(ends, axis=1), axis=0).T
    variance = np.einsum("ekl,ekl->", spread[i], spread[j])
    return float(norm.sf(np.sum(errors[i] * errors[j]) / np.sqrt(variance))) if variance > 0 else 1.0
