"""What values a model takes: the supports of its sites x and y, where these do not depend on parameters."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.distributions import constraints

from ..models.spec import Spec
from .declare import Declared
from .errors import DataError, ModelError
from .missing import log_prob_seen
from .structure import ProperDraws, Structure, Unobserved, blank
from .summary import Part
from .table import Schema, missing_feature
from .threads import one_at_a_time

Kind = tuple[str, Callable[[np.ndarray], np.ndarray]]

COUNT: Kind = ("whole numbers of at least 0", lambda v: (v >= 0) & (np.floor(v) == v))
KINDS: tuple[tuple[Any, Kind], ...] = (
    (constraints.boolean, ("0 or 1", lambda v: (v == 0) | (v == 1))),
    (constraints.nonnegative_integer, COUNT),
    (constraints.positive_integer, ("whole numbers of at least 1", lambda v: (v >= 1) & (np.floor(v) == v))),
    (constraints.positive, ("numbers above 0", lambda v: v > 0)),
    (constraints.nonnegative, ("numbers of at least 0", lambda v: v >= 0)),
    (constraints.unit_interval, ("numbers between 0 and 1", lambda v: (v >= 0) & (v <= 1))),
)


@one_at_a_time
@lru_cache(maxsize=256)
def kinds(model: Declared, shape: Structure, features: int, classes: int, columns: tuple[int, ...]) -> dict[str, Kind]:
    """The kind of number that sites x and y take, for those that take no other; of a label, y is none.

    columns: what kinds they are, where the model knows of it.
    """
    found = {name: _kind(one) for name, one in _supports(model, shape, features, classes, columns).items()}
    return {name: kind for name, kind in found.items() if kind is not None}


def are_known(model: Declared, shape: Structure, features: int, classes: int, columns: tuple[int, ...]) -> bool:
    """Whether each support is one of all numbers, or of ``kinds``, so that no row outside it comes to a fit."""
    numbers = constraints.real, constraints.real_vector
    every = _supports(model, shape, features, classes, columns).values()
    return all(_base(support) in numbers or _kind(support) is not None for support in every)


@lru_cache(maxsize=256)
def _supports(
    model: Declared, shape: Structure, features: int, classes: int, columns: tuple[int, ...]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    spec = blank(features, classes, columns)

    def look(key: jax.Array) -> None:
        with handlers.trace() as trace, ProperDraws(), handlers.seed(rng_seed=key), Unobserved():
            model(jnp.zeros((1, features)), jnp.zeros(1, dtype=int), spec)
        for name in ("x",) if shape.classes else ("x", "y"):
            if name in trace and trace[name]["type"] == "sample":
                found[name] = trace[name]["fn"].support

    jax.eval_shape(look, jax.random.key(0))
    return found


def _base(support: Any) -> Any:
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return support


def _kind(support: Any) -> Kind | None:
    support = _base(support)
    if type(support).__name__ == "_Multinomial":
        return COUNT
    return next((kind for constraint, kind in KINDS if support is constraint), None)


def refuse_x(kind: dict[str, Kind], model: str, x: np.ndarray, columns: Sequence[str], name: Callable) -> None:
    """Raise DataError for a cell that P(x) has no place for. name: how the user calls row i."""
    if "x" not in kind:
        return
    words, holds = kind["x"]
    bad = np.argwhere(~(holds(x) | np.isnan(x)))
    if len(bad):
        i, j = bad[0]
        raise DataError(
            f"row {name(i)}, column '{columns[j]}' is {x[i, j]:g}, but {model} takes {words}; correct it, or leave the "
            "column out."
        )


def refuse_y(kind: dict[str, Kind], model: str, y: np.ndarray, target: str, name: Callable) -> None:
    """Raise DataError for a response that P(y | x) has no place for."""
    if "y" not in kind:
        return
    words, holds = kind["y"]
    bad = np.flatnonzero(~holds(y))
    if len(bad):
        raise DataError(
            f"row {name(bad[0])}: the response '{target}' is {y[bad[0]]:g}, but {model} takes {words}; correct it, or "
            "use a model of other numbers."
        )


@one_at_a_time
@lru_cache(maxsize=256)
def integrates_missing(
    model: Declared, shape: Structure, features: int, classes: int, columns: tuple[int, ...]
) -> bool:
    """Whether the model has P(x), and ``log_prob_seen`` a rule for its distribution of fewer features."""
    if not shape.generative:
        return False
    spec, cells = blank(features, classes, columns), (1, features)

    def look(key: jax.Array) -> jax.Array:
        with handlers.trace() as trace, ProperDraws(), handlers.seed(rng_seed=key), Unobserved():
            model(jnp.zeros(cells), jnp.zeros(1, dtype=int), spec)
        return log_prob_seen(trace["x"]["fn"], jnp.zeros(cells), jnp.ones(cells, dtype=bool))

    try:
        jax.eval_shape(look, jax.random.key(0))
    except ModelError:  # there is no rule
        return False
    return True


def refuse_missing(
    model: Declared, shape: Structure, spec: Spec, parts: Iterable[Part], columns: Sequence[str]
) -> None:
    """Raise DataError for the first missing cell, of a model that cannot integrate it out."""
    if integrates_missing(model, shape, spec.features, spec.classes, spec.kinds):
        return
    for part in parts:
        missing = np.isnan(part.x)
        if missing.any():
            i, j = np.argwhere(missing)[0]
            raise missing_feature(model.name, part.name(i), columns[j], shape.generative)


def refuse_parts(model: Declared, shape: Structure, spec: Spec, parts: Iterable[Part], schema: Schema) -> None:
    """Raise DataError for the first value, of all rows, that the model has no place for."""
    kind = kinds(model, shape, spec.features, spec.classes, spec.kinds)
    for part in parts if kind else ():
        refuse_x(kind, model.name, part.x, schema.columns, part.name)
        refuse_y(kind, model.name, part.y, schema.target, part.name)
