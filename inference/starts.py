"""Where climbs to a mode start: in the prior, or from labels that are pretended in place of hidden ones."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from .joint import Rows
from .optimise import climb

if TYPE_CHECKING:
    from .problem import Problem

NAMELESS = 2.0  # nats by which a climb may end higher with other names for the same labels, where names do not matter
ALIKE = 0.995  # share of rows whose labels agree in two labelings that count as one


def prior_scale(draws: np.ndarray) -> np.ndarray:
    """The width of each unconstrained parameter under its prior; 1 where it has none. Robust to heavy tails."""
    low, high = np.quantile(draws, [0.25, 0.75], axis=0)
    return np.where(high > low, (high - low) / 1.349, 1.0)


def by_the_centre(draws: np.ndarray) -> np.ndarray:
    """The prior's centre, but for a step that breaks ties."""
    return np.median(draws, axis=0) + 0.1 * (draws[0] - draws.mean(axis=0))


def prior_starts(draws: np.ndarray, height: Callable[[np.ndarray], float]) -> Iterator[np.ndarray]:
    """The prior's centre, a draw, the highest of all draws or 0, and, as a sign may be free, mirror images of the two.

    Of a wave, say, most draws lead to a local maximum, and of a wide prior to nowhere; one of many is near the best.
    Other draws follow.
    """
    centre = np.median(draws, axis=0)
    yield by_the_centre(draws)
    yield draws[1]
    highest = max([0 * centre, *draws], key=height)
    yield highest
    yield 2 * centre - draws[1]
    yield 2 * centre - highest
    yield from draws[2:]


def pretended(
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

    def climbed(labels: np.ndarray) -> tuple[np.ndarray, float]:
        return climb(centre, scale, problem.spec, replace(few, y=labels), enough=1.0, **target)

    labelings: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    width = x.std(axis=0)
    width[width == 0] = 1.0  # in few rows; in others such a column varies
    values = [np.unique(column, return_inverse=True)[1] for column in x.T if split]
    column = next((each for each in values if 0 < each.max() < classes), None)
    for i in count():
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
