"""The log density over unconstrained parameters that every fit works on."""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpyro import handlers
from numpyro.distributions import biject_to

from ..models.spec import Spec
from .declare import Declared
from .joint import Lift, Rows, row_terms, scaled, split
from .structure import ProperDraws, Structure, blank, told_by_name

# Of programs that run once on little data: compiling them takes longer than running them without any optimisation.
SOME = 1021, 1031  # rows, two primes, of tables whose programs differ by their sizes alone
ONCE = {"xla_backend_optimization_level": 0}


def log_likelihood(model: Declared, shape: Structure, values: dict[str, Array], spec: Spec, rows: Rows) -> Array:
    """sum_i w_i log P(x_i, y_i) over rows whose y is known, plus sum_i w_i log sum_k P(x_i, k) over the others."""
    each = row_log_likelihoods(model, shape, values, spec, rows)
    return jnp.sum(each) if rows.weights is None else rows.weights @ each


def row_log_likelihoods(model: Declared, shape: Structure, values: dict[str, Array], spec: Spec, rows: Rows) -> Array:
    """log P(x_i, y_i) of each row whose y is known, log sum_k P(x_i, k) of each other one, (rows,)."""

    def term(x: Array, seen: Array | None, y: Array) -> Array:
        return sum(row_terms(model, handlers.substitute(data=values), spec, x, seen, y).values())

    (x, other_x), (seen, _) = rows.apart(rows.x), (None, None) if rows.seen is None else rows.apart(rows.seen)
    known, hidden = jnp.zeros(0), jnp.zeros(0)
    if len(x):
        known = jax.vmap(term, in_axes=(0, None if seen is None else 0, 0))(x, seen, rows.y)
    if len(other_x):
        hidden = jax.nn.logsumexp(hidden_log_joint(model, shape, values, spec, rows), axis=0)
    return rows.together(known, hidden)


def hidden_log_joint(model: Declared, shape: Structure, values: dict[str, Array], spec: Spec, rows: Rows) -> Array:
    """log P(x_i, k) of every label k and each row whose label is hidden, (labels, rows)."""
    _, x = rows.apart(rows.x)
    _, seen = (None, None) if rows.seen is None else rows.apart(rows.seen)

    def term(x: Array, seen: Array | None, k: Array) -> Array:
        return sum(row_terms(model, handlers.substitute(data=values), spec, x, seen, k).values())

    same_label = jax.vmap(term, in_axes=(0, None if seen is None else 0, None))
    return jax.vmap(lambda k: same_label(x, seen, k))(jnp.arange(shape.classes or 1))


def lifted(model: Declared, shape: Structure, vector: Array, spec: Spec, rows: Rows) -> Lift:
    """Parameters, log prior and log |Jacobian| at a flat unconstrained vector.

    The model runs on the whole table, so that a prior may look at it; what only the rows need is not computed, as the
    compiler drops what nobody reads.
    """
    lift = Lift(split(vector, shape.sites))
    with lift:
        model(*rows.table, replace(spec, rows=rows.x.shape[0]))
    return lift


@partial(jax.jit, static_argnames=("model", "shape", "prior", "jacobian"))
def log_target(
    vector: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure, prior: bool, jacobian: bool
) -> Array:
    """log-likelihood of a flat unconstrained vector, plus log prior and log |Jacobian| where asked for."""
    lift = lifted(model, shape, vector, spec, rows)
    value = log_likelihood(model, shape, lift.values, spec, rows)
    return value + (lift.log_prior if prior else 0.0) + (lift.log_jacobian if jacobian else 0.0)


@partial(jax.jit, static_argnames=("model", "shape"))
def constrain(
    vectors: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure
) -> tuple[dict[str, Array], dict[str, Array], Array]:
    """Parameters, deterministic sites and log prior x |Jacobian| of each flat vector, vectors: (draws, size)."""

    def one(vector: Array) -> tuple[dict[str, Array], dict[str, Array], Array]:
        lift = lifted(model, shape, vector, spec, rows)
        derived = {name: lift.derived[name] for name, _ in shape.derived}
        return lift.values, derived, jnp.asarray(lift.log_prior + lift.log_jacobian)

    # A few draws at a time: a deterministic site may sum over the rows.
    return jax.lax.map(one, vectors, batch_size=64)


@partial(jax.jit, static_argnames=("model", "shape", "draws"), compiler_options=ONCE)
def prior_vectors(key: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure, draws: int) -> Array:
    """Draws from the prior as flat unconstrained vectors, (draws, size)."""

    def one(key: Array) -> Array:
        with handlers.trace() as trace, ProperDraws(), handlers.seed(rng_seed=key):
            model(*rows.table, replace(spec, rows=rows.x.shape[0]))
        free = [biject_to(trace[name]["fn"].support).inv(trace[name]["value"]) for name, _ in shape.sites]
        return jnp.concatenate([value.ravel() for value in free])

    return jax.lax.map(one, jax.random.split(key, draws))  # compiles in half the time of a vmap


def _observed(model: Declared, values: dict[str, Array], spec: Spec, x: Array, y: Array) -> list[dict]:
    """The sites 'x' and 'y' of a table, of those that the model declares."""
    with handlers.trace() as trace, handlers.substitute(data=values):
        model(x, y, replace(spec, rows=x.shape[0]))
    return [trace[name] for name in ("x", "y") if name in trace and trace[name]["type"] == "sample"]


