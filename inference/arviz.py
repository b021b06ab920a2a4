"""A fit as the tree of groups that ArviZ works on."""

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from .blocks import in_blocks
from .cells import whole
from .declare import Declared
from .generate import draw_x, rows_like
from .joint import drawn_row, lay_out
from .priors import prior_and_derived
from .queries import log_label_posterior, log_label_prior, log_likelihood
from .target import constrain, prior_vectors
from .threads import one_at_a_time

if TYPE_CHECKING:
    from .fit import Fit


OURS = {"label": "class", "label_2": "class_2"}  # dims, and what they are called in the tree
DIMENSIONS = ("", "chain", "draw", "sample", "row", "class", "feature")  # of trees, here or as ArviZ works on them
NUMBERS = 2_000_000  # numbers in a predictive group's largest variable, about
PRIOR_DRAWS = 500
DRAWS = 4000  # rows drawn of a label, at least
AT_ONCE = 512  # of those: as many as `generate` draws of a few thousand rows, with the same program


@partial(jax.jit, static_argnames=("model", "generative"))
def draw_rows(
    keys: Array, params: dict, spec: Any, number: Array, x: Array, *, model: Declared, generative: bool
) -> dict[str, Array]:
    """Predictive draws of every row: (x, y) of a generative model, y given x of another; (rows, draws, ...).

    keys: one a draw. number: of each row in its table; its draws depend on it, and not on the rows around it.
    """

    def row(key: Array, values: dict, number: Array, x: Array) -> dict[str, Array]:
        key = jax.random.fold_in(key, number)
        return drawn_row(key, model, values, spec, x, ("x", "y") if generative else ("y",))

    def draw(one: tuple) -> dict[str, Array]:
        return jax.vmap(row, in_axes=(None, None, 0, 0))(*one, number, x)

    sites = jax.lax.map(draw, (keys, params))
    return jax.tree.map(lambda value: jnp.swapaxes(value, 0, 1), sites)


