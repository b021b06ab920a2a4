"""One model function, read row by row: log densities by NumPyro's effect handlers.

Rows are independent given the parameters, so every density is a sum over rows of a density of one row. The model
runs on a table of one row and ``jax.vmap`` does the rest.
"""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpyro import handlers
from numpyro.distributions import biject_to
from numpyro.primitives import Messenger

from ..models.spec import Spec
from .declare import Declared
from .errors import ModelError
from .missing import log_prob_seen
from .structure import Site, Structure, Unobserved, count


def one_row(spec: Spec) -> Spec:
    return replace(spec, rows=1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rows:
    """Data as compiled programs see it. x: (rows, features); seen: the same, or None where nothing is missing.

    y holds codes or responses for the rows whose y is known; the first len(y) rows are those. What is missing in x
    holds a column's mean. weights: how many rows each row stands for, None where each is itself.
    blocks: how many equal pieces the rows come in, one a device, each with those of known y first.
    """

    x: Array
    seen: Array | None
    y: Array
    weights: Array | None = None
    blocks: int = field(default=1, metadata={"static": True})

    @property
    def table(self) -> tuple[Array, Array]:
        """x and y of every row, 0 where a label is hidden: what a model needs to run, its priors to be read off."""
        return self.x, self.together(self.y, jnp.zeros_like(self.y, shape=self.x.shape[0] - self.y.shape[0]))

    def apart(self, part: Array) -> tuple[Array, Array]:
        """The entries of a column, or of a table, that belong to the rows whose y is known, and the others."""
        # Cut inside each block, which one device holds, so that no entry moves to another device.
        pieces = part.reshape(self.blocks, -1, *part.shape[1:])
        known = self.y.shape[0] // self.blocks
        return tuple(piece.reshape(-1, *part.shape[1:]) for piece in (pieces[:, :known], pieces[:, known:]))

    def together(self, known: Array, hidden: Array) -> Array:
        """One column, (rows,), of its entries for the rows whose y is known and of those for the others."""
        return jnp.concatenate([part.reshape(self.blocks, -1) for part in (known, hidden)], axis=1).ravel()

    def cut(self, size: int) -> list["Rows"]:
        """Blocks of at most ``size`` rows, of known labels apart from hidden ones; each table (blocks, rows, ...)."""
        count, known = self.x.shape[0], self.y.shape[0]
        weights = jnp.ones(count) if self.weights is None else self.weights
        if count <= size:
            return [jax.tree.map(lambda part: part[None], replace(self, weights=weights))]

        def folded(part: Array) -> Array:
            return part.reshape(number, -1, *part.shape[1:])

        found = []
        for start, stop in ((0, known), (known, count)):
            if start == stop:
                continue
            number = -(-(stop - start) // size)
            index = start + np.minimum(np.arange(number * -(-(stop - start) // number)), stop - start - 1)
            first = np.arange(len(index)) < stop - start  # the last row fills the last block up, with weight 0
            y = self.y[index] if stop == known else jnp.zeros((number, 0), self.y.dtype)
            seen = None if self.seen is None else folded(self.seen[index])
            y = folded(y) if stop == known else y
            found.append(Rows(folded(self.x[index]), seen, y, folded(weights[index] * first)))
        return found


def lay_out(
    x: np.ndarray,
    y: np.ndarray,
    shape: Structure,
    weights: np.ndarray | None = None,
    fill: np.ndarray | None = None,
) -> Rows:
    """Rows of a table, those with a known label first. NaN: a missing feature; the code -1: a hidden label.

    fill: what stands in for a missing feature, by default the mean of its column.
    """
    if shape.classes is None:
        order, known = np.arange(len(x)), y if shape.has_y else np.zeros(len(x))
    else:
        order = np.argsort(y < 0, kind="stable")
        known = y[order][y[order] >= 0]
    x = np.asarray(x, dtype=np.float64)[order]
    missing = np.isnan(x)
    seen = None
    if missing.any():
        x, seen = np.where(missing, np.nanmean(x, axis=0) if fill is None else fill, x), ~missing
    weights = None if weights is None else np.asarray(weights, dtype=np.float64)[order]
    return Rows(x, seen, known, weights)


def take(rows: Rows, index: np.ndarray) -> Rows:
    """The rows at ``index``, which is sorted, so that known labels stay first."""
    weights = None if rows.weights is None else rows.weights[index]
    seen = None if rows.seen is None else rows.seen[index]
    return Rows(rows.x[index], seen, rows.y[index[index < rows.y.shape[0]]], weights)


def counts(rows: Rows) -> tuple[int, int]:
    """How many rows have a known y, and how many a hidden one."""
    return rows.y.shape[0], rows.x.shape[0] - rows.y.shape[0]


def padded(rows: Rows, to: tuple[int, int] | None = None, *, coarse: bool = False) -> Rows:
    """The rows with copies of weight 0 after the known and after the hidden ones, so that tables share programs.

    to: how many known and hidden rows there are to be; by default, some sixteenth more than there are, or with
    ``coarse`` a power of two.
    """
    known, hidden = counts(rows)
    to = (_bucket(known, coarse), _bucket(hidden, coarse)) if to is None else to
    weights = np.ones(known + hidden) if rows.weights is None else rows.weights
    more = to[0] - known, to[1] - hidden
    index = np.concatenate(
        [np.arange(known), np.zeros(more[0], int), known + np.arange(hidden), np.full(more[1], known)]
    )
    weights = np.concatenate([weights[:known], np.zeros(more[0]), weights[known:], np.zeros(more[1])])
    seen = None if rows.seen is None else rows.seen[index]
    return Rows(rows.x[index], seen, rows.y[index[: to[0]]], weights)


def _bucket(n: int, coarse: bool) -> int:
    if n == 0:
        return 0
    power = 1 << max(4, (n - 1).bit_length())
    step = power if coarse else max(16, power // 16)
    return -(-n // step) * step


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
        if value.shape != tuple(msg["fn"].shape()):
            raise ModelError(
                f"site '{msg['name']}' has the shape {value.shape} in a table of one row and {msg['fn'].shape()} in "
                "another; let its shape depend on columns and labels alone."
            )
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
        stop = start + count(site.free)
        values[name] = vector[..., start:stop].reshape(vector.shape[:-1] + site.free)
        start = stop
    return values


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


def drawn_row(
    key: Array,
    model: Declared,
    values: dict[str, Array],
    spec: Spec,
    x: Array,
    sites: tuple[str, ...],
    y: Array | int = 0,
) -> dict[str, Array]:
    """Draws of ``sites``, some of 'x' and 'y', for one row given the others and parameters; x (features,), y scalar."""
    with (
        handlers.trace() as trace,
        handlers.substitute(data=values),
        handlers.seed(rng_seed=key),
        Unobserved(sites),
    ):
        model(x[None], jnp.asarray(y)[None], one_row(spec))
    shapes = {"x": (spec.features,), "y": ()}
    # Not all models draw with an axis for their one row, and some with more of length one.
    drawn = {name: trace[name]["value"] for name in sites if name in trace and trace[name]["type"] == "sample"}
    return {name: value.reshape(shapes[name]) for name, value in drawn.items()}
