"""Modes of the log density: L-BFGS from a start, then Newton's steps with the Hessian of all rows or of some."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.sparse.linalg import cg

from ..models.spec import Spec
from .blocks import wider
from .declare import Declared
from .errors import NoMaximumError
from .joint import Rows, split
from .lbfgs import minimise
from .maximum import DENSE, instead, refuse_what_is_no_mode
from .progress import bar
from .ridges import along_ridges
from .structure import Structure
from .target import lifted, log_likelihood

LARGEST = 2_000  # parameters up to which the whole Hessian takes over where conjugate gradients lead no further
CLOSE = 1e-6  # nats still to gain from which on a mode has a warning
FLAT = 1e-14  # of the greatest curvature, parameters scaled alike, below which there is none
LEAST = 1e-25  # likewise, of one parameter alone, whose curvature the rounding errors of others do not touch
NOTHING = 1e-9  # nats, a gain after which no other is looked for
WORKING_SET = 2**17  # numbers a block of rows makes, labels x features of a row: what stays in a processor's cache


_STATIC = ("model", "shape", "prior", "jacobian")


def _loss(
    u: Array, scale: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure, prior: bool, jacobian: bool
) -> tuple[Array, Array]:
    """Minus the log density at u * scale, and its gradient by u.

    Both are added up over blocks of rows: the gradient of all rows at once would first write what it needs of each row
    to memory and then read it again, which takes several times as long as computing it.
    """

    def parameters(u: Array) -> tuple[dict[str, Array], Array]:
        lift = lifted(model, shape, u * scale, spec, rows)
        return lift.values, (lift.log_prior if prior else 0.0) + (lift.log_jacobian if jacobian else jnp.zeros(()))

    def add(total: tuple, block: Rows) -> tuple[tuple, None]:
        more = jax.value_and_grad(lambda values: log_likelihood(model, shape, values, spec, block))(values)
        return jax.tree.map(jnp.add, total, more), None

    (values, rest), back = jax.vjp(parameters, u)
    total = (jnp.zeros_like(rest), jax.tree.map(jnp.zeros_like, values))
    size = max(1, WORKING_SET * wider() // ((shape.classes or 1) * spec.features))
    for part in rows.cut(size):
        total = jax.lax.scan(add, total, part)[0]
    value, by_values = total
    return -(value + rest), -back((by_values, jnp.ones_like(rest)))[0]


_value_and_gradient = jax.jit(_loss, static_argnames=_STATIC)


def _times(u: Array, v: Array, *data: object, **target: object) -> Array:
    return jax.jvp(lambda u: _loss(u, *data, **target)[1], (u,), (v,))[1]


@partial(jax.jit, static_argnames=_STATIC)
def _hessian(u: Array, axes: Array, scale: Array, spec: Spec, rows: Rows, **target: object) -> Array:
    """(H A)' of the columns of A."""
    # A few columns at a time: all at once would hold parameters x rows x labels.
    return jax.lax.map(lambda axis: _times(u, axis, scale, spec, rows, **target), axes.T, batch_size=16)


@partial(jax.jit, static_argnames=_STATIC)
def _conjugate_gradients(u: Array, gradient: Array, scale: Array, spec: Spec, rows: Rows, **target: object) -> Array:
    step, _ = cg(lambda v: _times(u, v, scale, spec, rows, **target), gradient, tol=1e-2, maxiter=500)
    return step


@partial(jax.jit, static_argnames=_STATIC)
def _climb(start: Array, enough: Array, scale: Array, spec: Spec, rows: Rows, **target: object) -> tuple[Array, Array]:
    return minimise(lambda u: _loss(u, scale, spec, rows, **target), start, enough, longest=1.0)


@partial(jax.jit, static_argnames=_STATIC)
def _descend(
    start: Array, whiten: Array, enough: Array, scale: Array, spec: Spec, rows: Rows, **target: object
) -> tuple[Array, Array]:
    """L-BFGS over v, u = start + whiten v, with a Newton step for its first."""

    def objective(v: Array) -> tuple[Array, Array]:
        value, gradient = _loss(start + whiten @ v, scale, spec, rows, **target)
        return value, gradient @ whiten

    v, value = minimise(objective, jnp.zeros_like(start), enough, longest=jnp.inf)
    return start + whiten @ v, value


