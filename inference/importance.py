"""How well a normal stands for the posterior, by the importance weights of its draws."""

from typing import TYPE_CHECKING

import numpy as np

from .optimise import value_at
from .starts import prior_scale

if TYPE_CHECKING:
    from .problem import Problem

LOOKED = 200  # draws whose weights are looked at, made even where fewer are asked for
NOTHING = 1e3  # nats below the most probable draw, of one that has no density
SAME = 1e-6  # nats between draws up to which the normal is the posterior
FAR = 1.5  # Pareto k to warn of; from 1 on, weights have no mean


def normal_verdict(
    problem: "Problem", vectors: np.ndarray, log_normal: np.ndarray, seed: int
) -> tuple[dict[str, float], list[str]]:
    """Pareto k of posterior over normal at its draws, as diagnostic ``normal_k``, and a warning where it is above FAR.

    (Yao et al. 2018, algorithm 1.) vectors: unconstrained draws, (draw, size); log_normal: their log density under the
    normal, but for a constant. Below 0.5 the normal is near the posterior in all parameters taken together, above 1 it
    is not, though single ones may be right; LOOKED draws tell k to some 0.3, so FAR leaves room for that.
    """
    from arviz_stats.base import array_stats

    scale = prior_scale(problem.prior_draws(seed))
    target = {"prior": True, "jacobian": True, **problem.keywords}
    # By the search's own program, which is compiled.
    log_p = np.array([value_at(one, scale, problem.spec, problem.rows, **target) for one in vectors[:LOOKED]])
    log_p = np.maximum(log_p, log_p.max() - NOTHING)
    ratio = log_normal[:LOOKED] - log_p
    k = 0.0  # of weights that are all the same but for rounding, which have no tail
    if np.ptp(ratio) > SAME:
        _, k = array_stats.psislw(ratio)  # of log-likelihoods, whose signs it turns itself
    said = f"the posterior is far from a normal (Pareto k of its draws {k:.1f}, above {FAR:g}): compare with nuts."
    return {"normal_k": float(k)}, [said] if k > FAR else []
