"""The No-U-Turn sampler, preconditioned by the mode, and its verdict."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
from jax import Array
from numpyro.infer.hmc import hmc

from .arithmetic import arithmetic
from .cells import whole
from .components import match_components
from .declare import Declared
from .errors import DataError, FitWarning
from .fit import Fit
from .joint import Rows
from .modes import precondition
from .problem import Problem
from .progress import chunks
from .relabel import relabel
from .structure import Structure
from .target import ONCE, log_target
from .threads import one_at_a_time
from .visited import modes_visited, said_of

DISAGREE = 1.01  # R-hat above which chains do
ACCEPT = 0.8  # what NUTS was tuned with by its authors, and Stan and NumPyro take
WIDE = 10.0  # widths by the curvature at the mode beyond which that is no guide


@lru_cache(maxsize=64)
def _nuts_programs(model: Declared, shape: Structure, warmup: int, target_accept: float) -> tuple[Callable, Callable]:
    def potential(centre: Array, whiten: Array, spec: Any, rows: Rows) -> Callable:
        def minus_log_posterior(v: Array) -> Array:
            vector = centre + whiten @ v
            return -log_target(vector, spec, rows, model=model, shape=shape, prior=True, jacobian=True)

        return minus_log_posterior

    init, sample = hmc(potential_fn_gen=potential)

    def start(key: Array, v: Array, *data: Any) -> Any:
        return init(v, warmup, target_accept_prob=target_accept, model_args=data, rng_key=key)

    @partial(jax.jit, static_argnums=0)
    def advance(steps: int, state: Any, *data: Any) -> tuple[Any, tuple]:
        def step(state: Any, _: None) -> tuple[Any, tuple]:
            state = sample(state, data, {})
            seen = {
                "diverging": state.diverging,
                "n_steps": state.num_steps,
                "energy": state.energy,
                "lp": -state.potential_energy,
                "acceptance_rate": state.accept_prob,
                "step_size": state.adapt_state.step_size,
            }
            return state, (state.z, seen)

        return jax.lax.scan(step, state, None, length=steps)

    return jax.jit(start, compiler_options=ONCE), advance


def _chunk(advance: Callable, size: int, states: list, alone: bool, rows: Rows, *data: Any) -> tuple[list, Any]:
    """Each chain ``size`` steps on: the states, and what was seen, (chain, step, ...).

    Chains run in threads, one a core: in one vectorised program each would wait for the longest trajectory, and all
    for one core. ``alone``: one after another, where the program is not compiled yet, or its rows are spread over
    devices, which it takes all.
    """

    def one(state: Any) -> Any:
        with jax.enable_x64(True):  # a thread has a context of its own
            return jax.block_until_ready(advance(size, state, *data, rows))

    if alone or rows.blocks > 1:
        results = list(map(one, states))
    else:
        with ThreadPoolExecutor(min(len(states), os.cpu_count() or 1)) as pool:
            results = list(pool.map(one, states))
    states, seen = zip(*results, strict=True)
    return list(states), jax.tree.map(lambda *chains: np.stack(chains), *seen)


@one_at_a_time
def nuts(
    model: Callable,
    x: Any,
    y: Any = None,
    *,
    seed: int = 0,
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 500,
    target_accept: float = ACCEPT,
    target: str | None = None,
    labels: Sequence[Any] | None = None,
    weights: Any = None,
    compress: bool = True,
) -> Fit:
    """Draws from the posterior by the No-U-Turn sampler (Hoffman and Gelman 2014), preconditioned by the mode.

    It samples v in vector = mode + L v with L L' the inverse Hessian at the mode, chains side by side. Where the
    posterior has no mode or no positive curvature there, as in a funnel, L is the prior's scale, and the diagnostic
    ``preconditioned`` is 0; step size and scales are adapted in both cases. ``widest`` is the largest sd of a v within
    chains: about 1 where the curvature at the mode tells the posterior's width, and a warning where it is far more.
    Chains start at the mode and at any others within 10 nats of it that the search met, so that R-hat tells of several
    modes. Labels that are hidden, and components that a model sums out, have one order in all draws.
    target_accept: the acceptance rate that the step size is adapted to (their delta); nearer to 1, steps are shorter
    and fewer draws diverge where the posterior is sharply curved. Other arguments as in mle.
    Warns (FitWarning, and ``fit.warnings``) where R-hat, ESS or divergences are bad.
    """
    seed, chains, draws = whole(seed, "seed", 0), whole(chains, "chains", 1), whole(draws, "draws", 4)
    warmup = whole(warmup, "warmup", 10)
    if not (isinstance(target_accept, float) and 0 < target_accept < 1):
        raise DataError(f"target_accept is an acceptance rate between 0 and 1, got {target_accept!r}.")
    with arithmetic():
        problem = Problem(model, x, y, target=target, labels=labels, weights=weights, compression=compress)
        centre, whiten, places, preconditioned = precondition(problem, seed)
        start, advance = _nuts_programs(problem.model, problem.shape, warmup, target_accept)
        data = (centre, whiten, problem.spec)
        keys = jax.random.split(jax.random.key(seed), chains)
        noise = np.random.default_rng(seed).normal(size=(chains, problem.shape.size))
        starts = noise + places[np.arange(chains) % len(places)]
        states = [start(key, v, *data, problem.rows) for key, v in zip(keys, starts, strict=True)]
        sizes: set[int] = set()
        for steps, name in ((warmup, "NUTS, warm-up"), (draws, "NUTS, draws")):
            kept = []
            for size in chunks(steps, name):
                states, seen = _chunk(advance, size, states, size not in sizes, problem.rows, *data)
                sizes.add(size)
                kept.append(seen)
        v, stats = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *kept)
        diagnostics = {
            "divergences": float(stats["diverging"].sum()),
            "steps_per_draw": float(stats["n_steps"].mean()),
            "preconditioned": float(preconditioned),
            "widest": float(np.sqrt(v.var(axis=1).mean(axis=0)).max()),  # where chains are apart, R-hat says so
        }
        vectors = centre + v.reshape(chains * draws, -1) @ whiten.T
        size = {"chains": chains, "draws": draws, "warmup": warmup}
        refit = partial(nuts, seed=seed, **size, target_accept=target_accept, compress=compress)
        fit = problem.fit(refit, vectors, chains, diagnostics, (), stats)
        renamed = match_components(relabel(fit))
        verdict, said = _judge(renamed.params, renamed.diagnostics)
        if "renamed_draws" in verdict and chains > 1:
            same = renamed.params is fit.params
            verdict["max_rhat_raw"] = verdict["max_rhat"] if same else convergence(fit.params)["max_rhat"]
        if preconditioned and (len(places) > 1 or verdict.get("max_rhat", 1.0) > DISAGREE):
            mode, heights = modes_visited(problem, vectors.reshape(chains, draws, -1), whiten, seed)
            verdict["modes"] = float(len(heights))
            if len(heights) > 1:
                said.append(said_of(mode, heights))
                stats = {**stats, "mode": mode}
    for sentence in said:
        warnings.warn(sentence, FitWarning, stacklevel=3)
    return replace(renamed, diagnostics=verdict, warnings=(*fit.warnings, *said), sample_stats=stats)


def convergence(params: dict[str, np.ndarray]) -> dict[str, float]:
    """The worst rank-normalised split R-hat, bulk and tail effective sample size (Vehtari et al. 2021)."""
    # Here, because importing arviz_stats takes as long as importing JAX, and only NUTS needs it.
    from arviz_stats.base import array_stats

    flat = np.concatenate([value.reshape(*value.shape[:2], -1) for value in params.values()], axis=-1)
    flat = flat[..., flat.std(axis=(0, 1)) > 0]  # a parameter that is fixed has no R-hat
    axes = {"chain_axis": 0, "draw_axis": 1}
    return {
        "max_rhat": float(np.max(array_stats.rhat(flat, **axes))),
        "min_ess_bulk": float(np.min(array_stats.ess(flat, method="bulk", **axes))),
        "min_ess_tail": float(np.min(array_stats.ess(flat, method="tail", prob=(0.05, 0.95), **axes))),
    }


def _judge(params: dict[str, np.ndarray], diagnostics: dict[str, float]) -> tuple[dict[str, float], list[str]]:
    chains, draws = next(iter(params.values())).shape[:2]
    diagnostics = {**diagnostics, **convergence(params)}
    if chains == 1:  # it compares chains
        del diagnostics["max_rhat"]
    rhat, ess = diagnostics.get("max_rhat", 1.0), min(diagnostics["min_ess_bulk"], diagnostics["min_ess_tail"])
    said = []
    if not rhat < DISAGREE:
        said.append(f"R-hat is {rhat:.3f}, above 1.01: the chains disagree; run longer or look for several modes.")
    if not ess > 100 * chains:
        said.append(f"the smallest effective sample size is {ess:.0f}, below {100 * chains}: run longer.")
    if diagnostics["preconditioned"] and diagnostics["widest"] > WIDE:
        said.append(
            f"the posterior is up to {diagnostics['widest']:.2g} times as wide as the curvature at its mode says: the "
            "preconditioner is wrong, as where several modes or a funnel are; reparametrise, or run longer."
        )
    if diagnostics["divergences"]:
        said.append(
            f"{diagnostics['divergences']:.0f} of {chains * draws} draws diverged: reparametrise the model, or take "
            "shorter steps (nuts(..., target_accept=0.95))."
        )
    return diagnostics, said
