"""What a model function declares, read off abstract traces: parameters, data sites, number of labels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpyro import distributions as dist
from numpyro import handlers
from numpyro.distributions import biject_to
from numpyro.primitives import Messenger

from ..models.spec import Spec, WrongColumn
from .declare import Declared
from .errors import BayeszooError, ModelError
from .threads import one_at_a_time


@dataclass(frozen=True)
class Site:
    """A site's shape, the shape of its unconstrained value (None for a deterministic site) and its dims' names."""

    shape: tuple[int, ...]
    free: tuple[int, ...] | None
    dims: tuple[str, ...]


@dataclass(frozen=True)
class Structure:
    """What a trace says of a model: its parameter sites, the deterministic sites that do not grow with the rows,
    which of x and y it samples, the number of labels (None where y is no label), and whether a prior is improper."""

    sites: tuple[tuple[str, Site], ...]
    derived: tuple[tuple[str, Site], ...]
    generative: bool
    has_y: bool
    classes: int | None
    improper: bool

    @property
    def size(self) -> int:
        """Number of unconstrained parameters."""
        return sum(count(site.free) for _, site in self.sites)


def count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


@one_at_a_time
def structure(model: Declared, spec: Spec, columns: Sequence[str] = ()) -> Structure:
    """Read the sites off two abstract traces, of one row and of two: what grows is no parameter.

    columns: their names, for the error of a model that has no place for one.
    """
    try:
        return _structure(model, spec.features, spec.classes, spec.kinds)
    except WrongColumn as error:
        name = f"'{columns[error.column]}'" if len(columns) else f"{error.column} (from 0)"
        raise ModelError(f"{model.name} {error.takes}, and column {name} {error.holds}.") from None


def blank(features: int, classes: int, kinds: tuple[int, ...] = ()) -> Spec:
    """Sizes with no units."""
    zero, one = np.zeros(features), np.ones(features)
    return Spec(zero, one, np.zeros(()), np.ones(()), rows=1, features=features, classes=max(classes, 2), kinds=kinds)


@lru_cache(maxsize=256)
def _structure(model: Declared, features: int, classes: int, kinds: tuple[int, ...]) -> Structure:
    spec = blank(features, classes, kinds)
    found = _abstract_sites(model, spec, 1)
    shared = _abstract_sites(model, spec, 2)
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
    if not any(count(site.free) for site in sites.values()):
        raise ModelError(f"{model.name} has no parameter, so there is nothing to fit; sample one.")
    fixed = tuple((name, site) for name, site in derived.items() if shared[name].shape == site.shape)
    return Structure(tuple(sites.items()), fixed, generative, y is not None, y["classes"] if y else None, improper)


def _abstract_sites(model: Declared, spec: Spec, rows: int) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def look(key: Array) -> None:
        hidden = Unobserved()
        with handlers.trace() as trace, ProperDraws(), handlers.seed(rng_seed=key), hidden:
            model(jnp.zeros((rows, spec.features)), jnp.zeros(rows, dtype=int), replace(spec, rows=rows))
        for name in ("x", "y"):
            if name in trace and trace[name]["type"] == "sample" and name not in hidden.found:
                raise ModelError(
                    f"{model.name} was given {name} but samples site '{name}' all the same; it takes x and y as its "
                    f"first two arguments, or by name, and passes obs={name}."
                )
        found.update(_sites(trace))

    with told_by_name(model):
        jax.eval_shape(look, jax.random.key(0))
    return found


@contextmanager
def told_by_name(model: Declared) -> Iterator[None]:
    """Raise ModelError where the user's function fails, in whatever way: what failed, and on what, in one sentence."""
    try:
        yield
    except (BayeszooError, WrongColumn):
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        reason = " ".join(lines[: 2 if lines[0].endswith(":") else 1]).rstrip(".:")
        raise ModelError(f"{model.name} cannot be run: {reason}.") from error


class Unobserved(Messenger):
    """Sites 'x' and 'y' (or one of them) as if they had not been observed, so that they are drawn.

    A model need not be able to run without x or y for that. The innermost handler: those around it draw.
    """

    def __init__(self, names: tuple[str, ...] = ("x", "y")) -> None:
        super().__init__(None)
        self.names = names
        self.found: set[str] = set()

    def process_message(self, msg: dict) -> None:
        if msg["type"] == "sample" and msg["name"] in self.names and msg["is_observed"]:
            self.found.add(msg["name"])
            msg["value"], msg["is_observed"] = None, False


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
        if site["type"] == "plate" and site["args"][1] not in (None, site["args"][0]):
            raise ModelError(f"plate '{name}' takes a sample of its rows; leave subsample_size out, every row is read.")
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
        if isinstance(site["fn"], dist.Delta):
            raise ModelError(f"site '{name}' is a Delta, a constant; write the number, or a deterministic site.")
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
