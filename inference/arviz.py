"""A fit as the tree of groups that ArviZ works on."""

from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from .declare import Declared
from .joint import drawn_row, lay_out
from .queries import log_likelihood
from .target import constrain, prior_vectors

if TYPE_CHECKING:
    from .fit import Fit


NUMBERS = 2_000_000  # numbers in a predictive group's largest variable, about


@partial(jax.jit, static_argnames=("model", "generative"))
def draw_rows(key: Array, params: dict, x: Array, spec: Any, *, model: Declared, generative: bool) -> dict[str, Array]:
    """Predictive draws of every row: (x, y) of a generative model, y given x of another; (draws, rows, ...)."""

    def row(key: Array, values: dict, x: Array) -> dict[str, Array]:
        return drawn_row(key, model, values, spec, x, ("x", "y") if generative else ("y",))

    def draw(one: tuple) -> dict[str, Array]:
        key, values = one
        return jax.vmap(row, in_axes=(0, None, 0))(jax.random.split(key, x.shape[0]), values, x)

    draws = jax.tree.leaves(params)[0].shape[0]
    return jax.lax.map(draw, (jax.random.split(key, draws), params))


def to_arviz(fit: "Fit", *, seed: int = 0, prior_draws: int = 500) -> xr.DataTree:
    """An xarray.DataTree with named dims: class and column names as coordinates.

    posterior, prior: parameters. posterior_predictive, prior_predictive: sites x and y of a generative model, y of a
    discriminative one; a label is its code, 0..K-1 in the order of the coordinate ``class``. Of large tables, every
    n-th draw is used there, so that a group holds about 2 million numbers. The prior's groups are left out where a
    prior is improper. log_likelihood: of each row, log P(x, y), log P(x) where its label is hidden, or log P(y | x).
    sample_stats: of NUTS. observed_data.
    """
    chains, draws = fit.draws_shape
    observed = {"x": fit.x} if fit.shape.generative else {}
    if fit.shape.has_y and np.all(fit.y >= 0 if fit.shape.classes else np.isfinite(fit.y)):
        observed["y"] = fit.y
    name = next(reversed(observed))  # y where it was seen, else x: ArviZ names a likelihood after its variable
    key, prior_key = jax.random.split(jax.random.key(seed))
    tree = {
        "posterior": posterior(fit),
        "posterior_predictive": _predictive(fit, key, fit.params),
        "log_likelihood": _rows(fit, {name: log_likelihood(fit, fit.x, fit.y)}, np.arange(draws)),
        "sample_stats": xr.Dataset(
            {k: (("chain", "draw"), v) for k, v in fit.sample_stats.items()},
            {"chain": np.arange(chains), "draw": np.arange(draws)},
        ),
        "observed_data": _rows(fit, observed, None),
    }
    if not fit.shape.improper:
        with jax.enable_x64(True):
            keywords = {"model": fit.model, "shape": fit.shape}
            rows = lay_out(fit.x, fit.y, fit.shape, fit.spec.loc)
            vectors = prior_vectors(prior_key, fit.spec, rows, draws=prior_draws, **keywords)
            prior, derived = (
                {name: np.asarray(value)[None] for name, value in group.items()}
                for group in constrain(vectors, fit.spec, rows, **keywords)
            )
        tree["prior_predictive"] = _predictive(fit, prior_key, prior)
        tree["prior"] = _class_dim(fit.labelled({**prior, **derived}))
    return xr.DataTree.from_dict(tree)


def _predictive(fit: "Fit", key: Array, params: dict[str, np.ndarray]) -> xr.Dataset:
    chains, draws = next(iter(params.values())).shape[:2]
    numbers = chains * fit.x.size if fit.shape.generative else chains * len(fit.x)
    used = np.arange(0, draws, -(-draws * numbers // NUMBERS))
    flat = {name: value[:, used].reshape(-1, *value.shape[2:]) for name, value in params.items()}
    with jax.enable_x64(True):
        x = jnp.asarray(np.where(np.isnan(fit.x), np.asarray(fit.spec.loc), fit.x))
        sites = draw_rows(key, flat, x, fit.spec, model=fit.model, generative=fit.shape.generative)
        return _rows(fit, {k: np.asarray(v).reshape(chains, -1, *v.shape[1:]) for k, v in sites.items()}, used)


def posterior(fit: "Fit") -> xr.Dataset:
    """The group ``posterior`` alone, for what needs no other."""
    return _class_dim(fit.posterior())


def _class_dim(parameters: xr.Dataset) -> xr.Dataset:
    # ArviZ stacks variables along a dim of its own called "label", so ours is called "class" there.
    return parameters.rename({"label": "class"}) if "label" in parameters.dims else parameters


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
