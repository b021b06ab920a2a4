"""What rows that are near one another in x say: whether they err alike, and whether real ones are told from generated.

Moran's statistic (1950) over pairs of neighbours: where the model is right, errors of rows left out do not go together,
but for the little that the same posterior makes them share, however near the rows are. How large it is then is found by
the same errors in other orders, or by labels that are drawn as the model says (Besag and Diggle 1977), not from a
normal's tail, which a few rare errors do not have.

Rows that a right model generates lie among real ones as if they were real (Schilling 1986; Henze 1988).
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

ENOUGH = 50  # rows from which on there are pairs to speak of
NEAREST = 5  # rows that each is compared with
MOST = 5_000  # rows that are looked at, at random where there are more
TIMES = 999  # draws of errors, or of which rows are real
AROUND = 10  # rows around each, real or generated, whose kind is counted


def p_of_scores(x: np.ndarray, scores: np.ndarray) -> float:
    """The chance that sum_ij (z_i - mean z) (z_j - mean z) over pairs of neighbours is as large as it is, or larger.

    It is that among orders of the scores: whether all are too large, or too wide, others ask. scores: z_i, (rows,).
    x: (rows, features), NaN where missing.
    """
    rows, i, j = _pairs(x)
    z, rng = scores[rows] - scores[rows].mean(), np.random.default_rng(1)
    drawn = (rng.permutation(z) for _ in range(TIMES))
    return _rank(lambda z: np.sum(z[i] * z[j]), z, drawn)


def p_of_labels(x: np.ndarray, probability: np.ndarray, codes: np.ndarray) -> float:
    """Likewise of sum_ij e_i' e_j with e_ik = 1[y_i = k] - P(y_i = k); probability: (rows, labels)."""
    rows, i, j = _pairs(x)
    p, y, rng = probability[rows], codes[rows], np.random.default_rng(1)
    steps, together = p.cumsum(axis=1)[:, :-1], np.sum(p[i] * p[j])

    def alike(y: np.ndarray) -> float:
        return np.sum(y[i] == y[j]) - p[i, y[j]].sum() - p[j, y[i]].sum() + together

    drawn = ((rng.random((len(p), 1)) > steps).sum(axis=1) for _ in range(TIMES))
    return _rank(alike, y, drawn)


def p_of_generated(groups: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float, float]:
    """The chance that so many of the AROUND rows nearest to each real one are real, or more; their share; its mean.

    groups: real and generated rows of each label, (rows, features), of which either has more than AROUND rows. The
    chance is that of naming as many of a label's rows real at random.
    """
    rng, pairs, seen, drawn, expected = np.random.default_rng(1), 0, 0, np.zeros(TIMES), 0.0
    for real, generated in groups:
        near = _near(np.concatenate([real, generated]), AROUND, rng)
        kind = np.arange(len(near)) < len(real)
        pairs += AROUND * len(real)
        seen += int(kind[near[kind]].sum())
        expected += AROUND * len(real) * (len(real) - 1) / (len(near) - 1)
        for i in range(TIMES):
            named = rng.permutation(kind)
            drawn[i] += named[near[named]].sum()
    return float((1 + np.sum(drawn >= seen)) / (1 + TIMES)), seen / pairs, expected / pairs


def rounded_like(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Generated rows with numbers as real ones were written, which are told from all others otherwise.

    In a column most of whose numbers occur more than once, as where these are rounded, each is the nearest of them.
    """
    written = generated.copy()
    for j, values in enumerate(map(np.unique, real.T)):
        if 1 < len(values) < len(real) / 2 and not np.all(generated[:, j] == np.round(generated[:, j])):
            written[:, j] = values[np.searchsorted((values[1:] + values[:-1]) / 2, generated[:, j])]
    return written


def _pairs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that are looked at, and pairs among these: each with the NEAREST to it."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(x))[:MOST]
    ends = np.column_stack([np.repeat(np.arange(len(rows)), NEAREST), _near(x[rows], NEAREST, rng).ravel()])
    return rows, *np.unique(np.sort(ends, axis=1), axis=0).T


def _near(x: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The rows nearest to each in standardised columns, (rows, count).

    A missing cell is taken for its column's mean. Of rows that are equally near, chance says which.
    """
    from sklearn.neighbors import NearestNeighbors

    width = np.nanstd(x, axis=0)
    z = np.nan_to_num((x - np.nanmean(x, axis=0)) / np.where(width > 0, width, 1.0))
    z = z + 1e-6 * rng.normal(size=z.shape)
    return NearestNeighbors(n_neighbors=count).fit(z).kneighbors(return_distance=False)  # none is its own


def _rank(statistic: Callable[[np.ndarray], float], seen: np.ndarray, drawn: Iterator[np.ndarray]) -> float:
    """The share of draws, and of what was seen among them, at which a statistic is at least as large."""
    value = statistic(seen) - 1e-9
    return (1 + sum(statistic(one) >= value for one in drawn)) / (1 + TIMES)
