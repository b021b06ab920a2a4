"""Modes of the log density: L-BFGS from a start, then Newton's steps with the exact Hessian."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg

from ..models.spec import Spec
from .errors import NoMaximumError
from .joint import Rows, split
from .progress import bar
from .target import log_target


def _loss(u: Array, scale: Array, spec: Spec, rows: Rows, **target: object) -> Array:
    return -log_target(u * scale, spec, rows, **target)


_STATIC = ("model", "shape", "prior", "jacobian")
_value_and_gradient = jax.jit(jax.value_and_grad(_loss), static_argnames=_STATIC)


@partial(jax.jit, static_argnames=_STATIC)
def _hessian(u: Array, scale: Array, spec: Spec, rows: Rows, **target: object) -> Array:
    def gradient(u: Array) -> Array:
        return jax.grad(_loss)(u, scale, spec, rows, **target)

    # A few columns at a time: all at once would hold parameters x rows x labels.
    return jax.lax.map(lambda axis: jax.jvp(gradient, (u,), (axis,))[1], jnp.eye(u.size), batch_size=16)


DENSE = 400  # parameters up to which Newton's step solves with the whole Hessian, above it by conjugate gradients


@partial(jax.jit, static_argnames=_STATIC)
def _hessian_times(u: Array, v: Array, scale: Array, spec: Spec, rows: Rows, **target: object) -> Array:
    return jax.jvp(lambda u: jax.grad(_loss)(u, scale, spec, rows, **target), (u,), (v,))[1]


@dataclass(frozen=True)
class Mode:
    """A maximum in unconstrained space. gap: Newton's estimate of the nats still missing, g' H^-1 g / 2."""

    vector: np.ndarray
    value: float
    gap: float


def hessian_at(vector: np.ndarray, spec: Spec, rows: Rows, **target: object) -> np.ndarray:
    """The Hessian of minus the log density at an unconstrained vector."""
    return np.asarray(_hessian(jnp.asarray(vector), jnp.ones(vector.size), spec, rows, **target))


def climb(
    start: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, *, ftol: float = 1e-15, **target: object
) -> tuple[np.ndarray, float]:
    """Where L-BFGS gets from ``start``, in units of ``scale``, and the log density there, -inf where it has none.

    It ends where a step gains less than ``ftol`` of the log density a row.
    """
    count = max(1, rows.x.shape[0])

    def objective(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _value_and_gradient(jnp.asarray(u), scale, spec, rows, **target)
        return float(value) / count, np.asarray(gradient) / count

    if not np.isfinite(objective(start / scale)[0]):
        return start, -np.inf
    options = {"maxiter": 2000, "ftol": ftol, "gtol": 1e-9}
    found = minimize(objective, start / scale, jac=True, method="L-BFGS-B", options=options)
    value = -found.fun * count
    return found.x * scale, value if np.isfinite(value) else -np.inf


def check_effect(start: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, **target: object) -> None:
    """Raise NoMaximumError for a parameter that the likelihood does not read: its prior alone says anything of it."""
    u = start / scale
    gradients = [
        np.asarray(_value_and_gradient(jnp.asarray(place), scale, spec, rows, **target)[1]) for place in (u, u + 0.1)
    ]
    free = split(np.abs(gradients).sum(axis=0), target["shape"].sites)
    idle = next((name for name, gradient in free.items() if np.all(gradient == 0)), None)
    if idle is not None:
        raise NoMaximumError(
            f"the likelihood does not depend on '{idle}' but through the priors of other sites, so it has no most "
            "likely value; use map_estimate or nuts."
        )


def find_mode(start: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, **target: object) -> Mode:
    """Newton from ``start`` with the exact Hessian, in units of ``scale``, until a step gains nothing.

    Raises NoMaximumError where the objective is not finite, where the gap stays open, or where it keeps rising along
    a direction in which it has no curvature (separable labels).
    """

    def f(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _value_and_gradient(jnp.asarray(u), scale, spec, rows, **target)
        return float(value), np.asarray(gradient)

    def axes_of(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.linalg.eigh(np.asarray(_hessian(jnp.asarray(u), scale, spec, rows, **target)))

    def dense_step(u: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        curvature, axes = axes_of(u)
        size = np.abs(curvature)
        floor = 1e-9 * max(size.max(), 1e-9)
        return axes @ np.where(size > floor, axes.T @ gradient / np.maximum(size, floor), 0.0)

    def sparse_step(u: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        def times(v: np.ndarray) -> np.ndarray:
            return np.asarray(_hessian_times(jnp.asarray(u), jnp.asarray(v), scale, spec, rows, **target))

        step, _ = cg(LinearOperator((u.size, u.size), times), gradient, rtol=1e-8, maxiter=500)
        return step if gradient @ step > 0 else gradient

    if not np.isfinite(f(start / scale)[0]):
        raise NoMaximumError(
            "the log density is finite at no start; check the model's fixed hyperparameters, and that every row lies "
            "in the support of its distribution."
        )
    newton_step = dense_step if start.size <= DENSE else sparse_step
    u, gap = start / scale, np.inf
    for _ in bar(range(50), desc="Newton, at most", leave=False):
        value, gradient = f(u)
        if not np.all(np.isfinite(gradient)):
            raise NoMaximumError("the objective is not finite at its best point; use map_estimate, or other priors.")
        step = newton_step(u, gradient)
        gap = 0.5 * float(gradient @ step)
        size = next((t for t in 0.5 ** np.arange(12) if f(u - t * step)[0] < value), 0.0)
        u = u - size * step
        if size == 0.0 or gap < 1e-15:
            break
    value, _ = f(u)
    if not np.isfinite(value) or gap > 1e-4:
        raise NoMaximumError(
            f"the optimiser ended with about {gap:.2g} nats still to gain, as where a density grows without bound; "
            "use map_estimate or nuts, or more informative priors."
        )
    if not target["prior"] and _rises(f, axes_of, u, value):
        raise NoMaximumError(
            "the likelihood has no maximum: it keeps rising as the parameters grow, as when labels are separable, a "
            "label is in no row, or there are more parameters than rows; use map_estimate, or more informative priors."
        )
    return Mode(u * scale, -value, gap)


def _rises(f: Callable, axes_of: Callable, u: np.ndarray, value: float) -> bool:
    """Whether the loss never turns up again along some direction that matters (a direction of recession).

    Candidates are the directions without curvature and u itself. One along which nothing changes either way is only
    unidentified (adding a constant to every logit); one that costs on the way back but never on the way out means that
    the maximum lies at infinity (Albert and Anderson 1984: complete and quasi-complete separation).
    """

    def directions() -> Iterator[np.ndarray]:
        yield u
        if u.size <= 5 * DENSE:  # a whole Hessian once is affordable where one each step is not
            curvature, axes = axes_of(u)
            yield from np.linalg.norm(u) * axes[:, curvature < 1e-6 * max(curvature.max(), 1e-9)].T

    for step in directions():
        ahead, back = (f(u + side * step)[0] - value for side in (1, -1))
        if min(ahead, back) < 1e-4 and max(ahead, back) > 0.1:
            return True
    return False
