"""What the data decide about a model: sizes, and each column's location and scale."""

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax import Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Spec:
    """Sizes and units of a table, so that default priors are weakly informative in the data's own units.

    loc, scale: mean and standard deviation of each column, in the column's unit, shape (features,).
    y_loc, y_scale: the same for a numeric response, scalars; 0 and 1 where y is a label.
    rows, features, classes: how many rows, columns and label names there are. ``classes`` is 2 where
    no label is known, the least that makes a mixture.

    kinds: of each column NUMBER, COUNT (whole numbers of at least 0) or how many names it takes, which x holds as
    codes from 0; empty for a model that takes numbers only. A model that takes others has an argument ``kinds``.

    The arrays are leaves of a JAX pytree and the sizes are static, so a compiled program is shared by
    all tables of one shape.
    """

    loc: Array
    scale: Array
    y_loc: Array
    y_scale: Array
    rows: int = field(metadata={"static": True})
    features: int = field(metadata={"static": True})
    classes: int = field(metadata={"static": True})
    kinds: tuple[int, ...] = field(default=(), metadata={"static": True})


NUMBER, COUNT = 0, -1


class WrongColumn(ValueError):
    """A model has no place for a column: what it takes, which column, from 0, and what that holds and should."""

    def __init__(self, takes: str, column: int, holds: str) -> None:
        super().__init__(f"it {takes}, and column {column} (from 0) {holds}")
        self.takes, self.column, self.holds = takes, column, holds


def positive(name: str, value: Any, length: int = 1) -> np.ndarray:
    """A positive hyperparameter, one number or ``length`` of them; ValueError for anything else."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if not (array.shape in ((), (length,)) and np.all(np.isfinite(array)) and np.all(array > 0)):
        raise ValueError(f"{name} is a positive number{f', or {length} of them' * (length > 1)}, got {value!r}")
    return array


def whole(name: str, value: Any) -> int:
    """A hyperparameter that counts, at least 1; ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} is a whole number of at least 1, got {value!r}")
    return int(value)
