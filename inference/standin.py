"""Few weighted rows in place of many: from group moments, counted, or a reweighted part of the rows."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from .moments import Moments, sigma_points
from .recombine import recombine
from .structure import Structure
from .summary import Part, Summary, joined

BLOCK = 2_000  # rows that are recombined at a time
GLANCE = 512  # rows that are looked at first
RARE = 20  # rows of a label up to which they stay as they are
FLAT = 1e-11  # relative singular value that counts as none
CLIFF = 0.01  # of the last singular value that counts, what the next one is at most where features are few in truth
LEFT = 1e-8  # of a row's log-likelihoods, relative, up to which features make them up
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


def reweighted(each: Callable[[Part], np.ndarray], few: Part, summary: Summary) -> Part | None:
    """Some of the rows, with weights, whose likelihood is that of all; None where no few can have it.

    Let L be the matrix of each row's log-likelihood at many parameter points. Where its rank r is less than the number
    of points, the log-likelihood of any row is a combination of r features of the row, and r + 1 rows with the same
    sums of these features have the same likelihood as all: they exist (Caratheodory) and are found by recombination.
    A row whose log-likelihood these features do not make up, as of a rare kind that the sample misses, stays.
    Singular values that fade out, in place of ending, are those of a likelihood such as softmax regression's, which has
    no finite number of features: some make it up to rounding where it was looked at, but not everywhere.
    each: the log-likelihood of each row at each point, (rows, points). few: rows from which the features are made.
    """
    if summary.sources is None:
        return None
    features, rare = {}, []
    for k in np.unique(_labels(few)):
        own = few.take(np.flatnonzero(_labels(few) == k))
        if len(own.x) > RARE:
            features[k] = _features(each, own)
            if features[k] is None:
                return None
    left: dict[int, tuple[Part, np.ndarray]] = {}
    for block in _blocks(summary.parts()):
        label = _labels(block)
        for k in np.unique(label):
            new = block.take(np.flatnonzero(label == k))
            if k not in features:  # too few rows to tell their features; they stay
                rare.append(new)
                continue
            seen, made_up = features[k](each(new))
            if not made_up.all():
                rare.append(new.take(np.flatnonzero(~made_up)))
                new, seen = new.take(np.flatnonzero(made_up)), seen[made_up]
            seen = np.column_stack([np.ones(len(new.x)), seen])
            if k in left:
                new, seen = joined([left[k][0], new]), np.concatenate([left[k][1], seen])
            weights = np.ones(len(new.x)) if new.weights is None else new.weights
            index, weights = recombine(seen, weights)
            kept = new.take(index)
            left[k] = Part(kept.x, kept.y, kept.labels, weights, str), seen[index]
    kept = [part for part, _ in left.values()] + rare
    return joined(kept) if kept else None


Features = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _features(each: Callable[[Part], np.ndarray], own: Part) -> Features | None:
    """A map of log-likelihoods at all points to the features that make them up, uncorrelated; None of too many.

    And whether they do so for each row.
    """
    # Some of the rows tell already whether the features are too many, at a fraction of the cost.
    if len(own.x) > GLANCE and _features(each, own.take(np.linspace(0, len(own.x) - 1, GLANCE).astype(int))) is None:
        return None
    sample = each(own)
    if not np.all(np.isfinite(sample)):
        return None
    centre, scale = sample.mean(axis=0), np.maximum(sample.std(axis=0), 1e-300)
    _, size, axes = np.linalg.svd((sample - centre) / scale, full_matrices=False)
    rank = int((size > FLAT * size[0]).sum())
    if rank > min(sample.shape) // 2 or size[rank] > CLIFF * size[rank - 1]:
        return None
    axes, root = axes[:rank], size[:rank] / np.sqrt(len(sample))

    def features(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        finite = np.isfinite(values).all(axis=1)
        standard = np.where(finite[:, None], (values - centre) / scale, 0.0)
        along = standard @ axes.T
        left = np.abs(standard - along @ axes).max(axis=1)
        return along / root, finite & (left <= LEFT * np.maximum(np.abs(standard).max(axis=1), 1.0))

    return features


def _blocks(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        for start in range(0, len(part.x), BLOCK):
            yield part.take(np.arange(start, min(start + BLOCK, len(part.x))))


def _labels(part: Part) -> np.ndarray:
    """The label of each row, -1 where it is hidden, 0 where y is none."""
    return part.y if part.labels is not None else np.zeros(len(part.y), dtype=int)
