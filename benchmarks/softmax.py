"""Softmax regression on the 1,797 digits: time to the posterior mode, to a gap under 1e-5 nats.

Peer: LogisticRegression with the same penalty. Weights of standardised pixels have standard deviation 2.5 in our prior,
so C = 2.5^2, and a column of ones stands for the intercept, which our prior holds, too. Each solver that gets there
counts, at the tolerance and thread count that suit it best.
"""

from functools import partial
from itertools import product

import numpy as np

from .digits import LABELS, model, table
from .mixture import limited
from .race import Row, interleaved, timed

NAME = "Softmax regression, digits"
GAP = 1e-5  # nats
TOLERANCES = {"lbfgs": (1e-6, 1e-7, 1e-8), "newton-cg": (1e-6, 1e-7), "newton-cholesky": (1e-6,)}


def measure(scale: str) -> list[Row]:
    import jax
    from bayeszoo.inference import map_estimate
    from bayeszoo.inference.modes import search
    from bayeszoo.inference.problem import Problem
    from sklearn.linear_model import LogisticRegression

    x, y = table(300 if scale == "quick" else 1_797)
    z = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])

    def log_posterior(w: np.ndarray) -> float:
        f = z @ w.T
        return float((f[np.arange(len(y)), y] - np.logaddexp.reduce(f, axis=1)).sum() - 0.5 * (w**2).sum() / 2.5**2)

    def peer(solver: str, tolerance: float) -> np.ndarray:
        fit = LogisticRegression(C=2.5**2, fit_intercept=False, solver=solver, tol=tolerance, max_iter=10_000)
        return fit.fit(z, y).coef_

    def ours() -> np.ndarray:
        got = map_estimate(model(), x, y).posterior().isel(chain=0, draw=0)
        return np.column_stack([got["b"], got["w"] * x.std(axis=0)])

    first, w = timed(ours)
    settings = [(solver, tolerance) for solver, several in TOLERANCES.items() for tolerance in several]
    values = {setting: log_posterior(limited(1, partial(peer, *setting))) for setting in settings}
    best = max(log_posterior(w), *values.values())
    near = [setting for setting in settings if values[setting] > best - GAP]
    with jax.enable_x64(True):
        problem = Problem(model(), x, y)
        peers = {
            (*setting, threads): partial(limited, threads, partial(peer, *setting))
            for setting, threads in product(near, (1, None))
        }
        alone = partial(search, problem, 0, prior=True, jacobian=False)
        seconds = interleaved({"fit": ours, "search": alone, **peers}, rounds=5)
    size = f"{NAME}, {len(x):,} x {x.shape[1]}, {LABELS} labels"
    gap = f"gap {max(0.0, best - log_posterior(w)):.0e} nats; {first:.1f} s with compilation"
    fit, alone, rows = seconds["fit"], seconds["search"], []
    for solver in dict.fromkeys(solver for solver, _ in near):
        of, tolerance, threads = min((name for name in peers if name[0] == solver), key=seconds.get)
        peer = seconds[of, tolerance, threads]
        said = f"tol={tolerance:g}, {threads or 'default'} threads"
        rows.append(Row(size, f"seconds, map_estimate; {solver}", fit, peer, peer / fit, said))
        rows.append(Row(size, f"seconds, its optimiser alone; {solver}", alone, peer, peer / alone, gap))
    return rows
