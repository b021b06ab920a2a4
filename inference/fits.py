"""Point estimates and approximations by an optimiser; one signature, one result."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from .fit import Fit
from .modes import search, whitening
from .problem import Problem
from .table import whole


def _point(method: str, prior: bool, seed: int, *data: Any) -> Fit:
    seed = whole(seed, "seed", 0)
    with jax.enable_x64(True):
        problem = Problem(*data)
        mode, _ = search(problem, seed, prior=prior, jacobian=False)
        return problem.fit(method, mode.vector[None], 1, {"log_density": mode.value, "gap": mode.gap})


def mle(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
    compress: bool = True,
) -> Fit:
    """argmax of the likelihood: the model with its priors left out.

    x: a frame or array (rows, features). y: labels or responses; a missing label, or y=None, is summed out.
    seed sets the starting points. labels names the classes where y does not show them all.
    compress: run on fewer weighted rows where these have the same likelihood (``fit.compression`` says which).
    Raises NoMaximumError where the likelihood has none (separable labels), DataError for a table it cannot use.
    """
    return _point("mle", False, seed, model, x, y, target, labels, compress)


def map_estimate(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
    compress: bool = True,
) -> Fit:
    """argmax of likelihood x prior, as a density of the parameters as declared (no Jacobian). Arguments as in mle."""
    return _point("map_estimate", True, seed, model, x, y, target, labels, compress)


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
    compress: bool = True,
) -> Fit:
    """Independent draws of Normal(mode, H^-1) in unconstrained space, H the Hessian of -log posterior there.

    MacKay 2003, chapter 27. Arguments as in mle; chains x draws independent draws.
    """
    seed, chains, draws = whole(seed, "seed", 0), whole(chains, "chains", 1), whole(draws, "draws", 1)
    with jax.enable_x64(True):
        problem = Problem(model, x, y, target, labels, compress)
        mode, _ = search(problem, seed, prior=True, jacobian=True)
        noise = np.random.default_rng(seed).normal(size=(chains * draws, problem.shape.size))
        vectors = mode.vector + noise @ whitening(problem, mode).T
        return problem.fit("laplace", vectors, chains, {"log_density": mode.value, "gap": mode.gap})