class NoStartError(NoMaximumError):
    """The log density is not finite where a search starts."""


@dataclass(frozen=True)
class Mode:
    """A maximum in unconstrained space.

    gap: Newton's estimate of the nats still missing, g' H^-1 g / 2. gradient_norm: the length of the gradient, in nats
    for one width of its prior in each parameter (for one unit of unconstrained space where the prior has no width).
    ridges: directions whose curvature is no more than rounding errors of others', columns as long as it says.
    alone: how many climbs were made where only one of them led here; 0 where several did. beside: how many other modes
    were met that are less than a nat lower, where labels are hidden.
    """

    vector: np.ndarray
    value: float
    gap: float
    gradient_norm: float
    ridges: np.ndarray
    alone: int = 0
    beside: int = 0

    @property
    def diagnostics(self) -> dict[str, float]:
        return {"log_density": self.value, "gap": self.gap, "gradient_norm": self.gradient_norm}

    @property
    def warning(self) -> tuple[str, ...]:
        """Sentences where the optimiser came near the maximum but not to it, or where there may be a higher one."""
        said = []
        if self.gap > CLOSE:
            said.append(
                f"the optimiser stopped with {self.gap:.1g} nats or more still to gain; the fit is not quite the mode."
            )
        if self.alone:
            said.append(
                f"of {self.alone} climbs one alone led to this mode, all others to lower ones, so there may be higher "
                "ones still; compare log_density at other seeds, or use nuts, whose chains tell whether they agree."
            )
        if self.beside:
            others = "another mode is" if self.beside == 1 else f"{self.beside} other modes are"
            said.append(
                f"{others} as high, or less than a nat lower, and what is said here is of one alone; use nuts, whose "
                "chains start at several and tell whether they agree."
            )
        return tuple(said)


def hessian_at(vector: np.ndarray, spec: Spec, rows: Rows, **target: object) -> np.ndarray:
    """The Hessian of minus the log density at an unconstrained vector."""
    return hessian_times(vector, np.eye(vector.size), np.ones(vector.size), spec, rows, **target)


def hessian_times(
    vector: np.ndarray, axes: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, **target: object
) -> np.ndarray:
    """The Hessian of minus the log density, in units of ``scale``, times the columns of a matrix."""
    data = jnp.asarray(vector / scale), jnp.asarray(axes), jnp.asarray(scale), spec, rows
    return np.asarray(_hessian(*data, **target)).T


def climb(
    start: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, *, enough: float = 1e-3, **target: object
) -> tuple[np.ndarray, float]:
    """Where L-BFGS gets from ``start``, in units of ``scale``, and the log density there, -inf where it has none.

    It ends where a step gains less than ``enough`` nats.
    """
    place, value = _climb(jnp.asarray(start / scale), jnp.asarray(enough), scale, spec, rows, **target)
    return np.asarray(place) * scale, -float(value) if np.isfinite(value) else -np.inf


def descend(
    start: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, few: Rows, *, enough: float, **target: object
) -> tuple[np.ndarray, float]:
    """As ``climb``, but in units of the curvature at ``start`` of a few rows, which stand for all."""
    place, value = _Objective(scale, spec, target).descend(start / scale, enough, rows, few)
    return place * scale, -value if np.isfinite(value) else -np.inf


def top_from(
    start: np.ndarray, whiten: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, *, enough: float, **target: object
) -> tuple[np.ndarray, float]:
    """Where L-BFGS gets from ``start``, in units in which the posterior is about as wide everywhere, and how high.

    whiten: a matrix L with L L' about the posterior's covariance, as NUTS has it.
    """
    data = jnp.asarray(start / scale), jnp.asarray(whiten / scale[:, None]), jnp.asarray(enough)
    place, loss = _descend(*data, scale, spec, rows, **target)
    return np.asarray(place) * scale, -float(loss)


