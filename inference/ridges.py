"""Directions with almost no curvature: real ones, as of a line through years, and those that move no row."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..models.spec import Spec
from .blocks import BLOCK, wider
from .declare import Declared
from .joint import Rows
from .maximum import Objective
from .structure import Structure
from .target import lifted, row_log_likelihoods

REAL = 1e-13  # of what parameters move rows by one at a time, that they move together: below it are rounding errors
CLEAR = 30.0  # times what rounding of cells makes of a direction, which rows must move by
NARROWER = 0.03  # of the greatest curvature, below which the others drown in its rounding errors


@partial(jax.jit, static_argnames=("model", "shape"))
def _moved(
    u: Array, axes: Array, scale: Array, spec: Spec, rows: Rows, rounded: Rows, *, model: Declared, shape: Structure
) -> tuple[Array, Array]:
    """J' W J of J, the changes of rows' log-likelihoods along each column of axes, (columns, columns).

    And the same of what the changes of rounded rows are apart from these.
    """

    def along(axis: Array, block: Rows) -> Array:
        def each(u: Array) -> Array:
            values = lifted(model, shape, u * scale, spec, rows).values
            return row_log_likelihoods(model, shape, values, spec, block)

        return jax.jvp(each, (u,), (axis,))[1]

    def add(total: tuple[Array, Array], blocks: tuple[Rows, Rows]) -> tuple[tuple[Array, Array], None]:
        one, other = (jax.lax.map(partial(along, block=block), axes.T, batch_size=16) for block in blocks)
        weights = jnp.abs(blocks[0].weights)  # of a few rows that stand for all, some may be negative
        more = tuple((part * weights) @ part.T for part in (one, other - one))
        return jax.tree.map(jnp.add, total, more), None

    size, total = BLOCK * wider(), (jnp.zeros((axes.shape[1],) * 2),) * 2
    for parts in zip(rows.cut(size), rounded.cut(size), strict=True):
        total = jax.lax.scan(add, total, parts)[0]
    return total


def _real(loss: Objective, u: np.ndarray, weak: np.ndarray, rows: Rows) -> np.ndarray:
    """Directions among these, turned apart, in which rows move by more than their own rounding makes of it.

    What rounding makes is seen where half of the cells, chosen by chance, are the next larger number.
    """
    target = {name: loss.target[name] for name in ("model", "shape")}
    last_place = np.random.default_rng(0).integers(2, size=rows.x.shape) * np.finfo(np.float64).eps
    rounded = replace(rows, x=rows.x * (1 + last_place))

    def moved(axes: np.ndarray) -> np.ndarray:
        square = np.pad(axes, [(0, 0), (0, u.size - axes.shape[1])])  # of one shape, so that one program serves
        data = jnp.asarray(u), jnp.asarray(square), loss.scale, loss.spec, rows, rounded
        return np.asarray(_moved(*data, **target))[:, : axes.shape[1], : axes.shape[1]]

    one_at_a_time, together = np.sqrt(np.diagonal(moved(np.eye(u.size))[0])), moved(weak)
    if not (np.isfinite(one_at_a_time).all() and np.isfinite(together).all()):
        return weak[:, :0]
    turn, squares = _turned(together[0])
    weak, by_rounding = weak @ turn, np.diagonal(turn.T @ together[1] @ turn)
    least = np.maximum(REAL * (np.abs(weak).T @ one_at_a_time), CLEAR * np.sqrt(np.maximum(by_rounding, 0)))
    return weak[:, np.sqrt(np.maximum(squares, 0)) > least]


def _turned(square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What turns axes so that a form of them is diagonal, once each had length 1; and its values there."""
    diagonal = np.abs(np.diagonal(square))
    width = np.divide(1, np.sqrt(diagonal), out=np.zeros(len(diagonal)), where=diagonal > 0)
    values, turned = np.linalg.eigh(width[:, None] * square * width)
    return width[:, None] * turned, values


def along_ridges(
    loss: Objective, u: np.ndarray, value: float, gradient: np.ndarray, weak: np.ndarray, curved: Rows, rows: Rows
) -> tuple[tuple[np.ndarray, float, np.ndarray] | None, np.ndarray]:
    """Where Newton's step leads among directions whose curvature is no more than rounding errors of others'.

    Of a line through rows at 10^18 +- 10^9, say, offset and slope together have 10^-20 of the curvature that either
    has alone. weak: such directions, columns. The place, its value and gradient, None where no step is a gain; and
    those directions that are real, each as long as its curvature says.
    """
    weak = _real(loss, u, weak, curved) if weak.size else weak
    if not weak.size:
        return None, weak
    count = weak.shape[1]
    for _ in range(3):
        hessian = loss.hessian(u, np.pad(weak, [(0, 0), (0, u.size - count)]), curved)
        if not np.isfinite(hessian).all():
            return None, weak[:, :0]
        turn, curvature = _turned(hessian[:count, :count])
        weak = weak @ turn
        if np.abs(curvature).min() > NARROWER * np.abs(curvature).max():
            break
    along = weak.T @ gradient
    step = weak @ np.divide(along, np.abs(curvature), out=np.zeros(count), where=curvature != 0)
    best = None
    for sizes in (4.0 ** np.arange(12), 0.5 ** np.arange(1, 12)):  # such curvatures may be wrong by orders
        for size in sizes:
            new_value, new_gradient = loss.at(u - size * step, rows)
            if new_value < (value if best is None else best[1]):
                best = u - size * step, new_value, new_gradient
            elif best is not None or size >= 1:
                break
        if best is not None:
            break
    return best, weak
