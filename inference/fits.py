"""Point estimates and approximations by an optimiser; one signature, one result."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from numpyro.infer import SVI, Trace_ELBO, init_to_value
from numpyro.infer.autoguide import AutoMultivariateNormal

from .fit import Fit
from .modes import search, whitening
from .problem import Problem
from .progress import chunks
from .table import whole
from .target import log_target


def _point(method: str, prior: bool, seed: int, *data: Any) -> Fit:
    seed = whole(seed, "seed", 0)
    with jax.enable_x64(True):
        problem = Problem(*data)
        mode, _ = search(problem, seed, prior=prior, jacobian=False)
        return problem.fit(method, mode.vector[None], 1, mode.diagnostics, mode.warning)


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
        return problem.fit("laplace", vectors, chains, mode.diagnostics, mode.warning)


def svi(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    steps: int = 2000,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
    compress: bool = True,
) -> Fit:
    """Independent draws of the normal that maximises the ELBO in unconstrained space (Kucukelbir et al. 2017).

    A full-covariance normal in v, where vector = mode + L v, so it starts as the Laplace approximation. Adam with a
    falling rate for ``steps`` steps. Arguments as in laplace. Warns where the ELBO was still rising at the end.
    """
    seed, chains, draws = whole(seed, "seed", 0), whole(chains, "chains", 1), whole(draws, "draws", 1)
    steps = whole(steps, "steps", 50)
    with jax.enable_x64(True):
        problem = Problem(model, x, y, target, labels, compress)
        mode, _ = search(problem, seed, prior=True, jacobian=True)
        whiten, size = whitening(problem, mode), problem.shape.size

        def whitened() -> None:
            v = numpyro.sample("v", dist.ImproperUniform(dist.constraints.real_vector, (), (size,)))
            vector = mode.vector + jnp.asarray(whiten) @ v
            value = log_target(vector, problem.spec, problem.rows, prior=True, jacobian=True, **problem.keywords)
            numpyro.factor("log_density", value)

        guide = AutoMultivariateNormal(whitened, init_loc_fn=init_to_value(values={"v": jnp.zeros(size)}), init_scale=1)
        rate = optax.cosine_decay_schedule(0.01, steps)
        optimiser = SVI(whitened, guide, optax.adam(rate), Trace_ELBO(num_particles=8))

        @partial(jax.jit, static_argnums=0)
        def advance(several: int, state: Any) -> tuple[Any, jax.Array]:
            return jax.lax.scan(lambda state, _: optimiser.update(state), state, None, length=several)

        state, losses = optimiser.init(jax.random.key(seed)), []
        for several in chunks(steps, "SVI"):
            state, part = advance(several, state)
            losses.append(np.asarray(part))
        normal = guide.get_posterior(optimiser.get_params(state))
        v = np.asarray(normal.sample(jax.random.key(seed + 1), (chains * draws,)))
        before, last = np.split(-np.concatenate(losses)[-(steps // 5) * 2 :], 2)
        gain, error = last.mean() - before.mean(), np.hypot(last.std(), before.std()) / np.sqrt(len(last))
        said = [f"the ELBO still rose by {gain:.2g} nats over the last fifth of the steps: run more."]
        diagnostics = {"elbo": float(last.mean()), "elbo_gain": float(gain)}
        rising = gain > max(5 * error, 0.1)
        return problem.fit("svi", mode.vector + v @ whiten.T, chains, diagnostics, said if rising else ())
