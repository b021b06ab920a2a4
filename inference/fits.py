"""Point estimates and approximations by an optimiser; one signature, one result."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .arithmetic import arithmetic
from .cells import whole
from .fit import Fit
from .importance import LOOKED, normal_verdict
from .modes import search, whitening
from .problem import Problem
from .threads import one_at_a_time


def _point(refit: partial, prior: bool, seed: int, *data: Any, **named: Any) -> Fit:
    seed = whole(seed, "seed", 0)
    with arithmetic():
        problem = Problem(*data, **named)
        mode, _ = search(problem, seed, prior=prior, jacobian=False)
        return problem.fit(refit, mode.vector[None], 1, mode.diagnostics, mode.warning)


@one_at_a_time
def mle(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
    weights: Any = None,
    compress: bool = True,
) -> Fit:
    """argmax of the likelihood: the model with its priors left out.

    x: a frame or array (rows, features); Parquet or CSV files or a Dask frame, whose column ``target`` is y; or what
    ``summarise`` made of any. y: labels or responses; a missing label, or y=None, is summed out.
    seed sets the starting points. labels names the classes where y does not show them all.
    weights: how many rows each row stands for; of files, the column of that name. y and weights go with x by position.
    compress: run on fewer weighted rows where these have the same likelihood (``fit.compression`` says which).
    Raises NoMaximumError where the likelihood has none (separable labels), DataError for a table it cannot use.
    """
    data = {"target": target, "labels": labels, "weights": weights, "compression": compress}
    return _point(partial(mle, seed=seed, compress=compress), False, seed, model, x, y, **data)


@one_at_a_time
def map_estimate(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
    weights: Any = None,
    compress: bool = True,
) -> Fit:
    """argmax of likelihood x prior, as a density of the parameters as declared (no Jacobian). Arguments as in mle."""
    data = {"target": target, "labels": labels, "weights": weights, "compression": compress}
    return _point(partial(map_estimate, seed=seed, compress=compress), True, seed, model, x, y, **data)


@one_at_a_time
def laplace(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
    weights: Any = None,
    compress: bool = True,
) -> Fit:
    """Independent draws of Normal(mode, H^-1) in unconstrained space, H the Hessian of -log posterior there.

    MacKay 2003, chapter 27. Arguments as in mle; chains x draws independent draws. Right where the posterior is near a
    normal; warns (FitWarning) where it is far from one, as for the scale of few groups, by the diagnostic ``normal_k``,
    the Pareto k of its importance weights (Yao et al. 2018).
    """
    seed, chains, draws = whole(seed, "seed", 0), whole(chains, "chains", 1), whole(draws, "draws", 1)
    with arithmetic():
        problem = Problem(model, x, y, target=target, labels=labels, weights=weights, compression=compress)
        mode, _ = search(problem, seed, prior=True, jacobian=True)
        noise = np.random.default_rng(seed).normal(size=(max(chains * draws, LOOKED), problem.shape.size))
        vectors = mode.vector + noise @ whitening(problem, mode).T
        kept, log_normal = vectors[: chains * draws], -0.5 * (noise**2).sum(axis=1)
        told, said = normal_verdict(problem, vectors, log_normal, seed)
        refit = partial(laplace, seed=seed, chains=chains, draws=draws, compress=compress)
        diagnostics, warning = mode.diagnostics | told, [*mode.warning, *said]
        return problem.fit(refit, kept, chains, diagnostics, warning, log_normal=log_normal[: len(kept)])
