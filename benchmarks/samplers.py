"""One posterior by each sampler, 4 chains of 1,000 draws: seconds with and without compilation, and what it says.

``first`` counts building, compiling and sampling; ``again`` sampling alone (of bayeszoo: a second call on the same
rows, its pass over the data, search for the mode, R-hat and effective sample sizes included). ``checked`` adds these
two to sampling alone where the sampler does not tell them. All run in float64, on our priors.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .race import timed

CHAINS, DRAWS, WARMUP = 4, 1000, 500
LONG = 100.0  # seconds from which on a first call stands for a second one, too: it hardly compiles


def told(first: float, again: float, draws: dict[str, np.ndarray]) -> dict[str, Any]:
    """What a contestant reports: seconds; mean and Monte Carlo error of each parameter; the worst ESS and R-hat.

    draws: name -> (chain, draw, *shape).
    """
    from arviz_stats.base import array_stats
    from bayeszoo.inference.sampling import convergence

    checking, checks = timed(convergence, draws)
    flat = {name: np.asarray(value, float).reshape(*value.shape[:2], -1) for name, value in draws.items()}
    together = np.concatenate([flat[name] for name in sorted(flat)], axis=-1)
    ess = array_stats.ess(together, method="bulk", chain_axis=0, draw_axis=1)
    return {
        "first": float(first),
        "again": float(again),
        "checked": float(again) + checking,
        "mean": together.mean(axis=(0, 1)),
        "error": together.std(axis=(0, 1)) / np.sqrt(ess),
        "ess": float(np.min(ess)),
        "rhat": checks["max_rhat"],
    }


def by_bayeszoo(table: Callable, model: Callable, n: int) -> dict[str, Any]:
    from bayeszoo.inference import nuts, summarise

    x, y = table(n)
    first, fit = timed(nuts, model(), x, y, seed=1)
    again = first
    if first < LONG:
        again, fit = timed(nuts, model(), x, y, seed=2)
    result = told(first, again, fit.params) | {"compression": fit.compression}
    passing, summary = timed(summarise, x, y)
    nuts(model(), summary, seed=3)
    after, _ = timed(nuts, model(), summary, seed=4)
    return result | {"pass": passing, "after the pass": after, "checked": again}


def by_nutpie(table: Callable, build: Callable, n: int, limit: float) -> dict[str, Any] | str:
    """build(x, y): a PyMC model. Sampling stops after ``limit`` seconds, and the rest is extrapolated."""
    import nutpie

    x, y = table(n)
    compiling, compiled = timed(lambda: nutpie.compile_pymc_model(build(x, y)))
    start = time.perf_counter()
    sampler = nutpie.sample(compiled, draws=DRAWS, chains=CHAINS, seed=1, progress_bar=False, blocking=False)
    try:
        trace = sampler.wait(timeout=limit)
        sampling = time.perf_counter() - start
        return told(compiling + sampling, sampling, _named(trace.posterior, build))
    except TimeoutError:
        return _extrapolated(sampler.abort(), compiling, limit, build)


def _extrapolated(trace: Any, compiling: float, limit: float, build: Callable) -> dict[str, Any] | str:
    """What all draws would have taken, and their ESS, by the chains that had 100 draws or more."""
    warmup, drawing = (np.nan_to_num(trace[name].n_steps.values) for name in ("warmup_sample_stats", "sample_stats"))
    drawn = (drawing > 0).sum(axis=1)
    far = drawn >= 100
    if not far.any():
        return f"not within {limit:.0f} s"
    least = drawn[far].min()
    draws = {name: value[far, :least] for name, value in _named(trace.posterior, build).items()}
    second = limit / (warmup.sum() + drawing.sum())  # a gradient, with all cores at work
    whole = second * CHAINS * (warmup[far].sum(axis=1).mean() + DRAWS * drawing[far].sum() / drawn[far].sum())
    result = told(compiling + whole, whole, draws)
    result["ess"] *= CHAINS * DRAWS / (far.sum() * least)
    return result | {"note": f"extrapolated from {far.sum() * least} of {CHAINS * DRAWS} draws, in {limit:.0f} s"}


def by_pymc(table: Callable, build: Callable, n: int) -> dict[str, Any]:
    import pymc

    x, y = table(n)

    def run() -> Any:
        with build(x, y):
            keywords = {"compute_convergence_checks": False, "progressbar": False, "nuts_sampler": "pymc"}
            return pymc.sample(DRAWS, tune=WARMUP, chains=CHAINS, cores=2, random_seed=1, **keywords)

    first, trace = timed(run)
    return told(first, float(trace.posterior.attrs["sampling_time"]), _named(trace.posterior, build))


def by_numpyro(table: Callable, model: Callable, n: int) -> dict[str, Any]:
    """The very model function of ours, by NumPyro's own MCMC."""
    import jax
    from numpyro.infer import MCMC, NUTS

    x, y = table(n)
    with jax.enable_x64(True):
        kernel = NUTS(partial(model(), spec=spec_of(x, y)))
        # jit_model_args: without it, a second run compiles again.
        keywords = {"chain_method": "vectorized", "progress_bar": False, "jit_model_args": True}
        mcmc = MCMC(kernel, num_warmup=WARMUP, num_samples=DRAWS, num_chains=CHAINS, **keywords)

        def run(seed: int) -> dict[str, np.ndarray]:
            mcmc.run(jax.random.key(seed), x.astype(float), y)
            return {name: np.asarray(value) for name, value in mcmc.get_samples(group_by_chain=True).items()}

        first, _ = timed(run, 1)
        again, draws = timed(run, 2)
    return told(first, again, _parameters(draws))


