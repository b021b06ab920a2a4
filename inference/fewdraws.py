"""The joint's mean over many draws as a matrix product, where the model allows it: found out, and checked on every row.

Where log P(x, k | theta) is a sum of r functions of the row, each times a function of theta, r draws tell all others:

    log P(x_i, k | theta_s) = sum_j log P(x_i, k | theta_j) W_js,    j over r of the draws,

an interpolative decomposition (Cheng, Gimbutas, Martinsson and Rokhlin 2005). D independent normals have r = 2 D + 1,
as their log density is a quadratic polynomial of the row. The model then runs r times a row, and not once a draw.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .blocks import in_blocks, wider
from .densities import STATIC, bayes, each_draw, log_density, split_missing

WORTH = 30_000_000  # draws x rows from which the search costs less than it saves
SAMPLE = 512  # rows, and draws, among which the few draws are found
CHECKS = 16  # further draws, at which every row is computed both ways
CHUNK = 125  # draws whose joints are held at a time
BLOCK = 512  # rows at a time: with a chunk of draws they stay in a core's cache
NONE = 1e-13  # a pivot of this relative size is rounding


def averaged_by_few(params: dict, spec: Any, x: np.ndarray, y: np.ndarray, **static: Any) -> np.ndarray | None:
    """What ``averaged`` answers of all rows, from a few of the draws; None where it isn't worth it or isn't exact."""
    draws = len(next(iter(params.values())))
    if draws * len(x) < WORTH:
        return None
    found = _few_draws(params, spec, x, y, **static)
    if found is None:
        return None
    few, weights = found
    checked = np.linspace(0, draws - 1, CHECKS).astype(int)
    run = np.concatenate([few, np.tile(checked, (len(few), 1))], axis=1)
    with jax.enable_x64(True):
        used = {name: value[run] for name, value in params.items()}
        program = partial(_averaged, used, jnp.asarray(weights), jnp.asarray(checked), spec, **static)
    answers = []
    for answer, exact in in_blocks(program, x, y, most=BLOCK * wider()):
        if not exact.all():
            return None
        answers.append(answer)
    return np.concatenate(answers)


def _few_draws(
    params: dict, spec: Any, x: np.ndarray, y: np.ndarray, *, classes: int, question: str, **static: Any
) -> tuple[np.ndarray, np.ndarray] | None:
    """For each label, the few draws, (labels, r), and the weights W, (labels, r, draws)."""
    drawn = np.random.default_rng(0).integers(len(x), size=SAMPLE // 2)
    ends = np.concatenate([x.argmin(axis=0), x.argmax(axis=0)])[: SAMPLE // 2]
    rows = np.unique(np.concatenate([drawn, ends]))
    found = []
    program = partial(each_draw, params, spec, classes=0, question="joint", **static)
    for k in range(max(classes, 1)):
        label = np.full(len(rows), k) if classes else y[rows]
        sample = np.concatenate([part[:, 0] for part in in_blocks(program, x[rows], label)])
        found.append(_interpolation(sample))
        if found[-1] is None:
            return None
    most = max(len(few) for few, _ in found)
    few = np.stack([np.pad(few, (0, most - len(few)), mode="edge") for few, _ in found])
    return few, np.stack([np.pad(w, ((0, most - len(w)), (0, 0))) for _, w in found])


def _interpolation(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Which columns of ``sample``, (rows, draws), tell all others, and with which weights; None where too many do.

    Gaussian elimination with the largest remaining entry as pivot; the pivots' rows and columns, I and J, have
    sample = sample[:, J] W with sample[I, J] W = sample[I]. It stops at the rank, which a factorisation would not.
    """
    draws = sample.shape[1]
    tried = np.linspace(0, draws - 1, min(SAMPLE, draws)).astype(int)
    left, rows, few = sample[:, tried], [], []
    if not np.all(np.isfinite(sample)):
        return None
    while True:
        i, j = np.unravel_index(np.abs(left).argmax(), left.shape)
        if few and abs(left[i, j]) <= NONE * abs(sample[rows[0], few[0]]):
            break
        if len(few) == min(len(sample) // 2, draws // 4) or left[i, j] == 0:
            return None
        rows.append(i)
        few.append(tried[j])
        left = left - np.outer(left[:, j], left[i] / left[i, j])
    weights = np.linalg.solve(sample[np.ix_(rows, few)], sample[rows])
    return (np.array(few), weights) if np.all(_near(sample[:, few] @ weights, sample)) else None


def _near(got: Any, want: Any) -> Any:
    """To 1e-10 and 13 digits: rounding, and nothing else."""
    return abs(got - want) <= 1e-10 + 1e-13 * abs(want)


@partial(jax.jit, static_argnames=STATIC)
def _averaged(
    few: dict,
    weights: Array,
    checked: Array,
    spec: Any,
    x: Array,
    y: Array,
    *,
    classes: int,
    question: str,
    partly: bool,
    alike: bool,
    **static: Any,
) -> tuple[Array, Array]:
    """The answer (rows, labels), and whether each row's is exact; few: name -> (labels, r + checks, *shape)."""
    x, seen = split_missing(x, spec, partly, alike)
    rank, draws = weights.shape[1:]

    def label(one: tuple[dict, Array, Array]) -> tuple[Array, Array]:
        values, weights, y = one
        joint = jax.lax.map(lambda theta: log_density(theta, spec, x, seen, y, classes=0, **static)[0], values).T
        few, check = joint[:, :rank], joint[:, rank:]
        exact = jnp.all(_near(few @ weights[:, checked], check), axis=1)

        def add(sums: tuple[Array, Array], weights: Array) -> tuple[tuple[Array, Array], None]:
            values = few @ weights
            largest = jnp.maximum(sums[0], values.max(axis=1))
            total = sums[1] * jnp.exp(sums[0] - largest) + jnp.exp(values - largest[:, None]).sum(axis=1)
            return (largest, total), None

        whole = draws // CHUNK * CHUNK
        chunks = weights[:, :whole].reshape(rank, -1, CHUNK).swapaxes(0, 1)
        sums = jax.lax.scan(add, (jnp.full(len(x), -jnp.inf), jnp.zeros(len(x))), chunks)[0]
        largest, total = add(sums, weights[:, whole:])[0] if whole < draws else sums
        return largest + jnp.log(total / draws), exact

    joint, exact = jax.lax.map(label, (few, weights, jnp.arange(classes) if classes else y[None]))
    return bayes(joint, question), exact.all(axis=0)