@one_at_a_time
def to_arviz(fit: "Fit", *, seed: int = 0, prior_draws: int = PRIOR_DRAWS) -> xr.DataTree:
    """An xarray.DataTree with named dims: class and column names as coordinates.

    posterior, prior: parameters. log_prior: the log density of each site's prior at each draw. posterior_predictive,
    prior_predictive: sites x and y of a generative model, y of a discriminative one; a label is its code, 0..K-1 in the
    order of the coordinate ``class``. Of large tables, every n-th draw is used there, so that a group holds about 2
    million numbers. The prior's groups are left out where a prior is improper. log_likelihood: of each row,
    log P(x, y), log P(x) where its label is hidden, or log P(y | x); left out where rows have weights, as each would
    stand for several. sample_stats: of the fit. observed_data: the rows, with the labels as coordinate ``class``;
    constant_data: x of a discriminative model; y, -1 where a label is hidden, if some are. The attribute ``levels`` of
    x says, as JSON, what the codes of columns stand for, and ``long_name`` of y is the target's name, so that the tree
    says by itself what was seen. label_posterior: P(y = k | x, D) of each row, (row, class). class_conditional, where
    the model answers P(x): x ~ P(x | y = k, theta) of each label at each draw, (sample, chain, draw, class, feature),
    several samples a draw where there are fewer than 4,000 draws, and log P(y = k | theta), (chain, draw, class).
    A fit without rows (streamed, or updated) has none of the groups of rows.
    """
    seed = whole(seed, "seed", 0)
    chains, draws = fit.draws_shape
    observed = {"x": np.asarray(fit.x, dtype=np.float64)} if fit.shape.generative else {}
    if fit.shape.has_y and np.all(fit.y >= 0 if fit.shape.classes else np.isfinite(fit.y)):
        observed["y"] = fit.y
    # y where it was seen, else x, if that is modelled: ArviZ names a likelihood after its variable.
    name = next(reversed(observed), "y")
    key, prior_key = jax.random.split(jax.random.key(seed))
    tree = {"posterior": posterior(fit)}
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    if not fit.shape.improper:
        log_prior, _ = prior_and_derived(fit)
        by_draw = {name: (("chain", "draw"), value.reshape(chains, draws)) for name, value in log_prior.items()}
        tree["log_prior"] = xr.Dataset(by_draw, coords)
    if fit.sample_stats:
        stats = {name: (("chain", "draw"), value) for name, value in fit.sample_stats.items()}
        tree["sample_stats"] = xr.Dataset(stats, coords)
    if len(fit.x):
        tree["posterior_predictive"] = _predictive(fit, key, fit.params)
        if "y" in observed:  # counts are whole numbers in both groups
            observed["y"] = observed["y"].astype(tree["posterior_predictive"]["y"].dtype)
        tree["observed_data"] = _seen(fit, observed)
        given = {} if fit.shape.generative else {"x": np.asarray(fit.x, dtype=np.float64)}
        if fit.shape.classes and "y" not in observed:
            given["y"] = fit.y
        if given:
            tree["constant_data"] = _seen(fit, given)
        if fit.shape.classes:
            p = np.exp(log_label_posterior(fit, fit.x).values)
            coords = {"row": np.arange(len(p)), "class": _labels(fit)}
            tree["label_posterior"] = xr.Dataset({"p": (("row", "class"), p)}, coords)
        if fit.shape.generative and (fit.shape.classes or not fit.shape.has_y):
            tree["class_conditional"] = _class_conditional(fit, jax.random.fold_in(key, 1), seed)
        if not fit.summary.weighted:
            each = log_likelihood(fit, fit.x, fit.y)
            tree["log_likelihood"] = _rows(fit, {name: each}, np.arange(draws))
    if not fit.shape.improper:
        with jax.enable_x64(True):
            keywords = {"model": fit.model, "shape": fit.shape}
            rows = lay_out(fit.table.x, fit.table.y, fit.shape)
            vectors = prior_vectors(prior_key, fit.spec, rows, draws=prior_draws, **keywords)
            prior, derived = (
                {name: np.asarray(value)[None] for name, value in group.items()}
                for group in constrain(vectors, fit.spec, rows, **keywords)[:2]
            )
        if len(fit.x):
            tree["prior_predictive"] = _predictive(fit, prior_key, prior)
        tree["prior"] = _for_arviz(fit.labelled({**prior, **derived}))
    return xr.DataTree.from_dict(tree)


