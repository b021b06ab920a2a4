"""One model function, read row by row: structure, log densities and draws, by NumPyro's effect handlers.

Rows are independent given the parameters, so every density is a sum over rows of a density of one row. The model
runs on a table of one row and ``jax.vmap`` does the rest.
"""

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from numpyro import distributions as dist
from numpyro import handlers
from numpyro.distributions import biject_to
from numpyro.primitives import Messenger

from ..models.spec import Spec
from .declare import Declared
from .errors import BayeszooError, ModelError


@dataclass(frozen=True)
class Site:
    """A site's shape, the shape of its unconstrained value (None for a deterministic site) and its dims' names."""

    shape: tuple[int, ...]
    free: tuple[int, ...] | None
    dims: tuple[str, ...]


@dataclass(frozen=True)
class Structure:
    """What a trace says of a model: its parameter sites, the deterministic sites that do not depend on the rows, which
    of x and y it samples, the number of labels (None where y is no label), and whether a prior is improper."""

    sites: tuple[tuple[str, Site], ...]
    derived: tuple[tuple[str, Site], ...]
    generative: bool
    has_y: bool
    classes: int | None
    improper: bool

    @property
    def size(self) -> int:
        """Number of unconstrained parameters."""
        return sum(_count(site.free) for _, site in self.sites)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


def one_row(spec: Spec) -> Spec:
    return replace(spec, rows=1)


def structure(model: Declared, spec: Spec) -> Structure:
    """Read the sites off two abstract traces, of one row and of two: what grows is no parameter."""
    found = _abstract_sites(model, spec, 1)
    shared = _abstract_sites(model, spec, 2)
    _abstract_sites(model, spec, 1, y=jnp.zeros(1, dtype=int if found.get("y", {}).get("classes") else float))
    y, generative = found.pop("y", None), found.pop("x", False)
    if y is None and not generative:
        raise ModelError(
            f"{model.name} samples neither a site 'x' nor a site 'y'; rename its sites "
            "(bayeszoo.inference.with_sites), or call the data's site 'x' and the label's or response's site 'y'."
        )
    improper = found.pop("improper", False)
    derived = {name: site for name, site in found.items() if site.free is None}
    sites = {name: site for name, site in found.items() if site.free is not None}
    grown = next((name for name in sites if shared[name].shape != sites[name].shape), None)
    if grown is not None:
        raise ModelError(
            f"site '{grown}' of {model.name} has a value for each row; a new row would have none. Integrate it out, or "
            "let rows share it through a column of group names."
        )
    fixed = tuple((name, site) for name, site in derived.items() if shared[name].shape == site.shape)
    return Structure(tuple(sites.items()), fixed, generative, y is not None, y["classes"] if y else None, improper)


def _abstract_sites(model: Declared, spec: Spec, rows: int, y: Array | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def look(key: Array) -> None:
        with handlers.trace() as trace, ProperDraws(), handlers.seed(rng_seed=key):
            model(jnp.zeros((rows, spec.features)), y, replace(spec, rows=rows))
        for name in ("x",) if y is None else ("x", "y"):
            if name in trace and trace[name]["type"] == "sample" and not trace[name]["is_observed"]:
                raise ModelError(
                    f"{model.name} was given {name} but samples site '{name}' all the same; it takes x and y as its "
                    f"first two arguments, or by name, and passes obs={name}."
                )
        found.update(_sites(trace))

    try:
        jax.eval_shape(look, jax.random.key(0))
    except BayeszooError:
        raise
    except Exception as error:
        # A user's function may fail in any way; what failed, and on what, is said in one sentence.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{model.name} cannot be run on a table of {rows} x {spec.features} with{'out' * (y is None)} y: {reason}"
        ) from error
    return found


class ProperDraws(Messenger):
    """Draw an improper prior, which has no draws, as a standard normal in its unconstrained space."""

    def process_message(self, msg: dict) -> None:
        if msg["type"] == "sample" and msg["value"] is None and _improper(msg["fn"]):
            free = biject_to(msg["fn"].support).inverse_shape(msg["fn"].shape())
            key = msg["kwargs"]["rng_key"]
            msg["value"] = biject_to(msg["fn"].support)(jax.random.normal(key, free))


def _improper(fn: dist.Distribution) -> bool:
    while isinstance(fn, dist.ExpandedDistribution | dist.Independent | dist.MaskedDistribution):
        fn = fn.base_dist
    return isinstance(fn, dist.ImproperUniform)


