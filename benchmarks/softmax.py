"""Softmax regression on the 1,797 digits: time to the posterior mode, to a gap under 1e-5 nats.

Peer: LogisticRegression with the same penalty. Weights of standardised pixels have standard deviation 2.5 in our prior,
so C = 2.5^2, and a column of ones stands for the intercept, which our prior holds, too. Each solver that gets there
counts, at the tolerance and thread count that suit it best.
"""

from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from .digits import LABELS, model, table
from .mixture import limited
from .queries import table as labelled
from .race import Row, interleaved, timed

NAME = "Softmax regression, digits"
GAP = 1e-5  # nats
TOLERANCES = {"lbfgs": (1e-6, 1e-7, 1e-8), "newton-cg": (1e-6, 1e-7), "newton-cholesky": (1e-6,)}


class Race(NamedTuple):
    """A table, and what to do with it. z: its standardised columns after one of ones."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    def log_posterior(self, w: np.ndarray) -> float:
        f = self.z @ w.T
        likelihood = f[np.arange(len(f)), self.y] - np.logaddexp.reduce(f, axis=1)
        return float(likelihood.sum() - 0.5 * (w**2).sum() / 2.5**2)

    def peer(self, solver: str, tolerance: float) -> np.ndarray:
        from sklearn.linear_model import LogisticRegression

        fit = LogisticRegression(C=2.5**2, fit_intercept=False, solver=solver, tol=tolerance, max_iter=10_000)
        return fit.fit(self.z, self.y).coef_

    def ours(self) -> np.ndarray:
        from bayeszoo.inference import map_estimate

        got = map_estimate(model(), self.x, self.y).posterior().isel(chain=0, draw=0)
        return np.column_stack([got["b"], got["w"] * self.x.std(axis=0)])


def race(x: np.ndarray, y: np.ndarray) -> Race:
    return Race(x, y, np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)]))


def measure(scale: str) -> list[Row]:
    quick = scale == "quick"
    return [*_digits(300 if quick else 1_797), *_many_rows(20_000 if quick else 1_000_000)]


def _many_rows(n: int) -> list[Row]:
    """L-BFGS alone, at the tolerance that leaves it as close as bayeszoo to a thousandth of a nat; newton is slower."""
    data = race(*labelled(n))
    first, w = timed(data.ours)
    peers = {threads: partial(limited, threads, partial(data.peer, "lbfgs", 1e-7)) for threads in (1, None)}
    seconds = interleaved({"fit": data.ours, **peers}, rounds=1)
    threads = min(peers, key=seconds.get)
    fit, peer, behind = seconds["fit"], seconds[threads], data.log_posterior(w) - data.log_posterior(peers[threads]())
    note = f"lbfgs {behind:.0e} nats lower, tol=1e-07, {threads or 'default'} threads; {first:.1f} s with compilation"
    what = "Softmax regression, {:,} x {}, {} labels".format(*data.x.shape, data.y.max() + 1)
    return [Row(what, "seconds, map_estimate; lbfgs", fit, peer, peer / fit, note)]


def _digits(n: int) -> list[Row]:
    import jax
    from bayeszoo.inference.modes import search
    from bayeszoo.inference.problem import Problem

    x, y = table(n)
    data = race(x, y)
    first, w = timed(data.ours)
    settings = [(solver, tolerance) for solver, several in TOLERANCES.items() for tolerance in several]
    values = {setting: data.log_posterior(limited(1, partial(data.peer, *setting))) for setting in settings}
    best = max(data.log_posterior(w), *values.values())
    near = [setting for setting in settings if values[setting] > best - GAP]
    with jax.enable_x64(True):
        problem = Problem(model(), x, y)
        peers = {
            (*setting, threads): partial(limited, threads, partial(data.peer, *setting))
            for setting, threads in product(near, (1, None))
        }
        alone = partial(search, problem, 0, prior=True, jacobian=False)
        seconds = interleaved({"fit": data.ours, "search": alone, **peers}, rounds=5)
    size = f"{NAME}, {len(x):,} x {x.shape[1]}, {LABELS} labels"
    gap = f"gap {max(0.0, best - data.log_posterior(w)):.0e} nats; {first:.1f} s with compilation"
    fit, alone, rows = seconds["fit"], seconds["search"], []
    for solver in dict.fromkeys(solver for solver, _ in near):
        of, tolerance, threads = min((name for name in peers if name[0] == solver), key=seconds.get)
        peer = seconds[of, tolerance, threads]
        said = f"tol={tolerance:g}, {threads or 'default'} threads"
        rows.append(Row(size, f"seconds, map_estimate; {solver}", fit, peer, peer / fit, said))
        rows.append(Row(size, f"seconds, its optimiser alone; {solver}", alone, peer, peer / alone, gap))
    return rows
