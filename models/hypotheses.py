"""Hypotheses f_w(x): what a likelihood P(y | x) is put around.

Each is a function ``hypothesis(x, spec, outputs, loc, scale)`` that samples its own weights w and
returns f_w(x): shape (rows,) where ``outputs`` is None, else (rows, outputs), one column a label.
``loc`` and ``scale`` are the location and scale of f in the unit of the response. Another hypothesis is
another such function; hyperparameters bind with ``functools.partial``.
"""

from contextlib import AbstractContextManager, nullcontext

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .spec import Spec, whole


def _each(outputs: int | None, dim: int) -> AbstractContextManager:
    return nullcontext() if outputs is None else numpyro.plate("label", outputs, dim=dim)


def linear(
    x: Array,
    spec: Spec,
    outputs: int | None = None,
    loc: Array | float = 0.0,
    scale: Array | float = 1.0,
    *,
    b: Distribution | None = None,
    w: Distribution | None = None,
) -> Array:
    """f_w(x) = b + w . (x - m), with m the column means.

    b ~ Normal(loc, 2.5 scale), the level at the mean row; ``intercept`` = b - w . m is the level at x = 0.
    w_j ~ Normal(0, 2.5 scale / scale_j): one standard deviation of a column moves f by about 2.5 of its own
    (Gelman, Jakulin, Pittau and Su 2008; the defaults of rstanarm).

    x: shape (rows, features). w: shape ([outputs,] features), in units of f per unit of x.
    """
    with _each(outputs, -1):
        b = numpyro.sample("b", b if b is not None else dist.Normal(loc, 2.5 * scale))
    with _each(outputs, -2), numpyro.plate("feature", spec.features, dim=-1):
        w = numpyro.sample("w", w if w is not None else dist.Normal(0.0, 2.5 * scale / spec.scale))
    with _each(outputs, -1):
        numpyro.deterministic("intercept", b - w @ spec.loc)
    return b + (x - spec.loc) @ w.T


def polynomial(
    x: Array,
    spec: Spec,
    outputs: int | None = None,
    loc: Array | float = 0.0,
    scale: Array | float = 1.0,
    *,
    degree: int = 2,
    b: Distribution | None = None,
    w: Distribution | None = None,
) -> Array:
    """f_w(x) = b + sum_p sum_j w_pj u_j^p for p = 1..degree, with u = (x - m) / s the standardised columns.

    b ~ Normal(loc, 2.5 scale), w_pj ~ Normal(0, 2.5 scale / p!). Linear in w, without products of columns.

    w: shape ([outputs,] degree, features), in units of f.
    """
    u = (x - spec.loc) / spec.scale
    powers = jnp.arange(1, whole("degree", degree) + 1)
    factorial = jnp.cumprod(powers)[:, None]
    with _each(outputs, -1):
        b = numpyro.sample("b", b if b is not None else dist.Normal(loc, 2.5 * scale))
    with (
        _each(outputs, -3),
        numpyro.plate("power", degree, dim=-2),
        numpyro.plate("feature", spec.features, dim=-1),
    ):
        w = numpyro.sample("w", w if w is not None else dist.Normal(0.0, 2.5 * scale / factorial))
    basis = u[:, None, :] ** powers[:, None]  # (rows, degree, features)
    return b + jnp.tensordot(basis, w, axes=((1, 2), (-2, -1)))


def mlp(
    x: Array,
    spec: Spec,
    outputs: int | None = None,
    loc: Array | float = 0.0,
    scale: Array | float = 1.0,
    *,
    width: int = 8,
    a: Distribution | None = None,
    v: Distribution | None = None,
    b: Distribution | None = None,
    w: Distribution | None = None,
) -> Array:
    """f_w(x) = b + w . tanh(a + V u), one hidden layer on the standardised columns u = (x - m) / s.

    a_h ~ Normal(0, 1), V_hj ~ Normal(0, 1 / sqrt(features)), b ~ Normal(loc, 2.5 scale),
    w_h ~ Normal(0, 2.5 scale / sqrt(width)), the scaling by which a wide network tends to a Gaussian process
    (Neal 1996, section 2.1).
    Hidden units can be swapped and reflected, so single weights have several posterior modes: look at f, not at w.

    V: shape (width, features). w: shape ([outputs,] width), in units of f.
    """
    u = (x - spec.loc) / spec.scale
    width = whole("width", width)
    with numpyro.plate("hidden", width, dim=-1):
        a = numpyro.sample("a", a if a is not None else dist.Normal(0.0, 1.0))
    with numpyro.plate("hidden", width, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        v = numpyro.sample("V", v if v is not None else dist.Normal(0.0, spec.features**-0.5))
    with _each(outputs, -1):
        b = numpyro.sample("b", b if b is not None else dist.Normal(loc, 2.5 * scale))
    with _each(outputs, -2), numpyro.plate("hidden", width, dim=-1):
        w = numpyro.sample("w", w if w is not None else dist.Normal(0.0, 2.5 * scale * width**-0.5))
    return b + jnp.tanh(a + u @ v.T) @ w.T
