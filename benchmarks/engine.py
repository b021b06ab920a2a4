"""Another engine under the same ``nuts``? nutpie's compiled NUTS on our own log density, of few rows and whitened.

Both sample the same vectors v, so that only the sampler differs: ours is one JAX program a chunk of draws, nutpie's
calls a compiled gradient of a JAX program from its threads.
"""

from functools import partial
from typing import Any

import numpy as np

from . import naive_bayes, regression
from .race import Row, alone, in_turn
from .samplers import CHAINS, DRAWS, WARMUP, told


def problem_of(table: Any, model: Any, n: int) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    import jax
    from bayeszoo.inference.modes import precondition
    from bayeszoo.inference.problem import Problem

    with jax.enable_x64(True):
        problem = Problem(model(), *table(n))
        centre, whiten, starts, _ = precondition(problem, 0)
    return problem, centre, whiten, starts


def by_ours(table: Any, model: Any, n: int) -> dict[str, Any]:
    """Sampling alone, as nutpie is timed: the search for the mode, R-hat and ESS are left out of both."""
    import time

    import jax
    from bayeszoo.inference import sampling

    problem, centre, whiten, _ = problem_of(table, model, n)
    with jax.enable_x64(True):
        start, advance = sampling._nuts_programs(problem.model, problem.shape, WARMUP, sampling.ACCEPT)
        data = centre, whiten, problem.spec

        def run(seed: int, compiled: bool) -> np.ndarray:
            keys = jax.random.split(jax.random.key(seed), CHAINS)
            noise = np.random.default_rng(seed).normal(size=(CHAINS, centre.size))
            states = [start(key, v, *data, problem.rows) for key, v in zip(keys, noise, strict=True)]
            for steps in (WARMUP, DRAWS):
                states, (v, _) = sampling._chunk(advance, steps, states, not compiled, problem.rows, *data)
            return v

        before = time.perf_counter()
        run(1, compiled=False)
        first, before = time.perf_counter() - before, time.perf_counter()
        v = run(2, compiled=True)
    return told(first, time.perf_counter() - before, {"v": v})


def by_nutpie(table: Any, model: Any, n: int) -> dict[str, Any]:
    import time

    import jax
    import nutpie
    from bayeszoo.inference.target import log_target
    from nutpie.compiled_pyfunc import from_pyfunc

    problem, centre, whiten, _ = problem_of(table, model, n)
    size = centre.size
    jax.config.update("jax_enable_x64", True)  # in nutpie's threads, too

    def log_density(v: jax.Array) -> jax.Array:
        given = {"prior": True, "jacobian": True, **problem.keywords}
        return log_target(centre + whiten @ v, problem.spec, problem.rows, **given)

    before = time.perf_counter()
    program = jax.jit(jax.value_and_grad(log_density)).lower(np.zeros(size)).compile()
    compiling = time.perf_counter() - before

    def make_logp() -> Any:
        def logp(v: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = program(v)
            return float(value), np.asarray(gradient)

        return logp

    def make_expand(*_: Any) -> Any:
        return lambda v: {"v": np.asarray(v, dtype=np.float64)}

    compiled = from_pyfunc(size, make_logp, make_expand, [np.dtype(np.float64)], [(size,)], ["v"])
    keywords = {"draws": DRAWS, "tune": WARMUP, "chains": CHAINS, "progress_bar": False}
    before = time.perf_counter()
    trace = nutpie.sample(compiled, seed=1, **keywords)
    sampling = time.perf_counter() - before
    return told(compiling + sampling, sampling, {"v": trace.posterior["v"].values})


def measure(scale: str) -> list[Row]:
    rows = []
    for part in (naive_bayes, regression):
        for n in (1_000, 100_000):
            calls = {one: partial(alone, one, part.table, part.model, n, limit=120.0) for one in (by_ours, by_nutpie)}
            ours, peer = in_turn(calls).values()
            what = f"NUTS of v, {n:,} rows, min ESS/s"
            if isinstance(ours, str) or isinstance(peer, str):
                rows.append(Row(part.NAME, what, *(one if isinstance(one, str) else "" for one in (ours, peer)), ""))
                continue
            for when in ("again", "first"):
                rates = [one["ess"] / one[when] for one in (ours, peer)]
                said = "compiled" if when == "again" else "compilation counted"
                rows.append(Row(part.NAME, f"{what}, {said}; nutpie on our log density", *rates, rates[0] / rates[1]))
    return rows
