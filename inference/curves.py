"""Error against the number of training rows, of models on the same splits: all fits of a size in one program."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from ..models.spec import Spec
from .arithmetic import arithmetic
from .blocks import room_for
from .cells import whole
from .declare import Declared, declare
from .densities import log_density
from .errors import DataError, ModelError
from .joint import Rows
from .labels import read_labels
from .lbfgs import minimise
from .progress import bar
from .structure import Structure, blank, structure
from .table import make_spec, read_x
from .target import lifted, log_target, prior_vectors
from .threads import one_at_a_time

TOGETHER = 64  # splits that one vmap fits: more take too much memory of large tables
ENOUGH = 1e-6  # nats, a gain after which a fit ends
TESTED = 0.3  # share of the rows that a split holds out


@one_at_a_time
def learning_curve(
    models: Mapping[str, Callable],
    x: Any,
    y: Any,
    *,
    sizes: Sequence[int] | None = None,
    splits: int = 50,
    seed: int = 0,
) -> xr.Dataset:
    """Held-out ``error`` and ``log_loss`` of each model's map_estimate, dims (model, size, split); models by name.

    Each split holds out 0.3 of the rows and trains on the first n of the others, in one order for all models and
    sizes, so that differences are of the same rows (Ng and Jordan 2001, section 3). log_loss: the mean of
    -log P(y | x), in nats. sizes: by default ten, from 2 rows a label to all that a split has, evenly on a log scale.
    Priors have the units of the whole table's columns, which no label is needed for. Rows that miss a value are left
    out; labels are as many as the table shows, whether or not the n rows show them all.
    """
    declared = [declare(model) for model in models.values()]
    values, _, _ = read_x(x)
    for model in declared:
        if structure(model, blank(values.shape[1], 2)).classes is None:
            raise ModelError(f"{model.name} has no labels, of which a learning curve counts the errors.")
    codes, labels = read_labels(y)
    keep = (codes >= 0) & ~np.isnan(values).any(axis=1)
    values, codes = values[keep], codes[keep]
    splits, seed = whole(splits, "splits", 2), whole(seed, "seed", 0)
    most = len(codes) - round(TESTED * len(codes))
    least = 2 * len(labels)
    if most <= least:
        raise DataError(
            f"a learning curve needs more than {least} rows to train on, two of each of the {len(labels)} labels of y, "
            f"and a split has {most}; a y of numbers has no labels, and no such curve."
        )
    if sizes is None:
        sizes = np.unique(np.geomspace(least, most, 10).round().astype(int)).tolist()
    sizes = [whole(n, "a size", 1) for n in sizes]
    if max(sizes) > most:
        raise DataError(f"a split has {most} rows to train on, fewer than the {max(sizes)} of the largest size.")
    rng = np.random.default_rng(seed)
    orders = np.array([rng.permutation(len(codes)) for _ in range(splits)])
    found = np.empty((2, len(models), len(sizes), splits))
    work = [(i, j) for i in range(len(models)) for j in range(len(sizes))]
    with arithmetic():
        spec = make_spec(values, None, len(labels))
        shapes = [structure(model, spec) for model in declared]
        for model, shape in zip(declared, shapes, strict=True):
            if shape.classes != len(labels):
                raise ModelError(f"{model.name} has no P(y | x) of {len(labels)} labels; name models of labels.")
        for i, j in bar(work, desc="fits of a size"):
            held = room_for(sizes[j], most)  # sizes that are near share a program: rows beyond a size have weight 0
            fit = partial(_each_split, spec=spec, model=declared[i], shape=shapes[i], held=held, tested=most)
            found[:, i, j] = np.asarray(fit(values, codes, orders, sizes[j]))
    coords = {"model": list(models), "size": sizes, "split": np.arange(splits)}
    dims = ("model", "size", "split")
    return xr.Dataset({"error": (dims, found[0]), "log_loss": (dims, found[1])}, coords)


@partial(jax.jit, static_argnames=("model", "shape", "held", "tested"))
def _each_split(
    x: Array, y: Array, orders: Array, n: int, spec: Spec, *, model: Declared, shape: Structure, held: int, tested: int
) -> tuple[Array, Array]:
    """Error and log loss of each split, (splits,), of a fit to the first n of its order, tested after ``tested``.

    held: rows that the program has room for, n at least.
    """
    keywords = {"model": model, "shape": shape}
    empty = Rows(x[:1], None, y[:1])
    draws = prior_vectors.__wrapped__(jax.random.key(0), spec, empty, draws=64, **keywords)
    low, centre, high = jnp.quantile(draws, jnp.array([0.25, 0.5, 0.75]), axis=0)
    scale = jnp.maximum(high - low, 1e-6) / 1.349

    def one(order: Array) -> tuple[Array, Array]:
        rows = Rows(x[order[:held]], None, y[order[:held]], jnp.where(jnp.arange(held) < n, 1.0, 0.0))

        def loss(u: Array) -> Array:
            return -log_target(u * scale, spec, rows, prior=True, jacobian=False, **keywords)

        u, _ = minimise(jax.value_and_grad(loss), centre / scale, jnp.asarray(ENOUGH), longest=1.0)
        values = lifted(model, shape, u * scale, spec, rows).values
        new, truth = x[order[tested:]], y[order[tested:]]
        sites = ("x", "y") if shape.generative else ("y",)
        joint = log_density(values, spec, new, None, jnp.zeros(0), model=model, classes=shape.classes, sites=sites)
        log_p = jax.nn.log_softmax(joint, axis=0)
        own = jnp.take_along_axis(log_p, truth[None], axis=0)[0]
        return jnp.mean(log_p.argmax(axis=0) != truth), -jnp.mean(own)

    return jax.lax.map(one, orders, batch_size=TOGETHER)
