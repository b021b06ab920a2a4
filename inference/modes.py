"""Where the mode of a problem is, how wide the posterior is there, and where chains start."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import jax
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import dia_array, diags_array

from .errors import NoMaximumError, PrecisionError
from .joint import Rows, counts, take
from .maximum import DENSE, refuse_coarse
from .optimise import (
    Mode,
    NoStartError,
    check_effect,
    climb,
    descend,
    find_mode,
    hessian_at,
    hessian_times,
    value_at,
)
from .progress import bar
from .target import log_target

if TYPE_CHECKING:
    from .problem import Problem

LABELINGS = 10, 30  # climbs from pretended labelings: at least, and at most where the best one's end was met but once
DRAWS = 2, 5  # climbs from the prior, likewise
LOOKED = 32  # draws of the prior of which none may lie higher than where climbs ended
FEW = 3_000  # rows with a known label, and as many without, on which the climbs from all starts are made at least
EACH = 100  # of those with a known label for each parameter, as of a few the mode may be anywhere: labels are separable
SAME = 0.1  # nats between the ends of two climbs that count as one mode
TWINS = SAME / 20  # likewise, of modes that differ in the names of labels; climbs end within a fifth of it
NAMELESS = 2.0  # nats by which a climb may end higher with other names for the same labels, where names do not matter
ALIKE = 0.995  # share of rows whose labels agree in two labelings that count as one
CLOSE_BY = 0.03  # widths of the prior, likewise, between their places
PROBES = 16  # products with a large Hessian, for its diagonal
NEAR = 10.0  # nats below the best mode at which another one still is a place for chains to start

Climbed = tuple[np.ndarray, float]  # where a climb ended, and the log density there


def search(
    problem: "Problem", seed: int, *, prior: bool, jacobian: bool, every: bool = False
) -> tuple[Mode, list[np.ndarray]]:
    """The best mode that several climbs lead to, and where the climbs that are nearly as good ended.

    The climbs are made on FEW of the rows, weighted so that they stand for all, until two of them ended at the best
    mode; ``every``: from all of the prior's starts, to see its other modes. Newton's steps with all rows do the rest.
    """
    target = {"prior": prior, "jacobian": jacobian, **problem.keywords}
    draws = problem.prior_draws(seed)
    scale = prior_scale(draws)
    few, part = few_rows(problem)

    def height(vector: np.ndarray) -> float:
        return value_at(vector, scale, problem.spec, few, **target)

    if not prior:
        check_effect(_by_the_centre(draws), scale, problem.spec, (few, problem.rows), **target)
    numbered = enumerate(_prior_starts(draws, height))
    least, most = (DRAWS[1], DRAWS[1]) if every else DRAWS
    hidden = problem.rows.y.shape[0] < problem.rows.x.shape[0]
    if hidden:
        numbered = _pretended(problem, few, np.median(draws, axis=0), scale, seed, split=not prior)
        least, most = LABELINGS
    climbs: dict[int, Climbed] = {}
    values: list[float] = []
    for number, start in bar(numbered, desc="climbs, at most", total=most):
        if number not in climbs:
            climbs[number] = climb(start, scale, problem.spec, few, enough=part * SAME / 100, **target)
        values.append(climbs[number][1])
        top = max(values)
        met_again = sum(value > top - part * SAME for value in values) > 1
        looked = hidden or len(values) > DRAWS[0]  # as the third start is the highest draw
        if len(values) >= least and met_again and (looked or max(map(height, draws[:LOOKED])) <= top):
            break
    alike = (np.inf, part * TWINS) if hidden else (CLOSE_BY * scale, part * SAME)
    ends = _different(list(climbs.values()), *alike)
    if few is not problem.rows:
        there = [(vector, value) for vector, value in ends if np.isfinite(value)]
        if len(there) > 1 and scale.size <= DENSE:  # along a ridge a climb stops early, and where chance has it
            data = (scale, problem.spec, few, few)
            ends = _different([descend(end, *data, enough=part * SAME / 100, **target) for end, _ in there], *alike)
        ends = _on_all_rows(problem, ends, few, scale, part, **target)
    best = max(ends, key=lambda climbed: climbed[1])
    mode = _mode_or_rows(problem, best[0], scale, few, **target)
    if mode is None:
        return search(problem, seed, prior=prior, jacobian=jacobian, every=every)
    return mode, [vector for vector, value in ends if value > mode.value - NEAR]


def _mode_or_rows(problem: "Problem", start: np.ndarray, scale: np.ndarray, few: Rows, **target: object) -> Mode | None:
    """The mode; None where all rows came back, as few that stand for them are not exact enough there, or have none."""
    try:
        mode = find_mode(start, scale, problem.spec, problem.rows, few, **target)
    except (NoMaximumError, PrecisionError) as error:
        row = problem.row_without_density(start) if isinstance(error, NoStartError) else None
        if row is not None:
            raise NoMaximumError(
                f"row {row} has no density under {problem.model.name} where the search starts; correct it or drop it, "
                "or check the model's fixed hyperparameters."
            ) from error
        if not (problem.rounds and problem.at_hand):
            raise
        problem.bring_back(f"fewer have no mode in float64 ({error})")
        return None
    if problem.rounds:
        widths = _widths(problem, mode, scale, **target)
        widths = np.column_stack([widths, mode.ridges]) if mode.ridges.size else widths
        if problem.tells_apart_at(mode.vector, widths):
            return None
    return mode


def _widths(problem: "Problem", mode: Mode, scale: np.ndarray, **target: object) -> np.ndarray | dia_array:
    """About ``whitening``, of any function that has a mode, but no wider than the prior; of many parameters a diagonal.

    That diagonal is Hutchinson's (1990), of as many products with the Hessian as PROBES.
    """
    size = len(scale)
    probes = np.eye(size) if size <= DENSE else np.random.default_rng(0).choice([-1.0, 1.0], (size, PROBES))
    products = hessian_times(mode.vector, probes, scale, problem.spec, problem.rows, **target)
    if not np.all(np.isfinite(products)):
        return diags_array(scale)
    if size > DENSE:
        return diags_array(scale / np.sqrt(1 + np.abs((probes * products).mean(axis=1))))
    spread = np.sqrt(1 + np.abs(np.diag(products)))
    curvature, axes = np.linalg.eigh(products / np.outer(spread, spread))
    axes = axes / spread[:, None]
    return scale[:, None] * axes / np.sqrt(np.abs(curvature) + (axes**2).sum(axis=0))


def few_rows(problem: "Problem") -> tuple[Rows, float]:
    """The rows on which climbs are made, and how many rows each stands for, at least 1."""
    # Rows that are spread over devices lie in no one place; the sample stands for them.
    few = problem.few if problem.rows.blocks > 1 else _some(problem.rows, problem.shape.size, whole=problem.compressed)
    return few, max(1.0, problem.rows.x.shape[0] / few.x.shape[0])


def _some(rows: Rows, parameters: int, *, whole: bool) -> Rows:
    """FEW rows of a kind, known or hidden label, where there are more of it; their weights stand for all.

    parameters: how many; of known labels there are EACH for each of them, up to DENSE.
    whole: all whose label is known, as each stands for other rows already, some with a negative weight.
    """
    known, hidden = counts(rows)
    most = (known if whole else max(FEW, EACH * min(parameters, DENSE)), FEW)
    if known <= most[0] and hidden <= most[1]:
        return rows
    every = np.ones(known + hidden) if rows.weights is None else np.asarray(rows.weights)
    rng, index, weights = np.random.default_rng(0), [], []
    for kind, size in zip((np.arange(known), known + np.arange(hidden)), most, strict=True):
        there = kind[every[kind] != 0]  # rows that pad a table stand for none
        kept = np.sort(rng.choice(there, size=min(len(there), size), replace=False)) if len(there) else there
        index.append(kept)
        weights.append(every[kept] * (len(there) / max(len(kept), 1)))
    return replace(take(rows, np.concatenate(index)), weights=np.concatenate(weights))


def _different(ends: list[Climbed], distance: np.ndarray | float, nats: float) -> list[Climbed]:
    """The ends without those that another one is as good as, to ``nats``, and lies within a distance of.

    Where labels are hidden, any distance, but fewer nats: a mode has twins in which the labels have other names.
    """
    kept: list[Climbed] = []
    for vector, value in ends:
        same = (np.all(np.abs(vector - v) < distance) for v, w in kept if abs(value - w) < nats)
        kept += [] if any(same) else [(vector, value)]
    return kept


def _on_all_rows(
    problem: "Problem", ends: list[Climbed], few: Rows, scale: np.ndarray, part: float, **target: object
) -> list[Climbed]:
    """The ends that may be the best, with their values on all rows, climbed on if there are several of these.

    The maximum of m rows in place of n = part x m is some p / 2 (n / m - 1) nats below that of all rows for p
    parameters (Wilks 1938), so one that is lower by more than twice as much will not overtake another.
    """
    data = (scale, problem.spec, problem.rows)
    ends = [(vector, value_at(vector, *data, **target)) for vector, _ in ends]
    lowest = max(value for _, value in ends) - scale.size * (part - 1)
    ends = [(vector, value) for vector, value in ends if value >= lowest]
    if scale.size > DENSE:
        further = partial(climb, **target)
    elif len(ends) > 1 and np.isfinite(lowest):
        further = partial(descend, few=few, **target)
    else:  # Newton's steps follow
        return ends
    return [further(vector, *data, enough=SAME / 100) for vector, _ in bar(ends, desc="climbs")]


def whitening(problem: "Problem", mode: Mode) -> np.ndarray:
    """A matrix L with L L' the inverse Hessian of minus the log posterior at its mode.

    Its symmetric root, of parameters scaled to a unit diagonal: the one that rounding errors of the Hessian change by
    as little, so that a seed gives the same draws on any machine.
    Raises PrecisionError where a rounding error of the log density there is not small beside a nat: a sampler or an
    approximation would see steps in place of a curve (in float32 at some 10^6 rows, in float64 at some 10^13).
    """
    target = {"prior": True, "jacobian": True, **problem.keywords}
    kind = jax.eval_shape(partial(log_target, **target), mode.vector, problem.spec, problem.rows).dtype
    refuse_coarse(mode.value, kind)
    hessian = hessian_at(mode.vector, problem.spec, problem.rows, **target)
    spread = np.sqrt(np.abs(np.diag(hessian)))
    if spread.min() == 0:
        raise NoMaximumError("a parameter has no curvature at the mode; give it a narrower prior.")
    # Scaled to a unit diagonal first: parameters in grams and in millimetres differ by many orders.
    curvature, axes = np.linalg.eigh(hessian / np.outer(spread, spread))
    if curvature.min() <= 1e-12:
        raise NoMaximumError(
            "the curvature at the mode is not positive in every direction, so no normal fits there; use nuts."
        )
    return axes / np.sqrt(curvature) @ axes.T / spread[:, None]


def precondition(problem: "Problem", seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Centre and matrix L for NUTS, and the places to start from in v, where a vector is centre + L v.

    Mode and inverse root Hessian, or the prior's own centre and scale where no mode will do. Chains start at the mode
    and at other modes that are nearly as high, so that their disagreement shows.
    """
    try:
        mode, places = search(problem, seed, prior=True, jacobian=True, every=True)
        whiten = whitening(problem, mode)
        v = [np.zeros(len(whiten)), *(np.linalg.solve(whiten, place - mode.vector) for place in places)]
        return mode.vector, whiten, _farthest_first(np.array(v)), True
    except NoMaximumError:
        draws = problem.prior_draws(seed)
        return np.median(draws, axis=0), np.diag(prior_scale(draws)), np.zeros((1, problem.shape.size)), False


