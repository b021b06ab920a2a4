"""Limited-memory BFGS as one compiled loop, with one evaluation of the objective a turn."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

MEMORY = 10  # steps from which the curvature is guessed
ARMIJO = 1e-4  # share of the gain which the slope promises that a step must bring
STEEP = 0.9  # share of the slope that may be left after a step that is long enough
TURNS = 3_000  # evaluations at most


class _State(NamedTuple):
    place: Array
    value: Array
    gradient: Array
    direction: Array
    size: Array  # of the next step, in directions
    steps: Array  # (MEMORY, parameters), the last one first
    changes: Array  # of the gradient over those steps
    turns: Array
    gain: Array  # of the last step that was taken


def minimise(
    objective: Callable[[Array], tuple[Array, Array]], start: Array, enough: Array, longest: float
) -> tuple[Array, Array]:
    """Where L-BFGS gets from ``start``, and the value there, when a step gained, and the next promises, too little.

    Nocedal and Wright 2006, algorithm 7.4, with a line search by interpolation: a step that gains too little is
    shortened, and one that leaves the slope as steep as it was is followed by a longer one in place of an update, so
    that s'y > 0 in all updates. objective: value and gradient.
    """

    def going(state: _State) -> Array:
        promised = -(state.gradient @ state.direction)
        visible = state.size * promised > jnp.finfo(start.dtype).eps * jnp.abs(state.value)
        return ((state.gain >= enough) | (promised >= enough)) & visible & (state.turns < TURNS)

    def turn(state: _State) -> _State:
        slope = state.gradient @ state.direction
        place = state.place + state.size * state.direction
        value, gradient = objective(place)
        taken = (value <= state.value + ARMIJO * state.size * slope) & jnp.all(jnp.isfinite(gradient))
        long = gradient @ state.direction >= STEEP * slope
        # The minimum of the parabola through both values and the first slope.
        excess = value - state.value - state.size * slope
        shorter = jnp.clip(jnp.nan_to_num(-0.5 * slope * state.size / excess, nan=0.1), 0.1, 0.5) * state.size
        step, change = place - state.place, gradient - state.gradient
        update = taken & long & (step @ change > 0)
        steps = jnp.where(update, jnp.roll(state.steps, 1, axis=0).at[0].set(step), state.steps)
        changes = jnp.where(update, jnp.roll(state.changes, 1, axis=0).at[0].set(change), state.changes)
        return _State(
            place=jnp.where(taken, place, state.place),
            value=jnp.where(taken, value, state.value),
            gradient=jnp.where(taken, gradient, state.gradient),
            direction=jnp.where(taken, _direction(gradient, steps, changes), state.direction),
            size=jnp.where(taken, jnp.where(long, 1.0, 4 * state.size), shorter),
            steps=steps,
            changes=changes,
            turns=state.turns + 1,
            # A step that was too short says nothing of what a whole one would gain.
            gain=jnp.where(taken & long, state.value - value, state.gain),
        )

    value, gradient = objective(start)
    memory = jnp.zeros((MEMORY, start.size), start.dtype)
    turns, infinite = jnp.zeros((), int), jnp.full((), jnp.inf, start.dtype)
    first = jnp.minimum(1.0, longest / jnp.linalg.norm(gradient))
    state = _State(start, value, gradient, -gradient, first, memory, memory, turns, infinite)
    state = jax.lax.while_loop(going, turn, state)
    return state.place, state.value


def _direction(gradient: Array, steps: Array, changes: Array) -> Array:
    """Minus the inverse Hessian, as the last steps tell of it, times the gradient: the two-loop recursion."""
    products = jnp.sum(steps * changes, axis=1)
    rho = jnp.where(products > 0, 1 / jnp.where(products > 0, products, 1.0), 0.0)  # 0: no step yet
    q, alpha = gradient, []
    for i in range(MEMORY):
        alpha.append(rho[i] * (steps[i] @ q))
        q = q - alpha[i] * changes[i]
    squared = jnp.sum(changes[0] ** 2)
    q = q * jnp.where(squared > 0, products[0] / jnp.where(squared > 0, squared, 1.0), 1.0)
    for i in reversed(range(MEMORY)):
        q = q + (alpha[i] - rho[i] * (changes[i] @ q)) * steps[i]
    return -q
