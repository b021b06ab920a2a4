"""Whether two climbs ended at one mode, whatever names labels have there: it is as high, and says the same of rows.

How likely a row is, its label summed out where that is hidden, has no names in it, nor whether two rows have one label.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..models.spec import Spec
from .declare import Declared
from .joint import Rows, counts
from .structure import Structure
from .target import hidden_log_joint, lifted, row_log_likelihoods

if TYPE_CHECKING:
    from .problem import Problem

SIZE = 32  # numbers in a mark: random projections keep distances to an eighth or so (Johnson and Lindenstrauss 1984)
PARTNERS = 4  # rows whose label each row's is compared with
APART = 4.0  # times as far as ends that differ by so many nats are expected to be: odd rows have steeper slopes


def marker(problem: "Problem", rows: Rows) -> Callable[[np.ndarray], np.ndarray]:
    """The mark of a vector, (SIZE,): where marks are d apart, so is what vectors say of the rows, about.

    That is the log-likelihood of each row, and, where labels are hidden, how likely it has the label of some others,
    times the root of its weight. Near a mode with Hessian H the sum of squared slopes of rows is about H, so that d^2
    is about twice the nats between two vectors.
    """
    count, (known, hidden) = rows.x.shape[0], counts(rows)
    rng = np.random.default_rng(0)
    weights = np.ones(count) if rows.weights is None else np.sqrt(np.abs(rows.weights))
    partners = np.array([rng.permutation(hidden) for _ in range(PARTNERS)])
    every = np.concatenate([weights, *[weights[known:] / np.sqrt(PARTNERS)] * PARTNERS])
    onto = every[:, None] * rng.normal(size=(len(every), SIZE)) / np.sqrt(SIZE)

    def mark(vector: np.ndarray) -> np.ndarray:
        said = _said_of_rows(vector, partners, problem.spec, rows, **problem.keywords)
        return np.asarray(said, dtype=np.float64) @ onto

    return mark


@partial(jax.jit, static_argnames=("model", "shape"))
def _said_of_rows(
    vector: Array, partners: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure
) -> Array:
    data = model, shape, lifted(model, shape, vector, spec, rows).values, spec, rows
    likely = row_log_likelihoods(*data)
    if not partners.shape[1]:
        return likely
    p = jax.nn.softmax(hidden_log_joint(*data), axis=0)
    together = (p[:, None] * p[:, partners]).sum(axis=0)  # (partner, row)
    return jnp.concatenate([likely, together.ravel()])


def are_alike(mark: np.ndarray, other: np.ndarray, nats: float) -> bool:
    """Whether ends as high to so many nats are one mode."""
    return bool(np.sum((mark - other) ** 2) < 2 * nats * APART)
