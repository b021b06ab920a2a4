"""Whether a search ended at a maximum: the gap that is left, and densities that keep rising."""

from collections.abc import Iterator
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..models.spec import Spec
from .errors import NoMaximumError, PrecisionError
from .joint import Rows
from .target import lifted

DENSE = 400  # parameters up to which Newton's step solves with the whole Hessian, above it by conjugate gradients
OPEN = 1e-4  # nats still to gain from which on a mode is none
COARSE = 0.05  # nats of rounding error up to which the log density is a curve
REACHED = 22.0, 34.0  # unconstrained values at which a probability is all but 0 or 1, and at which float64 ends


class Objective(Protocol):
    """Minus the log density at u * scale; ``target`` names the density."""

    scale: np.ndarray
    spec: Spec
    target: dict[str, object]

    def at(self, u: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        """Value and gradient."""

    def hessian(self, u: np.ndarray, axes: np.ndarray, rows: Rows) -> np.ndarray:
        """A' H A, for the columns of A."""


def refuse_what_is_no_mode(
    loss: Objective, u: np.ndarray, rows: Rows, curved: Rows, value: float, gap: float, left_out: float
) -> None:
    """Raise NoMaximumError where Newton ended elsewhere, or PrecisionError where the arithmetic is why."""
    if not (np.isfinite(value) and gap <= OPEN):
        refuse_coarse(value, rows.x.dtype)
        raise NoMaximumError(
            f"the optimiser ended with about {gap:.2g} nats still to gain, as where a density grows without bound, "
            f"or has kinks, of which a gradient tells nothing (a Laplace distribution); {instead(loss.target)}."
        )
    if not loss.target["prior"] and _rises(loss, u, rows, curved, value):
        raise NoMaximumError(
            "the likelihood has no maximum: it keeps rising as parameters grow or near the bounds of what they may be, "
            "as when labels are separable, a label or an event is in no row, a variance may vanish, or parameters are "
            "more than rows; use map_estimate, or more informative priors."
        )
    if loss.target["prior"] and _has_no_bound(loss, u, rows, value):
        raise NoMaximumError(
            "the density has no maximum: it keeps rising near the bounds of what parameters may be, as under a "
            "Dirichlet whose concentration is below 1; use nuts, or priors without a peak there."
        )
    if left_out > 0.01:
        raise NoMaximumError(
            f"along a direction with almost no curvature at least {left_out:.2g} nats are still to gain, as where two "
            "columns are nearly copies of one another; leave one out, or take their difference."
        )


def instead(target: dict[str, object]) -> str:
    return "use nuts, or more informative priors" if target["prior"] else "use map_estimate or nuts"


def _has_no_bound(loss: Objective, u: np.ndarray, rows: Rows, value: float) -> bool:
    """Whether a parameter is at its bound, as far as float64 tells, and gained all the way, of which nothing is left.

    A density that comes to an end there, as that of a label in no row does, gains next to nothing on the last part.
    """
    vector = u * loss.scale

    def at(i: int, one: float) -> np.ndarray:
        return np.where(np.arange(u.size) == i, one, vector)

    def values(vectors: np.ndarray) -> list[Array]:
        lift = jax.vmap(lambda one: lifted(loss.target["model"], loss.target["shape"], one, loss.spec, rows).values)
        return jax.tree.leaves(lift(jnp.asarray(vectors)))

    far = np.flatnonzero(np.abs(vector) > REACHED[1])[:DENSE]  # of more, those that are looked at tell as much
    if not len(far):
        return False
    ahead = np.stack([at(i, 1.5 * vector[i]) for i in far])
    moved = [np.abs(a - b).reshape(len(far), -1) for a, b in zip(values(ahead), values(vector[None]), strict=True)]
    bound = np.concatenate(moved, axis=1).max(axis=1) < 1e-9
    for i, place in zip(far[bound], ahead[bound], strict=True):
        if loss.at(place / loss.scale, rows)[0] - value > 1e-4:
            continue
        before, after = (loss.at(at(i, np.sign(vector[i]) * part) / loss.scale, rows)[0] for part in REACHED)
        if before - after > 0.1:
            return True
    return False


def refuse_coarse(value: float, dtype: np.dtype) -> None:
    """Raise PrecisionError where a rounding error of a log density of this size is not small beside a nat."""
    error = float(np.finfo(dtype).eps) * abs(value)
    if error > COARSE:
        what = "float64" if dtype == np.float32 else "fewer rows or smaller weights"
        raise PrecisionError(
            f"the log density is {abs(value):.3g} nats away from 0, of which {dtype} resolves no less than {error:.2g} "
            f"nats, too coarse for this fit; use {what}."
        )


def _rises(loss: Objective, u: np.ndarray, rows: Rows, curved: Rows, value: float) -> bool:
    """Whether the loss never turns up again along some direction that matters (a direction of recession).

    Candidates are the directions without curvature and u itself. One along which nothing changes either way is only
    unidentified (adding a constant to every logit); one that costs on the way back but never on the way out means that
    the maximum lies at infinity (Albert and Anderson 1984: complete and quasi-complete separation).
    """

    def directions() -> Iterator[np.ndarray]:
        yield u
        if u.size <= 5 * DENSE:  # a whole Hessian once is affordable where one each step is not
            curvature, axes = np.linalg.eigh(loss.hessian(u, np.eye(u.size), curved))
            yield from np.linalg.norm(u) * axes[:, curvature < 1e-6 * max(curvature.max(), 1e-9)].T

    for step in directions():
        ahead, back = (loss.at(u + side * step, rows)[0] - value for side in (1, -1))
        if min(ahead, back) < 1e-4 and max(ahead, back) > 0.1:
            return True
    return False
