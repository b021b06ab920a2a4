"""Log densities of a block of rows, compiled: of every draw, or of the joint's mean over draws."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from numpyro import handlers

from .declare import Declared
from .joint import row_terms


def log_density(
    values: dict,
    spec: Any,
    x: Array,
    seen: Array | None,
    y: Array,
    *,
    model: Declared,
    classes: int,
    sites: tuple[str, ...],
) -> Array:
    """log density of ``sites`` at (x_i, k) given theta for every label k, or at (x_i, y_i) where classes is 0.

    seen: which features were, (rows, features), or (features,) where it is the same of all rows, so that a normal's
    factor serves them all; None where all were. y: (rows,), or () where all rows have the same.
    The answer is (labels, rows), or (1, rows).
    """

    def term(x: Array, seen: Array | None, y: Array) -> Array:
        terms = row_terms(model, handlers.substitute(data=values), spec, x, seen, y)
        return sum((terms[name] for name in sites if name in terms), jnp.zeros(()))

    axis = 0 if seen is not None and seen.ndim == 2 else None
    if classes == 0:
        return jax.vmap(term, (0, axis, 0 if y.ndim else None))(x, seen, y)[None]
    rows = jax.vmap(term, (0, axis, None))
    return jax.vmap(lambda k: rows(x, seen, k))(jnp.arange(classes))


def bayes(log_joint: Array, question: str) -> Array:
    """log P(x, y), (labels, rows), as the answer to ``question``, (rows, labels), or (rows, 1) for the marginal."""
    if question == "joint":
        return log_joint.T
    marginal = jax.nn.logsumexp(log_joint, axis=0, keepdims=True)
    return (marginal if question == "marginal" else log_joint - marginal).T


def add_exp(sums: tuple[Array, Array], value: Array) -> tuple[Array, Array]:
    """Largest value m so far and sum of exp(value - m), with one more value: one exponential, and no logarithm."""
    largest, total = sums
    ratio = jnp.exp(jnp.where(value == largest, 0.0, -jnp.abs(value - largest)))  # equal infinities have no difference
    return jnp.maximum(largest, value), jnp.where(value > largest, total * ratio + 1, total + ratio)


def split_missing(x: Array, spec: Any, partly: bool, alike: bool) -> tuple[Array, Array | None]:
    """x with any finite value where one is missing, as that is integrated out, and which features were seen.

    alike: all rows miss the features that the first one does.
    """
    if not partly:
        return x, None
    seen = ~jnp.isnan(x[0] if alike else x)
    return jnp.where(seen, x, spec.loc), seen


STATIC = ("model", "classes", "sites", "question", "partly", "alike")


@partial(jax.jit, static_argnames=STATIC)
def averaged(
    params: dict, spec: Any, x: Array, y: Array, *, question: str, partly: bool, alike: bool, **static: Any
) -> Array:
    """The answer from the joint's mean over draws, (rows, labels); never holds more than one draw's joint."""
    data = (spec, *split_missing(x, spec, partly, alike), y)
    first = log_density(jax.tree.map(lambda value: value[0], params), *data, **static)
    others = jax.tree.map(lambda value: value[1:], params)

    def add(sums: tuple[Array, Array], values: dict) -> tuple[tuple[Array, Array], None]:
        return add_exp(sums, log_density(values, *data, **static)), None

    (largest, total), _ = jax.lax.scan(add, (first, jnp.ones_like(first)), others)
    return bayes(largest + jnp.log(total / jax.tree.leaves(params)[0].shape[0]), question)


@partial(jax.jit, static_argnames=STATIC)
def each_draw(
    params: dict, spec: Any, x: Array, y: Array, *, question: str, partly: bool, alike: bool, **static: Any
) -> Array:
    """The answer of every draw: (rows, labels, draws)."""
    data = (spec, *split_missing(x, spec, partly, alike), y)
    answers = jax.lax.map(lambda values: bayes(log_density(values, *data, **static), question), params)
    return jnp.moveaxis(answers, 0, -1)
