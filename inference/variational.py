"""Stochastic variational inference: the normal that is nearest to the posterior, from all rows or from batches."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Any

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from jax import Array
from numpyro import handlers
from numpyro.infer import SVI, Trace_ELBO, init_to_value
from numpyro.infer.autoguide import AutoMultivariateNormal

from . import minibatch
from .arithmetic import arithmetic
from .cells import whole
from .declare import Declared
from .errors import DataError
from .fit import Fit
from .importance import LOOKED, normal_verdict
from .joint import Rows
from .minibatch import Tangent
from .modes import search, whitening
from .problem import Problem
from .progress import CHUNK, chunks
from .structure import Structure
from .target import log_target
from .threads import one_at_a_time


@lru_cache(maxsize=64)
def _svi_programs(model: Declared, shape: Structure, steps: int) -> tuple[SVI, Callable]:
    keywords = {"model": model, "shape": shape}

    def log_density(v: Array, rows: Rows, centre: Array, whiten: Array, spec: Any, of_all: Tangent | None) -> Array:
        vector = centre + whiten @ v
        value = log_target(vector, spec, rows, prior=True, jacobian=True, **keywords)
        return value if of_all is None else minibatch.corrected(value, vector, centre, of_all, spec, rows, **keywords)

    def whitened(*data: Any) -> None:
        v = numpyro.sample("v", dist.ImproperUniform(dist.constraints.real_vector, (), (shape.size,)))
        if data:  # the guide is made without
            with handlers.block():  # SVI's handlers are not to meet the sites of the user's model
                value = log_density(v, *data)
            numpyro.factor("log_density", value)

    start = init_to_value(values={"v": np.zeros(shape.size)})
    guide = AutoMultivariateNormal(whitened, init_loc_fn=start, init_scale=1)
    optimiser = SVI(whitened, guide, optax.adam(optax.cosine_decay_schedule(0.01, steps)), Trace_ELBO(num_particles=8))

    @partial(jax.jit, static_argnums=0)
    def advance(several: int, state: Any, rows: Rows | None, batches: Rows | None, *data: Any) -> tuple[Any, Array]:
        def step(state: Any, batch: Rows | None) -> tuple[Any, Array]:
            return optimiser.update(state, rows if batch is None else batch, *data)

        return jax.lax.scan(step, state, batches, length=several)

    return optimiser, advance


@one_at_a_time
def svi(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    steps: int = 2000,
    batch: int | None = None,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
    weights: Any = None,
    compress: bool = True,
) -> Fit:
    """Independent draws of the normal that maximises the ELBO in unconstrained space (Kucukelbir et al. 2017).

    A full-covariance normal in v, where vector = mode + L v, so it starts as the Laplace approximation. Adam with a
    falling rate for ``steps`` steps. Arguments as in laplace. Warns where the ELBO was still rising at the end, and
    where the posterior is far from a normal, as laplace does.
    batch: rows a step, drawn anew for each, where the likelihood of all rows is too much for one (Hoffman et al. 2013;
    see bayeszoo.inference.minibatch). The device then holds a sample or some batches, never all rows. Where fewer rows
    have the same likelihood, each step takes all of these.
    """
    seed, chains, draws = whole(seed, "seed", 0), whole(chains, "chains", 1), whole(draws, "draws", 1)
    steps = whole(steps, "steps", 50)
    if batch is not None:
        batch = whole(batch, "batch", 1)
        if jax.process_count() > 1:
            raise DataError("batch is for one process; leave it out, as several processes share the rows.")
    with arithmetic():
        data = {"target": target, "labels": labels, "weights": weights, "compression": compress}
        problem = Problem(model, x, y, **data, sampled=batch is not None)
        if batch is not None and batch > problem.summary.rows:
            raise DataError(
                f"batch is {batch}, but the table has {problem.summary.rows} rows; take fewer, or leave it out."
            )
        mode, _ = search(problem, seed, prior=True, jacobian=True)
        whiten, centre = whitening(problem, mode), mode.vector
        rows, source, of_all, most = problem.rows, None, None, CHUNK
        if batch is not None and not problem.compressed:
            passes, source = _batches(problem, batch, seed)
            centre, of_all = minibatch.climb_on_all(passes, centre, whiten, problem)
            rows, most = None, max(1, min(CHUNK, minibatch.AHEAD // batch))
        optimiser, advance = _svi_programs(problem.model, problem.shape, steps)
        state, losses = optimiser.init(jax.random.key(seed)), []
        for several in chunks(steps, "SVI", most):
            batches = None if source is None else minibatch.stacked(source, several)
            state, part = advance(several, state, rows, batches, centre, whiten, problem.spec, of_all)
            losses.append(np.asarray(part))
        normal = optimiser.guide.get_posterior(optimiser.get_params(state))
        v = np.asarray(normal.sample(jax.random.key(seed + 1), (max(chains * draws, LOOKED),)))
        diagnostics, said = elbo_verdict(np.concatenate(losses))
        vectors, log_normal = centre + v @ whiten.T, np.asarray(normal.log_prob(v))
        if rows is not None:  # batches: all rows are not at hand
            told, far = normal_verdict(problem, vectors, log_normal, seed)
            diagnostics, said = diagnostics | told, said + far
        refit = partial(svi, seed=seed, chains=chains, draws=draws, steps=steps, batch=batch, compress=compress)
        kept = vectors[: chains * draws]
        return problem.fit(refit, kept, chains, diagnostics, said, log_normal=log_normal[: len(kept)])


def _batches(problem: Problem, batch: int, seed: int) -> tuple[Callable[[], Iterator[Rows]], Iterator[Rows]]:
    """Passes over all rows in blocks, and batches of them; read a part at a time where they are not in memory."""
    if problem.own.in_memory:
        every = problem.everything()
        return partial(minibatch.blocks, every), minibatch.batches(every, batch, seed)

    def parts() -> Iterator[Rows]:
        return (problem.lay(part, coarse=True) for part in problem.own.parts())

    passes = lambda: chain.from_iterable(map(minibatch.blocks, parts()))  # noqa: E731  made anew for each pass
    return passes, minibatch.streamed_batches(problem, batch, seed)


def elbo_verdict(losses: np.ndarray) -> tuple[dict[str, float], list[str]]:
    """The mean ELBO of the last fifth of the steps, what it gained on the fifth before, and a warning where it rises.

    The gain counts where it is 5 standard errors of what particles and batches scatter, and a tenth of a nat.
    """
    before, last = np.split(-losses[-(len(losses) // 5) * 2 :], 2)
    gain, error = last.mean() - before.mean(), np.hypot(last.std(), before.std()) / np.sqrt(len(last))
    said = [f"the ELBO still rose by {gain:.2g} nats over the last fifth of the steps: run more."]
    return {"elbo": float(last.mean()), "elbo_gain": float(gain)}, said if gain > max(5 * error, 0.1) else []