def _predictive(fit: "Fit", key: Array, params: dict[str, np.ndarray]) -> xr.Dataset:
    chains, draws = next(iter(params.values())).shape[:2]
    numbers = chains * fit.x.size if fit.shape.generative else chains * len(fit.x)
    used = np.arange(0, draws, -(-draws * numbers // NUMBERS))
    flat = {name: value[:, used].reshape(-1, *value.shape[2:]) for name, value in params.items()}
    x = np.where(np.isnan(fit.x), np.asarray(fit.spec.loc), fit.x)
    count = chains * len(used)
    size = min(count, PRIOR_DRAWS)  # of draws at a time: one program serves the prior and the posterior
    with jax.enable_x64(True):
        keys = jax.random.split(key, -(-count // size) * size)
    found = []
    for start in range(0, count, size):
        some = np.minimum(np.arange(start, start + size), count - 1)
        part = {name: value[some] for name, value in flat.items()}
        static = {"model": fit.model, "generative": fit.shape.generative}
        program = partial(draw_rows, keys[start : start + size], part, fit.spec, **static)
        found.append(list(in_blocks(program, np.arange(len(x)), x)))
    sites = {
        name: np.concatenate([np.concatenate([block[name] for block in blocks]) for blocks in found], axis=1)[:, :count]
        for name in found[0][0]
    }
    sites = {name: value.swapaxes(0, 1) for name, value in sites.items()}
    return _rows(fit, {name: v.reshape(chains, -1, *v.shape[1:]) for name, v in sites.items()}, used)


def _class_conditional(fit: "Fit", key: Array, seed: int) -> xr.Dataset:
    """x of each label at each draw; of counts, a row has the total of one of its label's own, where models take it."""
    chains, draws = fit.draws_shape
    labels, columns = fit.label_coordinate, list(fit.schema.columns)
    times = -(-DRAWS // (chains * draws))
    numbers = times * chains * draws * len(labels) * len(columns)
    used = np.arange(0, draws, -(-numbers // NUMBERS))
    shape = (times, chains, len(used), len(labels))
    chain, draw, code = np.indices(shape)[1:].reshape(3, -1)
    like = rows_like(fit, code, np.random.default_rng(seed))
    program = partial(draw_x, key, fit.flat_params, fit.spec, model=fit.model)
    x = list(in_blocks(program, np.arange(len(code)), chain * draws + used[draw], code, like, most=AT_ONCE))
    dims = ("chain", "draw", "class")
    prior = log_label_prior(fit, draws=True).transpose("chain", "draw", "label").values[:, used]
    coords = {"chain": np.arange(chains), "draw": used, "class": _labels(fit), "feature": columns}
    values = {
        "x": (("sample", *dims, "feature"), np.concatenate(x).reshape(*shape, -1)),
        "log_label_prior": (dims, prior),
    }
    return xr.Dataset(values, {"sample": np.arange(times), **coords})


def posterior(fit: "Fit") -> xr.Dataset:
    """The group ``posterior`` alone, for what needs no other."""
    return _for_arviz(fit.posterior())


def _for_arviz(parameters: xr.Dataset) -> xr.Dataset:
    # ArviZ stacks variables along a dim of its own called "label", so ours is called "class" there. It stacks numbers
    # in the order of the dataset's dims, and their names in that of each variable's, so these are made the same.
    renamed = parameters.rename({dim: new for dim, new in OURS.items() if dim in parameters.dims})
    written = {dim: _written(renamed[dim].values) for dim in renamed.dims if renamed[dim].dtype == object}
    return renamed.assign_coords(written).transpose(*renamed.dims)


def _labels(fit: "Fit") -> np.ndarray:
    return _written(fit.label_coordinate)


def _written(names: np.ndarray) -> np.ndarray:
    """As files can hold them, which have no type for dates, or for numbers among texts."""
    return names.astype(str) if names.dtype == object else names


def variable_name(name: str) -> str:
    """A user's name as one of a variable of ArviZ's trees, which looks the same.

    A slash would part groups there: another stands for it. No variable may have the name of a dimension, or none.
    """
    name = name.replace("/", "\N{DIVISION SLASH}")
    return f"{name}\N{NO-BREAK SPACE}" if name in DIMENSIONS else name


def _seen(fit: "Fit", sites: dict[str, np.ndarray]) -> xr.Dataset:
    """Sites of every row as they were seen, and what their codes stand for."""
    rows = _rows(fit, sites, None)
    if "x" in rows:
        levels = [list(map(str, one)) if isinstance(one, tuple) else one for one in fit.schema.each_levels]
        rows["x"].attrs["levels"] = json.dumps(levels)
    if "y" in rows:
        rows["y"].attrs["long_name"] = fit.schema.target
    return rows.assign_coords({"class": _labels(fit)}) if fit.shape.classes else rows


def _rows(fit: "Fit", sites: dict[str, np.ndarray], draws: np.ndarray | None) -> xr.Dataset:
    """Sites of every row, each (chain, draw, row[, feature]), or (row[, feature]) where ``draws`` is None."""
    leading = () if draws is None else ("chain", "draw")
    dims = {name: (*leading, "row", "feature")[: value.ndim] for name, value in sites.items()}
    coords: dict[str, Any] = {"row": np.arange(len(fit.x))}
    if draws is not None:
        coords |= {"chain": np.arange(next(iter(sites.values())).shape[0]), "draw": draws}
    if any("feature" in d for d in dims.values()):
        coords["feature"] = list(fit.schema.columns)
    return xr.Dataset({name: (dims[name], value) for name, value in sites.items()}, coords)
