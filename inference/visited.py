"""Which modes draws visit: the height that a climb from a draw ends at names its mode.

Modes that differ in the names of labels alone are equally high, and one; others of the same height are rare.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from .arithmetic import arithmetic
from .modes import SAME, few_rows
from .optimise import height_of
from .progress import bar
from .starts import prior_scale

if TYPE_CHECKING:
    from .problem import Problem

LOOKED = 10  # draws of a chain that are looked at first
PRECISE = 1e-5  # of SAME: a step that gains less ends a climb


def modes_visited(
    problem: "Problem", vectors: np.ndarray, whiten: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The mode of each draw, (chain, draw), 0 the highest; and the modes' log densities, highest first.

    vectors: unconstrained draws, (chain, draw, size); whiten: as NUTS had it. All zeros and one log density where a few
    draws of each chain lead to one mode.
    """
    few, part = few_rows(problem)
    scale = prior_scale(problem.prior_draws(seed))
    target = {"prior": True, "jacobian": True, **problem.keywords}

    def height(vector: np.ndarray) -> float:
        with arithmetic():  # a thread has a context of its own
            return height_of(vector, whiten, scale, problem.spec, few, enough=part * SAME * PRECISE, **target)

    chains, draws, size = vectors.shape
    some = vectors[:, np.unique(np.linspace(0, draws - 1, LOOKED).astype(int))].reshape(-1, size)
    heights = _apart(np.array([height(vector) for vector in some]), part)
    if len(heights) == 1:
        return np.zeros((chains, draws), dtype=int), heights
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        climbed = pool.map(height, vectors.reshape(-1, size))
        every = np.array(list(bar(climbed, desc="draws, climbed", total=chains * draws)))
    heights = _apart(every, part)
    of = np.abs(every[:, None] - heights).argmin(axis=1)
    return of.reshape(chains, draws), heights


def _apart(values: np.ndarray, part: float) -> np.ndarray:
    """The heights that differ by more than SAME, highest first."""
    values = np.sort(values)[::-1]
    return values[np.concatenate([[True], np.diff(values) < -part * SAME])]


def said_of(mode: np.ndarray, heights: np.ndarray) -> str:
    """A sentence on several modes: their heights, shares, and how often chains went from one to another."""
    shares = np.bincount(mode.ravel(), minlength=len(heights)) / mode.size
    named = [f"{height:.1f} ({share:.1%} of draws)" for height, share in zip(heights, shares, strict=True)][:5]
    more = f" and {len(heights) - 5} lower ones" if len(heights) > 5 else ""
    crossed = int((np.diff(mode, axis=1) != 0).sum())
    return (
        f"the draws visit {len(heights)} modes, with log densities {', '.join(named)}{more}, and chains crossed "
        f"between them {crossed} times: a mean over all describes none of them, and their shares mean little where "
        "crossings are few; sample_stats['mode'] says at which mode a draw is."
    )
