"""Simulation-based calibration: many fits to data drawn from the model itself, in one program.

theta ~ P(theta), data ~ P(data | theta), draws ~ fitter(data): where the fitter is right, the rank of any function of
theta among its draws is uniform (Cook, Gelman and Rubin 2006; Talts et al. 2018), and of the rows given a probability
p of a label, a share p has it.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..models.spec import COUNT, NUMBER, Spec
from .arithmetic import arithmetic
from .cells import whole
from .declare import Declared, declare
from .errors import ModelError
from .joint import Rows, drawn_row, row_terms
from .lbfgs import minimise
from .progress import bar
from .sampling import ACCEPT, _nuts_programs
from .structure import Structure, structure
from .target import lifted, log_likelihood, log_target, prior_vectors
from .threads import one_at_a_time
from .variational import _svi_programs

TOGETHER = 50  # simulations in one vectorised program: one waits for the slowest
WARMUP, THIN, STEPS = 300, 5, 1_000
DRAWS = 99  # posterior draws a simulation is ranked among
LOC, SCALE = 5.0, 1.0  # of every column: far enough from 0 for a mean of counts


Sampler = Callable[
    [Array, Array, Array, Spec, Rows], Array
]  # key, mode, whitening, spec, rows -> vectors (DRAWS, size)


def by_laplace(model: Declared, shape: Structure) -> Sampler:
    def draw(key: Array, mode: Array, whiten: Array, spec: Spec, rows: Rows) -> Array:
        return mode + jax.random.normal(key, (DRAWS, shape.size)) @ whiten.T

    return draw


def by_nuts(model: Declared, shape: Structure) -> Sampler:
    # Made anew: what NumPyro keeps between start and step belongs to the trace that it was made in.
    start, advance = _nuts_programs.__wrapped__(model, shape, WARMUP, ACCEPT)

    def draw(key: Array, mode: Array, whiten: Array, spec: Spec, rows: Rows) -> Array:
        data = mode, whiten, spec, rows
        keys = jax.random.split(key)
        state = start.__wrapped__(keys[0], jax.random.normal(keys[1], (shape.size,)), *data)
        state, _ = advance(WARMUP, state, *data)
        _, (v, _) = advance(DRAWS * THIN, state, *data)
        return mode + v[::THIN] @ whiten.T

    return draw


def by_svi(model: Declared, shape: Structure) -> Sampler:
    optimiser, advance = _svi_programs.__wrapped__(model, shape, STEPS)

    def draw(key: Array, mode: Array, whiten: Array, spec: Spec, rows: Rows) -> Array:
        keys = jax.random.split(key)
        state, _ = advance(STEPS, optimiser.init(keys[0]), rows, None, mode, whiten, spec, None)
        normal = optimiser.guide.get_posterior(optimiser.get_params(state))
        return mode + normal.sample(keys[1], (DRAWS,)) @ whiten.T

    return draw


FITTERS = {"nuts": by_nuts, "laplace": by_laplace, "svi": by_svi}


@one_at_a_time
def calibrate(
    model: Callable,
    *,
    fitters: Sequence[str] = tuple(FITTERS),
    simulations: int = 1000,
    rows: int = 40,
    features: int = 2,
    labels: int = 3,
    kinds: Sequence[int] = (),
    hidden: bool = False,
    prior: Callable | None = None,
    seed: int = 0,
) -> dict[str, dict[str, np.ndarray]]:
    """Ranks of true values among posterior draws over simulated tables, in (0, 1): fitter -> quantity -> (simulation,).

    All are uniform where a fitter is right. Quantities are the parameters, the log-likelihood of the table, the log
    density of its first row and, of a model of labels, the place of a new row's label in its label posterior: the sum
    of the probabilities of less probable labels, and a random part of its own.
    hidden: labels are summed out; then parameters may swap names, and only quantities that do not mind are ranked: the
    log-likelihood of the table and the log density of the first row, which are ranked in every case.
    A model without labels, or without P(x), cannot do without them: ModelError.
    kinds: of each column what Spec.kinds says, in place of ``features``, for a model that takes names or counts.
    prior: a model that the tables come from in place of ``model``, to see that a wrong one is found out.
    Every climb to a mode starts at the true parameters: which of several modes a search would find is not told.
    """
    declared = declare(model)
    sizes = (("simulations", simulations), ("rows", rows), ("features", features), ("labels", labels))
    simulations, rows, features, labels = (whole(value, name, 1) for name, value in sizes)
    strange = [name for name in fitters if name not in FITTERS]
    if strange:
        raise ModelError(f"there is no fitter '{strange[0]}' to calibrate; name some of {', '.join(FITTERS)}.")
    if not all(isinstance(kind, int) and kind >= COUNT for kind in kinds) or (kinds and not declared.takes_kinds):
        raise ModelError(
            f"kinds are {COUNT} for counts, {NUMBER} for numbers or how many names a column has, and go with a model "
            f"that has an argument 'kinds'; got {tuple(kinds)} for {declared.name}."
        )
    features = len(kinds) or features
    with arithmetic():
        column = np.full(features, LOC), np.full(features, SCALE)
        spec = Spec(
            *map(jnp.asarray, (*column, 1.0, SCALE)), rows=1, features=features, classes=labels, kinds=tuple(kinds)
        )
        shape = structure(declared, spec)
        if shape.improper:
            raise ModelError(f"{declared.name} has an improper prior, from which nothing can be simulated.")
        if hidden and not (shape.generative and shape.classes):
            raise ModelError(f"{declared.name} has no labels that P(x) could do without; leave out hidden.")
        source = declared if prior is None else declare(prior)
        program = _program(declared, source, shape, tuple(fitters), rows, hidden)
        count = -(-simulations // TOGETHER)
        keys = jax.random.split(jax.random.key(whole(seed, "seed", 0)), count * TOGETHER).reshape(count, TOGETHER)

        def one(keys: Array) -> dict:
            with arithmetic():  # a thread has a context of its own
                return jax.tree.map(np.asarray, program(keys, spec))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            first = one(keys[0])  # compiled once
            parts = [first, *bar(pool.map(one, keys[1:]), desc="simulations", total=count - 1)]
    found = jax.tree.map(lambda *several: np.concatenate(several)[:simulations], *parts)
    names = _names(shape, hidden)
    for name in fitters:
        broken = np.isnan(found[name]).any(axis=1).sum()
        if broken:
            raise ModelError(
                f"in {broken} of {simulations} simulations, {name} ended where a density of {declared.name} is no "
                "number, as where it grows without bound around one row; give scales a prior that keeps them from 0."
            )
    return {name: dict(zip(names, found[name].T, strict=True)) for name in fitters}


def _names(shape: Structure, hidden: bool) -> list[str]:
    each = (
        []
        if hidden
        else [
            name + (str(list(index)) if index else "") for name, site in shape.sites for index in np.ndindex(site.shape)
        ]
    )
    label = ["label of a new row"] if shape.classes and not hidden else []
    return [*each, "log likelihood", "log density of the first row", *label]


def _program(
    model: Declared, source: Declared, shape: Structure, fitters: tuple[str, ...], rows: int, hidden: bool
) -> Callable:
    """Of keys (simulation,) and a spec: what each simulation found."""
    keywords = {"model": model, "shape": shape}
    samplers = {name: FITTERS[name](model, shape) for name in fitters}

    def table(key: Array, vector: Array, spec: Spec) -> tuple[Array, Array]:
        """x and y of rows + 1 rows: the last is new."""
        empty = Rows(spec.loc[None], None, jnp.zeros(1, int if shape.classes else float))
        values = lifted(source, shape, vector, spec, empty).values
        keys = jax.random.split(key, rows + 2)
        x = _given(keys[0], spec, rows + 1)

        def row(key: Array, x: Array) -> tuple[Array, Array]:
            first, second = jax.random.split(key)
            y = jnp.zeros((), int if shape.classes else float)
            if shape.generative:
                y = drawn_row(first, source, values, spec, spec.loc, ("y",))["y"] if shape.has_y else y
                return drawn_row(second, source, values, spec, spec.loc, ("x",), y)["x"] * 1.0, y
            return x, drawn_row(second, source, values, spec, x, ("y",))["y"]

        return jax.vmap(row)(keys[1:], x)

    def quantities(vector: Array, spec: Spec, data: Rows, first: Rows) -> Array:
        values = lifted(model, shape, vector, spec, data).values
        each = [] if hidden else [values[name].ravel() for name, _ in shape.sites]
        told = [log_likelihood(values=values, spec=spec, rows=part, **keywords)[None] for part in (data, first)]
        return jnp.concatenate([*each, *told])

    def of_labels(vector: Array, spec: Spec, x: Array) -> Array:
        """log P(x, k), or log P(k | x), of one row, (label,)."""
        values = lifted(model, shape, vector, spec, Rows(x[None], None, jnp.zeros(1, int))).values
        reader = jax.vmap(lambda k: sum(row_terms(model, _substitute(values), spec, x, None, k).values()), in_axes=0)
        return reader(jnp.arange(shape.classes))

    def minus(vector: Array, spec: Spec, data: Rows) -> Array:
        return -log_target(vector, spec, data, prior=True, jacobian=True, **keywords)

    def one(key: Array, vector: Array, spread: Array, spec: Spec) -> dict:
        keys = jax.random.split(key, 2 + len(samplers))
        x, y = table(keys[0], vector, spec)
        known = y[:0] if hidden else y
        data, first = Rows(x[:-1], None, known[:-1]), Rows(x[:1], None, known[:1])
        mode, whiten = _mode(partial(minus, spec=spec, data=data), vector, spread)
        truth = quantities(vector, spec, data, first)
        tie = jax.random.uniform(keys[1], truth.shape)
        found = {}
        for key, (name, sampler) in zip(keys[2:], samplers.items(), strict=True):
            draws = sampler(key, mode, whiten, spec, data)
            told = jax.lax.map(lambda vector: quantities(vector, spec, data, first), draws)
            below, level = (told < truth).sum(axis=0), (told == truth).sum(axis=0)
            pit = (below + tie * (level + 1)) / (DRAWS + 1)
            if shape.classes and not hidden:
                each = jax.lax.map(lambda vector: of_labels(vector, spec, x[-1]), draws)
                share = jax.nn.softmax(jax.nn.logsumexp(each, axis=0))
                own = share[y[-1]]
                pit = jnp.append(pit, jnp.sum(jnp.where(share < own, share, 0.0)) + tie[0] * own)
            found[name] = pit
        return found

    def several(keys: Array, spec: Spec) -> dict:
        pairs = jax.vmap(jax.random.split)(keys)
        empty = Rows(spec.loc[None], None, jnp.zeros(1, int if shape.classes else float))
        draw = partial(prior_vectors.__wrapped__, spec=spec, rows=empty, model=source, shape=shape, draws=1)
        vectors = jax.vmap(lambda key: draw(key)[0])(pairs[:, 0])
        many = draw(jax.random.key(0), draws=200)
        spread = jnp.maximum(jnp.quantile(many, 0.75, axis=0) - jnp.quantile(many, 0.25, axis=0), 1e-6) / 1.349
        return jax.vmap(one, in_axes=(0, 0, None, None))(pairs[:, 1], vectors, spread, spec)

    return jax.jit(several)


def _given(key: Array, spec: Spec, rows: int) -> Array:
    """Rows that a model of y alone is given: normal numbers, Poisson counts, names at even odds."""
    x = spec.loc + spec.scale * jax.random.normal(key, (rows, spec.features))
    for j, kind in enumerate(spec.kinds):
        own = jax.random.fold_in(key, j)
        if kind > NUMBER:
            x = x.at[:, j].set(jax.random.randint(own, (rows,), 0, kind))
        if kind == COUNT:
            x = x.at[:, j].set(jax.random.poisson(own, spec.loc[j], (rows,)))
    return x


def _substitute(values: dict[str, Array]) -> object:
    from numpyro import handlers

    return handlers.substitute(data=values)


def _mode(objective: Callable[[Array], Array], start: Array, spread: Array) -> tuple[Array, Array]:
    """Where the objective is least, from ``start``, and L with L L' its inverse Hessian there.

    Or the start, and the prior's widths, where the curvature is not positive.
    """
    u, _ = minimise(
        lambda u: jax.value_and_grad(lambda u: objective(u * spread))(u), start / spread, jnp.asarray(1e-9), longest=1.0
    )
    hessian = jax.hessian(objective)(u * spread)
    width = 1 / jnp.sqrt(jnp.maximum(jnp.abs(jnp.diagonal(hessian)), 1e-12))
    curvature, axes = jnp.linalg.eigh(width[:, None] * hessian * width)
    fits = jnp.all(jnp.isfinite(hessian)) & (curvature.min() > 1e-9)
    whiten = width[:, None] * axes / jnp.sqrt(jnp.maximum(curvature, 1e-9))
    return jnp.where(fits, u * spread, start), jnp.where(fits, whiten, jnp.diag(spread))