def _sites(trace: dict) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, site in trace.items():
        if site["type"] == "param":
            raise ModelError(f"site '{name}' is a numpyro.param; give it a prior with numpyro.sample instead.")
        if site["type"] == "deterministic":
            found[name] = Site(jnp.shape(site["value"]), None, _dims(name, site))
        if site["type"] != "sample":
            continue
        if name == "x":
            found["x"] = True
            continue
        if name == "y":
            found["y"] = {"classes": _classes(site["fn"])}
            continue
        if isinstance(site["fn"], dist.Unit):
            raise ModelError(f"'{name}' is a numpyro.factor, which may depend on rows; write it as a distribution.")
        if site["is_observed"]:
            raise ModelError(f"site '{name}' is observed; the data's sites are 'x' and 'y' (rename: with_sites).")
        if _improper(site["fn"]):
            found["improper"] = True
        if site["fn"].support.is_discrete:
            raise ModelError(f"site '{name}' is discrete and hidden; only the label 'y' is summed out.")
        free = biject_to(site["fn"].support).inverse_shape(site["value"].shape)
        found[name] = Site(site["value"].shape, free, _dims(name, site))
    return found


def _classes(fn: dist.Distribution) -> int | None:
    """The number of labels of a categorical or Bernoulli site; other discrete sites hold counts, not labels."""
    while isinstance(fn, dist.ExpandedDistribution | dist.MaskedDistribution):
        fn = fn.base_dist
    if isinstance(fn, dist.CategoricalProbs | dist.CategoricalLogits):
        return int(fn.enumerate_support(expand=False).shape[0])
    return 2 if isinstance(fn, dist.BernoulliProbs | dist.BernoulliLogits) else None


def _dims(name: str, site: dict) -> tuple[str, ...]:
    shape = jnp.shape(site["value"])
    batch = len(site["fn"].batch_shape) if site["type"] == "sample" else len(shape)
    names = [f"{name}_dim_{i}" for i in range(len(shape))]
    for frame in site.get("cond_indep_stack", ()):
        if batch + frame.dim >= 0:
            names[batch + frame.dim] = frame.name
    for i, dim in enumerate(site.get("infer", {}).get("event_dims", ())):
        names[batch + i] = dim
    return tuple(names)


class Lift(Messenger):
    """Give each parameter site the value its unconstrained vector maps to; keep log prior and log |Jacobian|."""

    def __init__(self, free: dict[str, Array]) -> None:
        super().__init__(None)
        self.free = free
        self.values: dict[str, Array] = {}
        self.derived: dict[str, Array] = {}
        self.log_prior: Array | float = 0.0
        self.log_jacobian: Array | float = 0.0

    def postprocess_message(self, msg: dict) -> None:
        if msg["type"] == "deterministic":
            self.derived[msg["name"]] = msg["value"]

    def process_message(self, msg: dict) -> None:
        if msg["type"] != "sample" or msg["name"] not in self.free:
            return
        free = self.free[msg["name"]]
        transform = biject_to(msg["fn"].support)
        msg["value"] = value = transform(free)
        self.values[msg["name"]] = value
        self.log_prior += jnp.sum(scaled(msg, msg["fn"].log_prob(value)))
        self.log_jacobian += jnp.sum(transform.log_abs_det_jacobian(free, value))


def scaled(site: dict, log_prob: Array) -> Array:
    """A site's log density under the scale handlers around it."""
    return log_prob if site["scale"] is None else site["scale"] * log_prob


def split(vector: Array, sites: tuple[tuple[str, Site], ...]) -> dict[str, Array]:
    """Cut a flat unconstrained vector, shape (..., size), into the sites' unconstrained values."""
    values, start = {}, 0
    for name, site in sites:
        stop = start + _count(site.free)
        values[name] = vector[..., start:stop].reshape(vector.shape[:-1] + site.free)
        start = stop
    return values


@singledispatch
def log_prob_seen(fn: dist.Distribution, value: Array, seen: Array) -> Array:
    """log density of the features that were seen, the others integrated out.

    Exact for a distribution that factorises over features; another kind registers its own rule.
    """
    raise ModelError(
        f"missing features cannot be integrated out of a {type(fn).__name__}; drop or fill the rows that miss one."
    )


@log_prob_seen.register
def _(fn: dist.Independent, value: Array, seen: Array) -> Array:
    return jnp.sum(jnp.where(seen, fn.base_dist.log_prob(value), 0.0), axis=-1)


@log_prob_seen.register
def _(fn: dist.ExpandedDistribution, value: Array, seen: Array) -> Array:
    return log_prob_seen(fn.base_dist, value, seen)


def row_terms(
    model: Declared, reader: Messenger, spec: Spec, x: Array, seen: Array | None, y: Array
) -> dict[str, Array]:
    """log density of sites 'x' and 'y' for one row x (features,), seen (features,), y scalar."""
    with handlers.trace() as trace, reader:
        model(x[None], y[None], one_row(spec))
    terms = {}
    for name, value in (("x", x[None]), ("y", y[None])):
        if name in trace and trace[name]["type"] == "sample":
            site = trace[name]
            partly = name == "x" and seen is not None
            each = log_prob_seen(site["fn"], value, seen[None]) if partly else site["fn"].log_prob(value)
            terms[name] = jnp.sum(scaled(site, each))
    return terms
