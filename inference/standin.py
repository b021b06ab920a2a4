"""Few weighted rows in place of many: from group moments, counted, or a reweighted part of the rows."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from scipy.linalg import qr, solve_triangular

from .moments import Moments, sigma_points
from .structure import Structure
from .summary import Part, Summary, joined

BLOCK = 1_024  # rows whose log-likelihoods are looked at at a time
GLANCE = 1_200  # rows from which features are made
RARE = 20  # rows of a label up to which they stay as they are
FLAT = 1e-11  # relative singular value that counts as none
DEAR = 1e3  # cube of the number of features, a row of the table, from which on finding weights takes too long
ROUNDING = 1e-10  # of the largest number of a row, what others may be off
LEFT = 1e-8  # of a row's derivatives and log-likelihoods, relative, up to which features make them up
Looks = tuple[np.ndarray, np.ndarray]  # of rows: derivatives and values, or features and whether these make them up
MOST = 200_000  # different rows up to which counting them is tried


def from_moments(
    points: Callable[[Moments], tuple[np.ndarray, np.ndarray, np.ndarray]], shape: Structure, summary: Summary
) -> Part | None:
    """Rows with the moments of each group: its mean, m +- s, or sigma points. Rows with a hidden label stay.

    None where these moments, or the rows that stay, are not at hand.
    """
    summary = summary.with_covariances() if points is sigma_points else summary
    if summary.moments is None or (points is sigma_points and not summary.full):
        return None
    there = np.flatnonzero(summary.label < len(summary.labels)) if shape.classes else np.arange(len(summary.label))
    if len(there) == 0:
        return None
    moments = summary.moments.take(there)
    z, group, weights = points(moments)
    columns = len(summary.columns)
    y = z[:, columns] if summary.labels is None else summary.label[there][group]
    x = np.where(summary.seen[there][group], z, np.nan)[:, :columns]
    few = Part(x, y, summary.labels, weights, str)
    if not shape.classes or not summary.hidden:
        return few
    if summary.sources is None:
        return None
    return joined([few, *(part.take(np.flatnonzero(part.y < 0)) for part in summary.parts())])


def few_different(summary: Summary) -> bool:
    """Whether, as the sample tells, at most half of the rows are different from one another, and MOST.

    Of m rows from N equally frequent ones, m^2 / 2 N pairs are alike, about (the birthday problem).
    """
    rows, different = len(summary.sample.x), len(_different(summary.sample).x)
    if rows < summary.rows:
        different = rows**2 / (2 * max(rows - different, 0.5))
    return different <= min(MOST, summary.rows / 2)


def counted(summary: Summary) -> Part | None:
    """Each different row once, weighted by how often it occurs: what any likelihood of independent rows sees.

    None where there are more than MOST of them, or where rows are not at hand.
    """
    if summary.sources is None:
        return None
    whole = None
    for part in summary.parts():
        for start in range(0, len(part.x), 2 * MOST):
            some = part.take(np.arange(start, min(start + 2 * MOST, len(part.x))))
            whole = _different(some if whole is None else joined([whole, some]))
            if len(whole.x) > MOST:
                return None
    return whole


def _different(part: Part) -> Part:
    table = np.ascontiguousarray(np.column_stack([part.y, part.x]), dtype=np.float64)
    # As bytes, since NaN is not equal to itself.
    _, first, place = np.unique(
        table.view([("", f"V{table.shape[1] * 8}")]).ravel(), return_index=True, return_inverse=True
    )
    weights = np.bincount(place.ravel(), part.weights, minlength=len(first)).astype(np.float64)
    return Part(part.x[first], part.y[first], part.labels, weights, str)


def reweighted(each: Callable[[Part], Looks], few: Part, count: int, summary: Summary) -> Part | None:
    """Some of the rows, with weights, whose likelihood is that of all; None where no few can have it.

    Where the log-likelihood of a row is sum_j c_j(theta) F_j(row), as of any exponential family, its gradient and
    Hessian by the c_j, or by what these are made of, are combinations of the r features F_j, and make them up in turn.
    r + 1 rows with the same sums of these features have the same likelihood as all, and are found among few.
    Whether the features do make up the log-likelihood is told at other values of the c_j. A row for which they do not,
    as of a rare kind that the sample misses, stays, as does one whose label is summed out.
    each: the derivatives of each row, (rows, columns), and its log-likelihood at some points, (rows, points). few: rows
    from which the features are made. count: the rows of the whole table, of which the summary may be a part.
    """
    if summary.sources is None:
        return None
    features, candidates, sums, rare = {}, {}, {}, []
    most = int(min(GLANCE // 2, (DEAR * count) ** (1 / 3)))
    for k in np.unique(_labels(few)):
        own = few.take(np.flatnonzero(_labels(few) == k))
        if len(own.x) <= RARE or k < 0:
            continue
        # Some of these rows tell already whether features are too many, at a fraction of the cost.
        if _features(*each(_evenly(own, 2 * most)), most) is None:
            return None
        features[k] = _features(*each(_evenly(own, GLANCE)), most)
        if features[k] is None:
            return None
        candidates[k], sums[k] = (own, *features[k](*each(own))), 0.0
    if not features:
        return None
    for block in _blocks(summary.parts()):
        told = np.isin(_labels(block), list(features))  # of others there are too few rows; they stay
        rare += [block.take(np.flatnonzero(~told))] if not told.all() else []
        block = block.take(np.flatnonzero(told))
        label, looks = _labels(block), each(block) if len(block.x) else ()
        for k in np.unique(label):
            own = np.flatnonzero(label == k)
            new, (seen, made_up) = block.take(own), features[k](*(look[own] for look in looks))
            if not made_up.all():
                rare.append(new.take(np.flatnonzero(~made_up)))
            weights = np.ones(len(new.x)) if new.weights is None else new.weights
            sums[k] = sums[k] + weights[made_up] @ seen[made_up]
    kept = [_with_sums(*candidates[k], sums[k]) for k in candidates]
    return joined(kept + rare)


def _features(derivatives: np.ndarray, values: np.ndarray, most: int) -> Callable[..., Looks] | None:
    """A map of derivatives and values of rows to 1 and the features that make them up, uncorrelated; None of none.

    And whether they do so for each row. most: how many features are not too many.
    """
    told = np.isfinite(values).all(axis=0)
    if not np.all(np.isfinite(derivatives)) or told.sum() < 2:
        return None
    centre, scale = derivatives.mean(axis=0), derivatives.std(axis=0)
    largest = np.abs(derivatives).max(axis=0)
    moves = scale > FLAT * largest  # others are constants, but for rounding errors
    _, size, axes = np.linalg.svd((derivatives - centre)[:, moves] / scale[moves], full_matrices=False)
    rank = int((size > FLAT * size.max(initial=0.0)).sum())
    if rank > min(most, len(derivatives) // 2):
        return None
    axes, root = axes[:rank], size[:rank] / np.sqrt(len(derivatives))

    def placed(derivatives: np.ndarray) -> Looks:
        finite = np.isfinite(derivatives).all(axis=1)
        away = np.where(finite[:, None], derivatives - centre, 0.0)
        still = (np.abs(away[:, ~moves]) <= LEFT * largest[~moves]).all(axis=1)
        standard = away[:, moves] / scale[moves]
        along = standard @ axes.T
        return np.column_stack([np.ones(len(along)), along / root]), finite & still & _near(along @ axes, standard)

    every, values = values, values[:, told]
    level, spread = values.mean(axis=0), np.maximum(values.std(axis=0), np.finfo(float).tiny)
    rounded = 8 * np.finfo(float).eps * np.abs(level) / spread
    made_of, *_ = np.linalg.lstsq(placed(derivatives)[0], (values - level) / spread)

    def features(derivatives: np.ndarray, values: np.ndarray) -> Looks:
        along, made_up = placed(derivatives)
        finite = np.isfinite(values[:, told]).all(axis=1)
        away = np.where(finite[:, None], (values[:, told] - level) / spread, 0.0)
        return along, made_up & finite & _near(along @ made_of, away, rounded)

    return features if features(derivatives, every)[1].all() else None


def _near(made: np.ndarray, given: np.ndarray, rounded: np.ndarray | float = 0.0) -> np.ndarray:
    """Whether rows are what they are made up to be, column by column, but for what rounding takes from large rows.

    rounded: what it takes from all rows of each column.
    """
    largest = np.abs(given).max(axis=1, initial=0.0, keepdims=True)
    most = LEFT * np.maximum(np.abs(given), 1.0) + ROUNDING * largest + rounded
    return np.all(np.abs(made - given) <= most, axis=1)


def _with_sums(own: Part, seen: np.ndarray, made_up: np.ndarray, sums: np.ndarray) -> Part:
    """As many of the rows as there are features, (rows, m), with weights by which these add up to ``sums``.

    Rows that are as far from one another's span as can be (Businger and Golub 1965), so that no weight is large; some
    are negative, which a sum of log-likelihoods does not mind.
    """
    there = np.flatnonzero(made_up)
    basis, triangle, order = qr(seen[there].T, mode="economic", pivoting=True)
    few = own.take(there[order[: len(sums)]])
    weights = solve_triangular(triangle[:, : len(sums)], basis.T @ sums)
    return Part(few.x, few.y, few.labels, weights, str)


def _evenly(several: Part | np.ndarray, most: int) -> Part | np.ndarray:
    """At most so many rows, evenly."""
    count = len(several.x if isinstance(several, Part) else several)
    index = np.linspace(0, count - 1, min(count, most)).astype(int)
    return several.take(index) if isinstance(several, Part) else several[index]


def _blocks(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        for start in range(0, len(part.x), BLOCK):
            yield part.take(np.arange(start, min(start + BLOCK, len(part.x))))


def _labels(part: Part) -> np.ndarray:
    """The label of each row, -1 where it is hidden, 0 where y is none."""
    return part.y if part.labels is not None else np.zeros(len(part.y), dtype=int)
