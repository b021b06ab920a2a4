"""Where the mode of a problem is, how wide the posterior is there, and where chains start."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from .errors import NoMaximumError
from .optimise import Mode, check_effect, climb, find_mode, hessian_at
from .progress import bar

if TYPE_CHECKING:
    from .problem import Problem

LABELINGS = 10  # pretended labelings to climb from where one is
NEAR = 10.0  # nats below the best mode at which another one still is a place for chains to start


def search(problem: "Problem", seed: int, *, prior: bool, jacobian: bool) -> tuple[Mode, list[np.ndarray]]:
    """The best mode that several climbs lead to, and where the climbs that are nearly as good ended.

    Hidden labels make several modes and a saddle where all classes agree, so the climbs start from pretended
    labelings; otherwise from the prior's centre, from draws of it and, as a sign may be free, a draw's mirror image.
    The climbs are only ranked, and Newton's steps from the best one do the rest.
    """
    draws = problem.prior_draws(seed)
    scale = prior_scale(draws)
    centre = np.median(draws, axis=0) + 0.1 * (draws[0] - draws.mean(axis=0))
    hidden = problem.rows.y.shape[0] < problem.rows.x.shape[0]
    starts = _pretended(problem, scale, seed) if hidden else [centre, draws[1], 2 * centre - draws[1], draws[2]]
    target = {"prior": prior, "jacobian": jacobian, **problem.keywords}
    if not prior:
        check_effect(starts[0], scale, problem.spec, problem.rows, **target)
    shown = bar(starts, desc="climbs", leave=False)
    climbs = [climb(start, scale, problem.spec, problem.rows, ftol=1e-8, **target) for start in shown]
    best = max(climbs, key=lambda place: place[1])
    mode = find_mode(best[0], scale, problem.spec, problem.rows, **target)
    return mode, [vector for vector, value in climbs if value > mode.value - NEAR]


def whitening(problem: "Problem", mode: Mode) -> np.ndarray:
    """A matrix L with L L' the inverse Hessian of minus the log posterior at its mode."""
    hessian = hessian_at(mode.vector, problem.spec, problem.rows, prior=True, jacobian=True, **problem.keywords)
    spread = np.sqrt(np.abs(np.diag(hessian)))
    if spread.min() == 0:
        raise NoMaximumError("a parameter has no curvature at the mode; give it a narrower prior.")
    # Scaled to a unit diagonal first: parameters in grams and in millimetres differ by many orders.
    curvature, axes = np.linalg.eigh(hessian / np.outer(spread, spread))
    if curvature.min() <= 1e-12:
        raise NoMaximumError(
            "the curvature at the mode is not positive in every direction, so no normal fits there; use nuts."
        )
    return axes / np.sqrt(curvature) / spread[:, None]


def precondition(problem: "Problem", seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Centre and matrix L for NUTS, and the places to start from in v, where a vector is centre + L v.

    Mode and inverse root Hessian, or the prior's own centre and scale where no mode will do. Chains start at the mode
    and at other modes that are nearly as high, so that their disagreement shows.
    """
    try:
        mode, places = search(problem, seed, prior=True, jacobian=True)
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


def _pretended(problem: "Problem", scale: np.ndarray, seed: int) -> list[np.ndarray]:
    """Climbs with k-means' labels in place of the hidden ones, all named alike."""
    from sklearn.cluster import KMeans

    those = problem.few if problem.rows.blocks > 1 else problem.rows  # rows that are spread lie in no one place
    x, known = np.asarray(those.x), np.asarray(those.y)
    classes = problem.shape.classes
    found, named = [], known
    for i in bar(range(LABELINGS), desc="labelings", leave=False):
        # Half of the starts see the columns in their own units, half standardised.
        view = x if i % 2 else x / x.std(axis=0)
        labels = KMeans(classes, n_init=1, random_state=seed + i).fit_predict(view, sample_weight=those.weights)
        if len(named):  # clusters take the names of the labels that are known, or of the first start's clusters
            together = np.zeros((classes, classes))
            np.add.at(together, (labels[: len(named)], named), 1)
            labels = linear_sum_assignment(-together)[1][labels]
        named = named if len(named) else labels
        labels = np.concatenate([known, labels[len(known) :]])
        rows = replace(those, y=np.asarray(labels, dtype=int))
        place = np.zeros_like(scale)
        found.append(climb(place, scale, problem.spec, rows, prior=True, jacobian=True, **problem.keywords)[0])
    return found