def value_at(vector: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, **target: object) -> float:
    """The log density at an unconstrained vector, -inf where it has none."""
    value, _ = _value_and_gradient(jnp.asarray(vector / scale), scale, spec, rows, **target)
    return -float(value) if np.isfinite(value) else -np.inf


def check_effect(start: np.ndarray, scale: np.ndarray, spec: Spec, tables: tuple[Rows, ...], **target: object) -> None:
    """Raise NoMaximumError for a parameter that the likelihood does not read: its prior alone says anything of it.

    tables: few rows, which mostly tell that all is read, and all rows.
    """
    u, idle = start / scale, ""
    for rows in tables:
        gradients = [
            np.asarray(_value_and_gradient(jnp.asarray(place), scale, spec, rows, **target)[1])
            for place in (u, u + 0.1)
        ]
        free = split(np.abs(gradients).sum(axis=0), target["shape"].sites)
        idle = next((name for name, gradient in free.items() if gradient.size and np.all(gradient == 0)), None)
        if idle is None:
            return
    raise NoMaximumError(
        f"the likelihood does not depend on '{idle}' but through the priors of other sites, so it has no most likely "
        "value; use map_estimate or nuts."
    )


@dataclass(frozen=True)
class _Objective:
    """Minus the log density at u * scale, with what Newton's method needs of it; ``target`` names the density."""

    scale: np.ndarray
    spec: Spec
    target: dict[str, object]

    def at(self, u: np.ndarray, rows: Rows) -> tuple[float, np.ndarray]:
        """Value and gradient."""
        value, gradient = _value_and_gradient(jnp.asarray(u), self.scale, self.spec, rows, **self.target)
        return float(value), np.asarray(gradient)

    def hessian(self, u: np.ndarray, axes: np.ndarray, rows: Rows) -> np.ndarray:
        """A' H A, for the columns of A. Raises NoMaximumError where it is not finite."""
        data = jnp.asarray(u), jnp.asarray(axes), self.scale, self.spec, rows
        product = axes.T @ np.asarray(_hessian(*data, **self.target)).T
        if not np.isfinite(product).all():
            raise NoMaximumError(f"the log density is not smooth where the search led; {instead(self.target)}.")
        return product

    def axes(self, u: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Curvatures l and axes A of the Hessian H, A' H A = diag(l), and directions whose curvature may be rounding.

        Axes are scaled to curvature one before these are found, and once more along weak ones, whose curvature would
        drown in the rounding errors of others: of columns that are nearly copies, say. 0 is what is weaker than FLAT.
        """
        axes, weak = np.eye(u.size), None
        for least, none in ((LEAST, 1e-9), (FLAT, 0.03)):
            hessian = self.hessian(u, axes, rows)
            diagonal = np.abs(np.diagonal(hessian))
            width = 1 / np.sqrt(np.maximum(diagonal, least * max(diagonal.max(), 1e-9)))
            curvature, turned = np.linalg.eigh(width[:, None] * hessian * width)
            axes = axes @ (width[:, None] * turned)
            strong = np.abs(curvature) > none * np.abs(curvature).max()
            weak = axes[:, ~strong] if weak is None else weak
            if strong.all():
                break
        return np.where(strong, curvature, 0.0), axes, weak

    def step(
        self, u: np.ndarray, gradient: np.ndarray, rows: Rows, whole: bool
    ) -> tuple[np.ndarray, float, np.ndarray]:
        """Newton's, the nats that directions without curvature promise at least, and those with almost none.

        whole: by the whole Hessian, not by conjugate gradients.
        """
        if not whole:
            data = jnp.asarray(u), jnp.asarray(gradient), self.scale, self.spec, rows
            step = np.asarray(_conjugate_gradients(*data, **self.target))
            return (step if gradient @ step > 0 else gradient), 0.0, np.zeros((u.size, 0))
        curvature, axes, weak = self.axes(u, rows)
        along = axes.T @ gradient
        steps = np.divide(along, np.abs(curvature), out=np.zeros(u.size), where=curvature != 0)
        return axes @ steps, float(0.5 * (along[curvature == 0] ** 2).sum()), weak

    def climb(self, u: np.ndarray, enough: float, rows: Rows) -> np.ndarray:
        """Where L-BFGS gets to."""
        return np.asarray(_climb(jnp.asarray(u), enough, self.scale, self.spec, rows, **self.target)[0])

    def descend(self, u: np.ndarray, enough: float, rows: Rows, few: Rows) -> tuple[np.ndarray, float]:
        """Where L-BFGS gets to in units of the curvature of a few rows, and the value there."""
        curvature, axes, _ = self.axes(u, few)
        whiten = axes / np.sqrt(np.where(curvature == 0, np.inf, np.abs(curvature)))
        data = jnp.asarray(u), jnp.asarray(whiten), enough, self.scale, self.spec, rows
        place, value = _descend(*data, **self.target)
        return np.asarray(place), float(value)


def find_mode(
    start: np.ndarray, scale: np.ndarray, spec: Spec, rows: Rows, few: Rows | None = None, **target: object
) -> Mode:
    """Newton from ``start``, in units of ``scale``, until a step gains nothing.

    L-BFGS goes ahead where the Hessian is costly: of many parameters, or of more rows than ``few``, weighted ones that
    stand for all and whose Hessian preconditions it (subsampled Newton: Roosta-Khorasani and Mahoney 2019) and
    measures what is left, if it has curvature wherever the objective is steep. Gradients are always those of all rows.
    Where Newton ends, directions with almost no curvature are followed among themselves, and Newton goes on from there.
    Raises NoMaximumError where the objective is not finite, where the gap stays open, or where it keeps rising along
    a direction in which it has no curvature (separable labels).
    """
    loss, u = _Objective(scale, spec, target), start / scale
    value, gradient = loss.at(u, rows)
    if not np.isfinite(value):
        raise NoStartError(
            "the log density is finite at no start; check the model's fixed hyperparameters, and that every row lies "
            "in the support of its distribution."
        )
    curved, whole = rows, u.size <= DENSE
    if not whole:
        u = loss.climb(u, 100 * _nothing(value), rows)
    elif few is not None and few is not rows:
        curved, (u, _) = few, loss.descend(u, _nothing(value), rows, few)
    value, gradient = loss.at(u, rows)
    gap, left_out, climbed, ridges = np.inf, 0.0, False, np.zeros((u.size, 0))
    for _ in bar(range(50), desc="Newton, at most"):
        if not np.all(np.isfinite(gradient)):
            raise NoMaximumError(f"the objective is not finite at its best point; {instead(target)}.")
        step, left_out, weak = loss.step(u, gradient, curved, whole)
        gap = 0.5 * float(gradient @ step)
        ended = gap < _nothing(value)
        if curved is not rows and (left_out > CLOSE or not ended):
            curved = rows
            continue
        less = 0.0 if ended else 0.1 * _nothing(value)  # what rounding gains would go on for ever
        for size in 0.5 ** np.arange(1 if ended else 12):
            new_value, new_gradient = loss.at(u - size * step, rows)
            if new_value < value - less or (ended and np.linalg.norm(new_gradient) < np.linalg.norm(gradient)):
                u, value, gradient = u - size * step, new_value, new_gradient
                break
        else:
            ended = gap <= CLOSE or (whole and climbed) or u.size > LARGEST
            if not ended:
                if whole:  # far from the mode, curvature may mislead in every direction
                    u, climbed = loss.climb(u, _nothing(value), rows), True
                    value, gradient = loss.at(u, rows)
                whole = True
                continue
        if ended:
            further, ridges = along_ridges(loss, u, value, gradient, weak, curved, rows)
            if further is None or value - further[1] < max(CLOSE, 1e3 * _nothing(value)):
                break
            u, value, gradient = further
    refuse_what_is_no_mode(loss, u, rows, curved, value, gap, left_out)
    return Mode(u * scale, -value, gap + left_out, float(np.linalg.norm(gradient)), scale[:, None] * ridges)


def _nothing(value: float) -> float:
    """Nats that are no gain: a billionth, or what rounding takes from a log density as large as this one."""
    return max(NOTHING, 4 * np.finfo(float).eps * abs(value))