def _farthest_first(places: np.ndarray) -> np.ndarray:
    """The same places, each the farthest from those before it, so that a few chains see all modes."""
    order, distance = [0], np.linalg.norm(places - places[0], axis=1)
    while len(order) < len(places):
        distance[order] = -1.0
        order.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(places - places[order[-1]], axis=1))
    return places[order]


def prior_scale(draws: np.ndarray) -> np.ndarray:
    """The width of each unconstrained parameter under its prior; 1 where it has none. Robust to heavy tails."""
    low, high = np.quantile(draws, [0.25, 0.75], axis=0)
    return np.where(high > low, (high - low) / 1.349, 1.0)


def _by_the_centre(draws: np.ndarray) -> np.ndarray:
    """The prior's centre, but for a step that breaks ties."""
    return np.median(draws, axis=0) + 0.1 * (draws[0] - draws.mean(axis=0))


def _prior_starts(draws: np.ndarray, height: Callable[[np.ndarray], float]) -> Iterator[np.ndarray]:
    """The prior's centre, a draw, the highest of all draws or 0, and, as a sign may be free, mirror images of the two.

    Of a wave, say, most draws lead to a local maximum, and of a wide prior to nowhere; one of many is near the best.
    """
    centre = np.median(draws, axis=0)
    yield _by_the_centre(draws)
    yield draws[1]
    highest = max([0 * centre, *draws], key=height)
    yield highest
    yield 2 * centre - draws[1]
    yield 2 * centre - highest


