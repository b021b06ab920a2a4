"""Which modes draws visit: how high a climb from a draw ends, and how likely rows are there, name its mode.

Modes that differ in the names of labels alone are one.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from .arithmetic import arithmetic
from .marks import are_alike, marker
from .modes import SAME, few_rows
from .optimise import top_from
from .progress import bar
from .starts import prior_scale

if TYPE_CHECKING:
    from .problem import Problem

LOOKED = 10  # draws of a chain that are looked at first
Top = tuple[float, np.ndarray]  # the height of a mode, and its mark

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

    mark = marker(problem, few)

    def top(vector: np.ndarray) -> Top:
        with arithmetic():  # a thread has a context of its own
            end, height = top_from(vector, whiten, scale, problem.spec, few, enough=part * SAME * PRECISE, **target)
            return height, mark(end)

    chains, draws, size = vectors.shape
    some = vectors[:, np.unique(np.linspace(0, draws - 1, LOOKED).astype(int))].reshape(-1, size)
    _, heights = _told_apart([top(vector) for vector in some], part * SAME)
    if len(heights) == 1:
        return np.zeros((chains, draws), dtype=int), heights
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        climbed = pool.map(top, vectors.reshape(-1, size))
        every = list(bar(climbed, desc="draws, climbed", total=chains * draws))
    mode, heights = _told_apart(every, part * SAME)
    return mode.reshape(chains, draws), heights


def _told_apart(tops: list[Top], nats: float) -> tuple[np.ndarray, np.ndarray]:
    """The mode of each top, and the modes' heights, highest first; tops of one are as high to ``nats``, and alike."""
    modes: list[Top] = []
    of = np.zeros(len(tops), dtype=int)
    for i in sorted(range(len(tops)), key=lambda i: -tops[i][0]):
        height, mark = tops[i]
        there = (k for k, (top, other) in enumerate(modes) if top - height < nats and are_alike(mark, other, nats))
        of[i] = next(there, len(modes))
        modes += [tops[i]] if of[i] == len(modes) else []
    return of, np.array([height for height, _ in modes])


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
