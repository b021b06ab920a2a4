"""The same questions to one device, several, or several processes: python spread_rows.py [port process]"""

import json
import sys
import warnings

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from bayeszoo.inference import BayeszooError, map_estimate, nuts
from bayeszoo.inference.problem import Problem
from bayeszoo.inference.target import log_target
from bayeszoo.models import gaussian_naive_bayes, linear_regression

ROWS, CUT = 301, 187  # of two processes one has the first 187 rows


def student(x, y=None, *, spec):
    a = numpyro.sample("a", dist.Normal(spec.y_loc, spec.y_scale))
    with numpyro.plate("feature", spec.features):
        b = numpyro.sample("b", dist.Normal(0, spec.y_scale / spec.scale))
    s = numpyro.sample("s", dist.HalfNormal(spec.y_scale))
    with numpyro.plate("row", spec.rows):
        numpyro.sample("y", dist.StudentT(4.0, a + x @ b, s), obs=y)


def looks_at_the_table(x, y=None):
    a = numpyro.sample("a", dist.Normal(x.mean(), 1.0))
    with numpyro.plate("row", x.shape[0]):
        numpyro.sample("y", dist.StudentT(4.0, a, 1.0), obs=y)


def tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x and y of a regression; columns with holes and labels, of which the last 121 are hidden."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 2)) * [1.0, 30.0]
    y = 5 + x @ [1.0, -0.2] + rng.standard_t(4, size=ROWS)
    species = rng.integers(3, size=ROWS)
    holes = np.where(rng.random(x.shape) < 0.1, np.nan, x + species[:, None])
    labels = np.array(["setosa", "versicolor", "virginica"], dtype=object)[species]
    labels[180:] = None  # all of the second process
    return x, y, holes, labels


def density(model, x, y) -> dict:
    """log target and gradient at a fixed place, and the instructions by which devices exchange what."""
    with jax.enable_x64(True):
        problem = Problem(model, x, y, compression=False)
        vector = np.linspace(-0.2, 0.3, problem.shape.size)
        names = ("model", "shape", "prior", "jacobian")
        both = jax.jit(jax.value_and_grad(log_target), static_argnames=names)
        arguments = (vector, problem.spec, problem.rows)
        target = {"prior": True, "jacobian": True, **problem.keywords}
        program = both.lower(*arguments, **target).compile()
        value, gradient = both(*arguments, **target)
        kinds = ("all-reduce", "all-gather", "all-to-all", "collective-permute")
        return {
            "value": float(value),
            "gradient": np.asarray(gradient).tolist(),
            "exchanges": [kind for kind in kinds if f"{kind}(" in program.as_text()],
            "devices": len(problem.rows.x.sharding.device_set) if problem.rows.blocks > 1 else 1,
            "rows": problem.rows.x.shape[0],
        }


def refusal(model, x, y) -> str:
    try:
        map_estimate(model, x, y, compress=False)
    except BayeszooError as error:
        return str(error)
    return "none"


def answers(share: slice) -> dict:
    x, y, holes, labels = (part[share] for part in tables())
    found = {"regression": density(student, x, y), "labels": density(gaussian_naive_bayes, holes, labels)}
    fit = map_estimate(student, x, y, compress=False)
    found["mode"] = [fit.diagnostics["log_density"], *np.concatenate([v.ravel() for v in fit.params.values()])]
    found["compression"] = fit.compression
    few = map_estimate(linear_regression, x, y)
    found["compressed"] = [few.compression, *np.concatenate([v.ravel() for v in few.params.values()]).tolist()]
    if jax.process_count() > 1 or jax.device_count() == 1:
        short = nuts(student, x, y, chains=2, warmup=20, draws=20, compress=False)
        found["draws"] = np.concatenate([v.ravel() for v in short.params.values()]).tolist()
    if jax.process_count() > 1:
        wide = x if jax.process_index() == 0 else np.column_stack([x, x[:, :1] ** 2])
        text = x if jax.process_index() == 0 else np.where(x > 1, "big", "small")
        cases = {"columns": (student, wide, y), "text": (student, text, y), "prior": (looks_at_the_table, x, y)}
        found["refusals"] = {name: refusal(*case) for name, case in cases.items()}
    return found


if __name__ == "__main__":
    share = slice(None)
    if len(sys.argv) > 1:
        port, process = sys.argv[1:]
        jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(process))
        share = slice(CUT) if process == "0" else slice(CUT, None)
    warnings.simplefilter("ignore")  # the runs are short
    print(json.dumps(answers(share)))