def by_blackjax(table: Callable, model: Callable, n: int) -> dict[str, Any]:
    """BlackJAX's window adaptation and NUTS on the density that NumPyro makes of our model function."""
    import blackjax
    import jax
    from numpyro.infer.util import initialize_model

    x, y = table(n)
    with jax.enable_x64(True):

        def build() -> tuple[Any, Callable]:
            keywords = {"model_args": (x.astype(float), y), "dynamic_args": True}
            keys = jax.random.split(jax.random.key(0), CHAINS)
            init = initialize_model(keys, partial(model(), spec=spec_of(x, y)), **keywords)

            def chain(key: jax.Array, start: Any, *data: jax.Array) -> Any:
                def log_density(free: Any) -> jax.Array:
                    return -init.potential_fn(*data)(free)

                warm, draw = jax.random.split(key)
                adaptation = blackjax.window_adaptation(blackjax.nuts, log_density)
                (state, found), _ = adaptation.run(warm, start, WARMUP)
                kernel = blackjax.nuts(log_density, **found)

                def step(state: Any, key: jax.Array) -> tuple[Any, Any]:
                    state, _ = kernel.step(key, state)
                    return state, init.postprocess_fn(*data)(state.position)

                return jax.lax.scan(step, state, jax.random.split(draw, DRAWS))[1]

            program = jax.jit(jax.vmap(chain, in_axes=(0, 0, None, None)))
            start, data = init.param_info.z, (jax.numpy.asarray(x, float), jax.numpy.asarray(y))
            compiled = program.lower(keys, start, *data).compile()
            return lambda seed: jax.block_until_ready(
                compiled(jax.random.split(jax.random.key(seed), CHAINS), start, *data)
            )

        compiling, run = timed(build)
        sampling, draws = timed(run, 1)
    return told(compiling + sampling, sampling, _parameters({k: np.asarray(v) for k, v in draws.items()}))


def spec_of(x: np.ndarray, y: np.ndarray) -> Any:
    """The sizes and units that our model functions take."""
    from bayeszoo.models.spec import Spec

    labelled = np.issubdtype(y.dtype, np.integer)
    loc, scale = (0.0, 1.0) if labelled else (y.mean(), y.std())
    classes = int(y.max()) + 1 if labelled else 2
    x = x.astype(float)
    return Spec(x.mean(axis=0), x.std(axis=0), loc, scale, rows=len(x), features=x.shape[1], classes=classes)


def _parameters(draws: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in draws.items() if name != "intercept"}


def _named(posterior: Any, build: Callable) -> dict[str, np.ndarray]:
    """The parameters under our names, which are the names in the module that builds the PyMC model."""
    names = sys.modules[build.__module__].PARAMETERS
    return {name: posterior[name].transpose("chain", "draw", ...).values for name in names}