def _terms(sites: list[dict]) -> list[Array]:
    return [scaled(site, site["fn"].log_prob(site["value"])) for site in sites]


@partial(jax.jit, static_argnames=("model", "shape"), compiler_options=ONCE)
def rows_apart_and_together(
    vector: Array, spec: Spec, rows: Rows, few: Array, *, model: Declared, shape: Structure
) -> tuple[Array, Array, Array]:
    """log-likelihood of each of a few rows, in a table of its own, and in one table of them: equal if independent.

    One number for all rows of a table whose sites have no density for each. And whether sites 'x' and 'y' observe the
    x and y that were given, and not a function of them.
    """
    values = lifted(model, shape, vector, spec, rows).values
    x, y = (part[few] for part in rows.table)
    sites = _observed(model, values, spec, x, y)
    apart = row_log_likelihoods(model, shape, values, spec, Rows(x, None, y))
    terms = _terms(sites)
    if all(term.shape[:1] == few.shape for term in terms):
        together = sum(term.reshape(len(few), -1).sum(axis=1) for term in terms)
    else:
        apart, together = jnp.sum(apart)[None], sum(map(jnp.sum, terms))[None]
    given = {"x": x, "y": y}
    same = [jnp.all(site["value"].ravel() == given[site["name"]].ravel()) for site in sites]
    return apart, together, jnp.all(jnp.stack(same))


@partial(jax.jit, static_argnames=("model", "shape"), compiler_options=ONCE)
def what_the_table_decides(
    vector: Array, spec: Spec, rows: Rows, *, model: Declared, shape: Structure
) -> tuple[Array, dict[str, Array], dict[str, Array]]:
    """log prior, parameters and deterministic sites at a vector: all that a look at the table could change."""
    lift = lifted(model, shape, vector, spec, rows)
    return lift.log_prior, lift.values, {name: lift.derived[name] for name, _ in shape.derived}


def reads_table(
    model: Declared, shape: Structure, features: int, classes: int, kinds: tuple[int, ...], rows: Iterable[int]
) -> bool:
    """Whether a prior, parameter or deterministic site depends on x, on y or on how many rows there are.

    Read off abstract traces of tables of three, of five and of ``rows`` rows: the equations that these values need.
    """
    needed = (_needed(model, shape, features, classes, kinds, count) for count in (3, 5, *rows))
    read, first = next(needed)
    return read or any(equations != first for _, equations in needed)


@lru_cache(maxsize=1024)
def _needed(
    model: Declared, shape: Structure, features: int, classes: int, kinds: tuple[int, ...], rows: int
) -> tuple[bool, list[tuple[str, ...]]]:
    def decided(x: Array, y: Array, vector: Array, spec: Spec) -> tuple:
        lift = lifted(model, shape, vector, spec, Rows(x, None, y))
        return lift.log_prior, lift.values, {name: lift.derived[name] for name, _ in shape.derived}

    spec = blank(features, classes, kinds)
    x = jax.ShapeDtypeStruct((rows, features), np.float64)
    y = jax.ShapeDtypeStruct((rows,), int if shape.classes else np.float64)
    with told_by_name(model):
        trace = jax.make_jaxpr(decided)(x, y, np.zeros(shape.size), spec)
    needed = {id(var) for var in trace.jaxpr.outvars}
    equations = []
    for equation in reversed(trace.jaxpr.eqns):
        if any(id(var) in needed for var in equation.outvars):
            needed.update(id(var) for var in equation.invars)
            equations.append((equation.primitive.name, *(str(getattr(v, "val", v.aval)) for v in equation.invars)))
    constants = zip(trace.jaxpr.constvars, trace.consts, strict=True)
    equations += [("constant", str(np.asarray(value))) for var, value in constants if id(var) in needed]
    return any(id(var) in needed for var in trace.jaxpr.invars[:2]), equations


def likelihood_counts_rows(
    model: Declared, shape: Structure, features: int, classes: int, kinds: tuple[int, ...], rows: int
) -> bool:
    """Whether the program of the likelihood of a table of ``rows`` rows may be another than that of some thousand.

    Numbers that differ between two tables are sizes; all else that is not the same in the third was chosen by its size.
    """
    texts, numbers = zip(*(_program(model, shape, features, classes, kinds, n) for n in (*SOME, rows)), strict=True)
    if not texts[0] == texts[1] == texts[2]:
        return True
    return any(one == two != three for one, two, three in zip(*numbers, strict=True))


@lru_cache(maxsize=1024)
def _program(
    model: Declared, shape: Structure, features: int, classes: int, kinds: tuple[int, ...], rows: int
) -> tuple[list[str], list[str]]:
    """The program of the likelihood as text between numbers, and these."""

    def terms(x: Array, y: Array, vector: Array, spec: Spec) -> list[Array]:
        values = lifted(model, shape, vector, spec, Rows(x, None, y)).values
        return _terms(_observed(model, values, spec, x, y))

    x = jax.ShapeDtypeStruct((rows, features), np.float64)
    y = jax.ShapeDtypeStruct((rows,), int if shape.classes else np.float64)
    with told_by_name(model):
        program = jax.make_jaxpr(terms)(x, y, np.zeros(shape.size), blank(features, classes, kinds))
    text = "".join(str(program).split())  # longer numbers break lines elsewhere
    return re.split(r"\d+", text), re.findall(r"\d+", text)
