"""What one pass over a table keeps of it: moments of groups, a sample, and where the rows are. Summaries merge."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..models.spec import Spec
from .cells import few
from .errors import DataError
from .labels import union_of_names
from .moments import Moments
from .sweep import TooManyPatterns, one_pass
from .table import kinds_of, refuse_infinite

TRIED = 5_000  # rows that are kept as a sample


@dataclass(frozen=True)
class Part:
    """Rows in memory. x (rows, columns); y: codes of ``labels``, -1 hidden, or responses where these are None."""

    x: np.ndarray
    y: np.ndarray
    labels: tuple[Any, ...] | None
    weights: np.ndarray | None
    name: Callable[[int], Any]

    def take(self, index: np.ndarray) -> "Part":
        """The rows at ``index``."""
        weights = None if self.weights is None else self.weights[index]
        return Part(self.x[index], self.y[index], self.labels, weights, str)


@dataclass(frozen=True)
class Summary:
    """A table as its moments, group by group, and a sample of its rows.

    labels: the names that codes stand for, or None where y is a response, the last column of the moments then.
    label (g,): the code of each group, one more than the last where it is hidden; seen (g, columns): the cells that
    its rows have. moments: of each group; None where there are too many patterns of missing cells, and groups are
    labels then, of which no cell is said to be seen.
    sample: up to TRIED rows at random; extremes: rows with the least and the greatest value of each column.
    rows: how many there are. sources: where all of these can be read again, in turn; a tuple of parts lies in memory.
    None where some can not: after an update, and in a fit that was stored without them.
    levels: of each column the names that its codes stand for, COUNTS or None; empty where all are numbers.
    """

    columns: tuple[str, ...]
    target: str
    labels: tuple[Any, ...] | None
    label: np.ndarray
    seen: np.ndarray
    moments: Moments | None
    sample: Part
    extremes: Part
    rows: int
    sources: tuple[Iterable[Part], ...] | None
    levels: tuple[Any, ...] = ()

    @property
    def kinds(self) -> tuple[int, ...]:
        """What the columns are, as a model sees it in Spec."""
        return kinds_of(self.levels)

    def of_numbers(self, model: str) -> "Summary":
        """The same for a model that takes numbers only. DataError where a column holds names."""
        for column, names in zip(self.columns, self.levels, strict=False):
            if isinstance(names, tuple):
                raise DataError(
                    f"column '{column}' holds names ({few(names)}), and {model} takes numbers; leave the column out, "
                    "encode it, or use a model of names such as mixed_naive_bayes."
                )
        return replace(self, levels=())

    @property
    def in_memory(self) -> bool:
        """Whether every row lies in memory."""
        return self.sources is not None and all(isinstance(source, tuple) for source in self.sources)

    @property
    def hidden(self) -> bool:
        """Whether some label is hidden."""
        return self.labels is not None and bool(np.any(self.label == len(self.labels)))

    @property
    def full(self) -> bool:
        """Whether it has whole scatter matrices."""
        return self.moments is not None and self.moments.scatter.ndim == 3

    @property
    def weighted(self) -> bool:
        return self.sample.weights is not None

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest value of each column of x."""
        ends, columns = self.extremes.x, np.arange(len(self.columns))
        return ends[columns, columns], ends[len(ends) // 2 + columns, columns]

    def parts(self) -> Iterator[Part]:
        """All rows, a part at a time, with y in the summary's own codes. DataError where they are not at hand."""
        if self.sources is None:
            raise DataError("every row is needed, and some that were summarised are no longer at hand; fit the table.")
        for source in self.sources:
            for part in source:
                yield recoded(part, self.labels)

    @property
    def few(self) -> Part:
        """The sample, with the extremes of every column among it."""
        if self.rows <= len(self.sample.x):
            return self.sample
        return joined([self.sample, self.extremes])

    def merge(self, other: "Summary") -> "Summary":
        """The summary of both tables together. Raises DataError where they have not the same columns and target."""
        if self.target != other.target:
            raise DataError(f"the targets differ: '{self.target}' in one part, '{other.target}' in another.")
        if self.columns != other.columns:
            raise DataError(
                f"columns differ: {', '.join(self.columns)} in one part, {', '.join(other.columns)} in another."
            )
        if self.levels != other.levels:
            strange = next(
                (c for c, a, b in zip(self.columns, self.levels, other.levels, strict=False) if a != b), self.columns[0]
            )
            raise DataError(f"the names or kinds of column '{strange}' differ between parts; fit all rows together.")
        if (self.labels is None) != (other.labels is None):
            return (self if self.labels is None else self.with_response()).merge(
                other if other.labels is None else other.with_response()
            )
        labels = _union(self.labels, other.labels)
        a, b = self.named(labels), other.named(labels)
        label, moments = np.union1d(a.label, b.label), None
        seen = np.zeros((len(label), a.seen.shape[1]), dtype=bool)
        if a.moments is not None and b.moments is not None:
            keys = [[(k, s.tobytes()) for k, s in zip(one.label, one.seen, strict=True)] for one in (a, b)]
            place = {key: g for g, key in enumerate(dict.fromkeys(keys[0] + keys[1]))}
            first, second = (np.full(len(place), -1), np.full(len(place), -1))
            first[[place[key] for key in keys[0]]] = np.arange(len(keys[0]))
            second[[place[key] for key in keys[1]]] = np.arange(len(keys[1]))
            moments = a.moments.take(first).merge(b.moments.take(second))
            label = np.where(first >= 0, a.label[first], b.label[second])
            seen = np.where((first >= 0)[:, None], a.seen[first], b.seen[second])
        return Summary(
            a.columns,
            a.target,
            labels,
            label,
            seen,
            moments,
            _sample_of(a, b),
            _extremes_of(joined([a.extremes, b.extremes])),
            a.rows + b.rows,
            None if a.sources is None or b.sources is None else a.sources + b.sources,
            self.levels,
        )

    def named(self, labels: tuple[Any, ...] | None) -> "Summary":
        """The same with codes of ``labels``, which hold all of its own."""
        if labels == self.labels:
            return self
        code = np.array([*(labels.index(name) for name in self.labels), len(labels)])
        sample, extremes = (recoded(part, labels) for part in (self.sample, self.extremes))
        return replace(self, labels=labels, label=code[self.label], sample=sample, extremes=extremes)

    def occurring(self, kept: tuple[Any, ...] = ()) -> "Summary":
        """The same without labels that are in no row, as categories may be, but for those ``kept``."""
        if self.labels is None:
            return self
        there = [k for k, name in enumerate(self.labels) if name in kept or np.any(self.label == k)]
        labels, code = type(self.labels)(self.labels[k] for k in there), np.searchsorted(there, self.label)
        sample, extremes = (recoded(part, labels) for part in (self.sample, self.extremes))
        return replace(self, labels=labels, label=code, sample=sample, extremes=extremes)  # hidden ones are last

    def first_without_label(self) -> str | None:
        """The first row without a label, by name; None where the rows are not at hand."""
        for part in self.parts() if self.sources is not None else ():
            found = np.flatnonzero(part.y == -1)
            if len(found):
                return f"row {part.name(found[0])}"
        return None

    def with_response(self) -> "Summary":
        """The same with y read as a number, and no label. Raises DataError for labels that are none, or missing."""
        if self.labels is None:
            return self
        strange = next((v for v in self.labels if not isinstance(v, int | float) or not np.isfinite(v)), None)
        if strange is not None:
            raise DataError(
                f"the response '{self.target}' must be a finite number, got {strange!r}; for labels use a model of "
                "labels, such as softmax_regression."
            )
        if self.hidden or not self.labels:
            where = self.first_without_label() or "some rows"
            raise DataError(f"the response '{self.target}' is missing in {where}; drop the row or fill it in.")
        values = np.array(self.labels, dtype=np.float64)
        sample, extremes = (recoded(part, None) for part in (self.sample, self.extremes))
        moments, seen = self.moments, np.column_stack([self.seen, np.ones(len(self.seen), dtype=bool)])
        label = np.zeros(len(self.label), dtype=int)
        if moments is not None:
            patterns, which = np.unique(seen, axis=0, return_inverse=True)
            wide = _with_column(moments, values[self.label])
            merged = [wide.take(np.flatnonzero(which.ravel() == p)).together() for p in range(len(patterns))]
            moments = Moments(*(np.concatenate([getattr(m, f) for m in merged]) for f in ("count", "mean", "scatter")))
            seen, label = patterns, np.zeros(len(patterns), dtype=int)
        return replace(self, labels=None, label=label, seen=seen, moments=moments, sample=sample, extremes=extremes)

    def with_covariances(self) -> "Summary":
        """The same with whole scatter matrices, for which rows that were summarised without are read again."""
        if self.moments is None or self.full or self.sources is None:
            return self
        again = reduce(Summary.merge, (summary_of(p, self.columns, self.target, full=True) for p in self.parts()))
        return replace(self, label=again.label, seen=again.seen, moments=again.moments)

    def units(self, classes: int) -> Spec:
        """Sizes, and mean and standard deviation of each column, over the cells that are seen."""
        if self.moments is None:
            return replace(_units_of_rows(self, classes), kinds=self.kinds)
        of, seen = self.moments.diagonal, self.seen
        weight = of.count[:, None] * seen
        total = weight.sum(axis=0)
        mean = (weight * of.mean).sum(axis=0) / total
        scatter = (np.where(seen, of.scatter, 0.0) + weight * (of.mean - mean) ** 2).sum(axis=0)
        return replace(_spec(mean, np.sqrt(scatter / total), classes, self.labels is None), kinds=self.kinds)


def summary_of(part: Part, columns: tuple[str, ...], target: str, *, full: bool) -> Summary:
    """The summary of rows in memory. full: with covariances, which take a matrix product more."""
    rows = len(part.x)
    response = part.labels is None
    groups = 1 if response else len(part.labels) + 1
    parts = [part.x, part.y[:, None]] if response else [part.x]
    code = np.zeros(rows, dtype=np.int32) if response else np.where(part.y < 0, groups - 1, part.y).astype(np.int32)
    try:
        found = one_pass(parts, code, groups, part.weights, full=full)
        label, seen, moments = found.label, found.seen, found.moments
        ends = np.concatenate([found.least, found.most])
    except FloatingPointError:
        refuse_infinite(part.x, columns, part.name)
        row = np.flatnonzero(np.isinf(part.y))[0]
        raise DataError(
            f"row {part.name(row)}: the response '{target}' is {part.y[row]}; drop the row or fill it in."
        ) from None
    except TooManyPatterns:
        label, moments = np.unique(code).astype(int), None
        seen = np.zeros((len(label), len(columns)), dtype=bool)
        ends = np.concatenate([_place(part.x, np.nanargmin), _place(part.x, np.nanargmax)])
    drawn = np.arange(rows)
    if rows > TRIED:
        drawn = np.sort(np.random.default_rng(0).choice(rows, size=TRIED, replace=False, shuffle=False))
    sample, extremes = part.take(drawn), part.take(ends)
    return Summary(columns, target, part.labels, label, seen, moments, sample, extremes, rows, ((part,),))


def _place(x: np.ndarray, arg: Callable) -> np.ndarray:
    return np.array([0 if np.isnan(column).all() else arg(column) for column in x.T])


def joined(parts: list[Part]) -> Part:
    """The rows of all parts, which have the same labels."""
    weights = None
    if any(part.weights is not None for part in parts):
        weights = np.concatenate([np.ones(len(p.x)) if p.weights is None else p.weights for p in parts])
    x, y = (np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y"))
    return Part(x, y, parts[0].labels, weights, str)


def recoded(part: Part, labels: tuple[Any, ...] | None) -> Part:
    """The same rows with codes of ``labels``, or with the labels themselves as responses where these are None."""
    if labels == part.labels:
        return part
    if labels is None:
        return replace(part, y=np.array(part.labels, dtype=np.float64)[part.y], labels=None)
    code = np.array([*(labels.index(name) if name in labels else len(labels) for name in part.labels), -1])[part.y]
    strange = np.flatnonzero(code == len(labels))
    if len(strange):  # a category that occurs in no row is no strange label
        row, label = part.name(strange[0]), part.labels[part.y[strange[0]]]
        raise DataError(f"label {label!r} of row {row} is not one of {few(labels)}.")
    return replace(part, y=code, labels=labels)


def _union(a: tuple[Any, ...] | None, b: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    if a is None:
        return a
    kinds = [{_kind(name): name for name in names} for names in (a, b)]
    if a and b and kinds[0].keys() != kinds[1].keys():
        one, other = (next(iter(kind.items())) for kind in kinds)
        raise DataError(f"labels are {one[0]} in one part ({one[1]!r}), {other[0]} in another ({other[1]!r}); use one.")
    return union_of_names(a, b, "labels")


def _kind(label: Any) -> str:
    kinds = {bool: "True or False", str: "text", int: "a number", float: "a number"}
    return kinds.get(type(label), type(label).__name__)


def _with_column(of: Moments, value: np.ndarray) -> Moments:
    """Moments with one column more, the same in every row of a group."""
    mean = np.column_stack([of.mean, value])
    edges = [(0, 0)] + [(0, 1)] * (of.scatter.ndim - 1)
    return Moments(of.count, mean, np.pad(of.scatter, edges))


def _sample_of(a: Summary, b: Summary) -> Part:
    """A simple random sample of both tables from one of each."""
    if a.rows + b.rows <= TRIED:
        return joined([a.sample, b.sample])
    rng = np.random.default_rng((a.rows, b.rows))
    size = min(TRIED, len(a.sample.x) + len(b.sample.x))
    # Numbers of rows are drawn, as NumPy has no hypergeometric numbers of 1e9 rows.
    first = int((rng.choice(a.rows + b.rows, size=size, replace=False, shuffle=False) < a.rows).sum())
    first = min(max(first, size - len(b.sample.x)), len(a.sample.x))
    taken = [
        one.sample.take(np.sort(rng.choice(len(one.sample.x), size=n, replace=False)))
        for one, n in ((a, first), (b, size - first))
    ]
    return joined(taken)


def _extremes_of(part: Part) -> Part:
    z = part.x if part.labels is not None else np.column_stack([part.x, part.y])
    return part.take(np.concatenate([_place(z, np.nanargmin), _place(z, np.nanargmax)]))


def _units_of_rows(summary: Summary, classes: int) -> Spec:
    """Units where the moments of groups are not known: of each column over all rows."""
    seen, first, second, origin = 0.0, 0.0, 0.0, None
    for part in list(summary.parts()) or [summary.sample]:
        z = part.x if part.labels is not None else np.column_stack([part.x, part.y])
        origin = np.nan_to_num(np.nanmean(z, axis=0)) if origin is None else origin
        weights = np.ones(len(z)) if part.weights is None else part.weights
        shifted = np.where(np.isnan(z), 0.0, z - origin)
        seen, first, second = seen + weights @ ~np.isnan(z), first + weights @ shifted, second + weights @ shifted**2
    spread = np.sqrt(np.maximum(second / seen - (first / seen) ** 2, 0.0))
    return _spec(origin + first / seen, spread, classes, summary.labels is None)


def _spec(mean: np.ndarray, spread: np.ndarray, classes: int, response: bool) -> Spec:
    columns = len(mean) - response
    return Spec(
        loc=jnp.asarray(mean[:columns]),
        scale=jnp.asarray(spread[:columns]),
        y_loc=jnp.asarray(mean[-1] if response else 0.0),
        y_scale=jnp.asarray(spread[-1] if response else 1.0),
        rows=1,
        features=columns,
        classes=max(classes, 2),
    )