def _pretended(
    problem: "Problem", few: Rows, centre: np.ndarray, scale: np.ndarray, seed: int, *, split: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """Climbs from the prior's centre with k-means' labels in place of the hidden ones, all named alike.

    Equal labels have equal numbers. split: the first labels are the values of a column that has no more of them than
    there are labels. Within these it does not vary, so that a likelihood with a variance of its own grows without bound
    there, which k-means would find at some seeds only.

    Hidden labels make several modes and a saddle where all classes agree, so that no draw of the prior is a start.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import ThreadpoolController

    x, known = np.asarray(few.x), np.asarray(few.y)
    weights = None if few.weights is None else np.maximum(few.weights, 0.0)  # stand-ins may have negative ones
    classes = problem.shape.classes
    controller = ThreadpoolController()
    target = {"prior": True, "jacobian": True, **problem.keywords}

    def climbed(labels: np.ndarray) -> Climbed:
        return climb(centre, scale, problem.spec, replace(few, y=labels), enough=1.0, **target)

    labelings: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    width = x.std(axis=0)
    width[width == 0] = 1.0  # in few rows; in others such a column varies
    values = [np.unique(column, return_inverse=True)[1] for column in x.T if split]
    column = next((each for each in values if 0 < each.max() < classes), None)
    for i in range(LABELINGS[1]):
        # Half of the starts see the columns in their own units, half standardised.
        view = x if i % 2 else x / width
        clusters = KMeans(classes, n_init=1, random_state=seed + i)
        with controller.limit(limits=1):  # threads cost more than they bring for so few rows
            labels = column if column is not None else clusters.fit_predict(view, sample_weight=weights)
        column = None
        named = known if len(known) else next(iter(labelings), labels)
        # Clusters take the names of the labels that are known, or of the first start's clusters.
        together = np.zeros((classes, classes))
        np.add.at(together, (labels[: len(named)], named), 1)
        labels = linear_sum_assignment(-together)[1][labels]
        labels = np.concatenate([known, labels[len(known) :]]).astype(int)
        alike = (number for number, other in enumerate(labelings) if np.mean(labels == other) > ALIKE)
        number = next(alike, len(labelings))
        if number == len(labelings):
            if not labelings and not len(known):
                labels = _best_named(labels, classes, lambda labels: climbed(labels)[1])
            labelings.append(labels)
            starts.append(climbed(labels)[0])
        yield number, starts[number]


def _best_named(labels: np.ndarray, classes: int, value: Callable[[np.ndarray], float]) -> np.ndarray:
    """The same clusters with the names under which ``value`` is greatest, by swaps of two names.

    Names matter where labels have priors of their own; where they do not, shifting all of them changes nothing.
    """
    best = value(labels)
    if abs(value((labels + 1) % classes) - best) < NAMELESS:
        return labels
    pairs = [(a, b) for a in range(classes) for b in range(a)]
    for _ in range(classes):  # each round puts one name right at least
        rounds = best
        for a, b in pairs:
            names = np.arange(classes)
            names[[a, b]] = b, a
            swapped = value(names[labels])
            if swapped > best:
                labels, best = names[labels], swapped
        if best == rounds:
            break
    return labels
