"""Where the mode of a problem is, how wide the posterior is there, and where chains start."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.sparse import dia_array, diags_array

from .errors import NoMaximumError, PrecisionError
from .joint import Rows, counts, take
from .marks import are_alike, marker
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
from .starts import by_the_centre, pretended, prior_scale, prior_starts
from .target import lifted, log_target

if TYPE_CHECKING:
    from .problem import Problem

LABELINGS = 10, 30  # climbs from pretended labelings: at least, and at most where the best one's end was met but once
DRAWS = 2, 8  # climbs from the prior: at least, and at most; at least as many where fewer agreed on what is no maximum
SMALL = 12  # parameters up to which climbs take no time
MANY = 8, 24  # climbs from the prior that are made then
RIVALS = 4  # ends that are looked at closely where no two are alike
PLACES = 5  # climbs from the prior that look for places where chains may start
LOOKED = 32  # draws of the prior of which none may lie higher than where climbs ended
FEW = 3_000  # rows with a known label, and as many without, on which the climbs from all starts are made at least
EACH = 100  # of those with a known label for each parameter, as of a few the mode may be anywhere: labels are separable
SAME = 0.1  # nats between the ends of two climbs that count as one mode
CLOSE_BY = 0.03  # widths of the prior, likewise, between their places where labels are known
PROBES = 16  # products with a large Hessian, for its diagonal
BESIDE = 1.0  # nats below the best mode at which another one is told of, as it holds about as much of the posterior
NEAR = 10.0  # nats below the best mode at which another one still is a place for chains to start

Climbed = tuple[np.ndarray, float]  # where a climb ended, and the log density there


def search(
    problem: "Problem", seed: int, *, prior: bool, jacobian: bool, least: int = DRAWS[0]
) -> tuple[Mode, list[np.ndarray]]:
    """The best mode that several climbs lead to, and where the climbs that are nearly as good ended.

    The climbs are made on FEW of the rows, weighted so that they stand for all, until two end at the best mode, and, of
    few parameters, until others are not likely; Newton's steps with all rows do the rest. least: climbs from the prior.
    """
    target = {"prior": prior, "jacobian": jacobian, **problem.keywords}
    draws = problem.prior_draws(seed)
    scale = prior_scale(draws)
    few, part = few_rows(problem)

    def height(vector: np.ndarray) -> float:
        return value_at(vector, scale, problem.spec, few, **target)

    @cache
    def highest() -> float:
        return max(map(height, draws[:LOOKED]))

    if not prior:
        check_effect(by_the_centre(draws), scale, problem.spec, (few, problem.rows), **target)
    numbered = enumerate(prior_starts(draws, height))
    small = scale.size <= SMALL
    fewest, most = MANY if small else (least, DRAWS[1])
    hidden = problem.rows.y.shape[0] < problem.rows.x.shape[0]
    if hidden:
        numbered = pretended(problem, few, np.median(draws, axis=0), scale, seed, split=not prior)
        fewest, most = LABELINGS
    climbs: dict[int, Climbed] = {}
    values: list[float] = []
    for number, start in bar(islice(numbered, most), desc="climbs, at most", total=most):
        if number not in climbs:
            climbs[number] = climb(start, scale, problem.spec, few, enough=part * SAME / 100, **target)
        values.append(climbs[number][1])
        if len(values) < fewest or _times_met(values, part * SAME) < 2:
            continue
        if hidden or (highest() <= max(values) and not (small and _open(values, part * SAME))):
            break
    alone = False
    if small and not hidden and _times_met(values, part * SAME) < 2:
        climbs[-1], alone = _polished(list(climbs.values()), part * SAME, scale, problem.spec, few, **target)
    alike = _alike_in_rows(marker(problem, few), part) if hidden else _close_by(CLOSE_BY * scale)
    ends = _different(list(climbs.values()), part * SAME, alike)
    if few is not problem.rows:
        there = [(vector, value) for vector, value in ends if np.isfinite(value)]
        if len(there) > 1 and scale.size <= DENSE:  # along a ridge a climb stops early, and where chance has it
            data = (scale, problem.spec, few, few)
            ends = [descend(end, *data, enough=part * SAME / 100, **target) for end, _ in there]
            ends = _different(ends, part * SAME, alike)
        ends = _on_all_rows(problem, ends, few, scale, part, **target)
    best = max(ends, key=lambda climbed: climbed[1])
    again = partial(search, problem, seed, prior=prior, jacobian=jacobian)
    try:
        mode = _mode_or_rows(problem, best[0], scale, few, **target)
    except NoMaximumError:
        if hidden or len(values) >= DRAWS[1]:
            raise
        return again(least=DRAWS[1])  # two climbs that end where a curve is flat may agree, below a maximum
    if mode is None:
        return again(least=least)
    near = [vector for vector, value in ends if value > mode.value - NEAR]
    others = [end for end, value in ends if value > mode.value - BESIDE] if hidden else []
    beside = sum(not alike(end, mode.vector) for end in others)  # a climb may stop on its way to the same mode
    return replace(mode, alone=len(values) if alone else 0, beside=beside), near


def _times_met(values: list[float], nats: float) -> int:
    """How many climbs ended at the highest of their ends."""
    return sum(value > max(values) - nats for value in values)


def _polished(ends: list[Climbed], nats: float, *data: object, **target: object) -> tuple[Climbed, bool]:
    """The best of RIVALS ends, where Newton leads from them, and whether others are modes, too, but all lower.

    Of badly scaled columns, climbs stop at many heights on their way to one mode.
    """
    ends = sorted(ends, key=lambda climbed: -climbed[1])[:RIVALS]
    modes = []
    for vector, _ in bar(ends, desc="rivals"):
        try:
            mode = find_mode(vector, *data, **target)
        except (NoMaximumError, PrecisionError):
            continue  # if it is the best end, the sentence is said where all rows are looked at
        modes.append((mode.vector, mode.value))
    best = max([*modes, ends[0]], key=lambda climbed: climbed[1])
    lower = sum(value < best[1] - nats for _, value in modes)
    return best, lower > 0 and len(modes) - lower < 2


def _open(values: list[float], nats: float) -> bool:
    """Whether so few climbs n ended at so many different heights w that others are likely to be there.

    Where w > 1 and w (n - 1) / (n - w - 2) > w + 1/2, the left side what is expected of how many there are (Boender and
    Rinnooy Kan 1987).
    """
    ends = np.sort([value for value in values if np.isfinite(value)])
    n, w = len(ends), 1 + int(np.sum(np.diff(ends) > nats))
    return w > 1 and (n <= w + 2 or w * (n - 1) / (n - w - 2) > w + 0.5)


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


def _different(ends: list[Climbed], nats: float, alike: Callable[[np.ndarray, np.ndarray], bool]) -> list[Climbed]:
    """The ends without those that another one is as good as, to ``nats``, and alike."""
    kept: list[Climbed] = []
    for vector, value in sorted(ends, key=lambda climbed: -climbed[1]):
        same = (alike(vector, v) for v, w in kept if abs(value - w) < nats)
        kept += [] if any(same) else [(vector, value)]
    return kept


def _close_by(distance: np.ndarray) -> Callable[[np.ndarray, np.ndarray], bool]:
    return lambda one, other: bool(np.all(np.abs(one - other) < distance))


def _alike_in_rows(mark: Callable[[np.ndarray], np.ndarray], part: float) -> Callable[[np.ndarray, np.ndarray], bool]:
    """Where labels are hidden: a mode has twins in which they have other names, however far away."""
    return lambda one, other: are_alike(mark(one), mark(other), part * SAME)


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
    approximation would see steps in place of a curve (in float32 at some 10^6 rows, in float64 at some 10^13). And
    where rounding errors of the Hessian hide a curvature that the prior alone has.
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
        if curvature.min() > -1e-12 and _prior_curves(problem, mode.vector, axes[:, 0] / spread):
            raise PrecisionError(
                f"parameters go together so closely that {kind} cannot tell how far they may move, as where a column "
                "lies far from 0 for how little it varies; subtract its mean."
            )
        raise NoMaximumError(
            "the curvature at the mode is not positive in every direction, so no normal fits there; use nuts."
        )
    return axes / np.sqrt(curvature) @ axes.T / spread[:, None]


def _prior_curves(problem: "Problem", vector: np.ndarray, direction: np.ndarray) -> bool:
    """Whether the log prior bends down along a direction, so that there is a curvature, be it too small to be seen."""

    def along(step: Array) -> Array:
        lift = lifted(problem.model, problem.shape, vector + step * direction, problem.spec, problem.rows)
        return jnp.asarray(lift.log_prior + lift.log_jacobian, dtype=float)

    return bool(jax.grad(jax.grad(along))(0.0) < 0)


def precondition(problem: "Problem", seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Centre and matrix L for NUTS, and the places to start from in v, where a vector is centre + L v.

    Mode and inverse root Hessian, or the prior's own centre and scale where no mode will do. Chains start at the mode
    and at other modes that are nearly as high, so that their disagreement shows.
    """
    try:
        mode, places = search(problem, seed, prior=True, jacobian=True, least=PLACES)
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
