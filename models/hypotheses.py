"""Hypotheses f_w(x): what a likelihood P(y | x) is put around.

Each is a function ``hypothesis(x, spec, outputs, loc, scale)`` that samples its own weights w and
returns f_w(x): shape (rows,) where ``outputs`` is None, else (rows, outputs), one column a label, say, with
outputs=("label", 3), the plate in which its weights are.
``loc`` and ``scale`` are the location and scale of f in the unit of the response. Another hypothesis is
another such function; hyperparameters bind with ``functools.partial``.
"""

from contextlib import AbstractContextManager, nullcontext

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.contrib.hsgp.laplacian import eigenfunctions
from numpyro.distributions import Distribution

from .spec import Spec, positive, whole

Outputs = tuple[str, int]  # what there is one output of, as "label", and how many


def _each(outputs: Outputs | None, dim: int) -> AbstractContextManager:
    return nullcontext() if outputs is None else numpyro.plate(*outputs, dim=dim)


def linear(
    x: Array,
    spec: Spec,
    outputs: Outputs | None = None,
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
    outputs: Outputs | None = None,
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


def spline(
    x: Array,
    spec: Spec,
    outputs: Outputs | None = None,
    loc: Array | float = 0.0,
    scale: Array | float = 1.0,
    *,
    knots: int = 8,
    b: Distribution | None = None,
    w: Distribution | None = None,
) -> Array:
    """f_w(x) = b + sum_j g_j(u_j), each g_j a cubic spline of the standardised column u_j: an additive model.

    g_j(u) = sum_h w_jh B_h(u) with cubic B-splines B_h on ``knots`` even intervals between u = -3 and 3, and constant
    outside (Wood 2017, section 5.3).
    w_jh is a random walk with steps ~ Normal(0, scale / 2): smooth unless the data bend it.
    b ~ Normal(loc, 2.5 scale). Adding a constant to one g_j and taking it from b changes nothing.

    w: the steps, shape ([outputs,] features, knots + 3), in units of f.
    """
    u = jnp.clip((x - spec.loc) / spec.scale, -3.0, 3.0)
    intervals = whole("knots", knots)
    with _each(outputs, -1):
        b = numpyro.sample("b", b if b is not None else dist.Normal(loc, 2.5 * scale))
    with (
        _each(outputs, -3),
        numpyro.plate("feature", spec.features, dim=-2),
        numpyro.plate("basis", intervals + 3, dim=-1),
    ):
        w = numpyro.sample("w", w if w is not None else dist.Normal(0.0, scale / 2))
    # The cardinal cubic B-spline at the distance from each basis function's centre, in intervals.
    centres = jnp.arange(-1, intervals + 2)
    t = jnp.abs((u[..., None] + 3.0) * (intervals / 6.0) - centres)
    basis = jnp.where(t < 1, 2 / 3 - t**2 + t**3 / 2, jnp.where(t < 2, (2 - t) ** 3 / 6, 0.0))
    return b + jnp.tensordot(basis, jnp.cumsum(w, axis=-1), axes=((1, 2), (-2, -1)))


def gaussian_process(
    x: Array,
    spec: Spec,
    outputs: Outputs | None = None,
    loc: Array | float = 0.0,
    scale: Array | float = 1.0,
    *,
    basis: int = 20,
    length: Distribution | None = None,
    amplitude: Distribution | None = None,
) -> Array:
    """f(x) = b + sum_j g_j(u_j), each g_j a Gaussian process of the standardised column u_j, in its Hilbert space.

    Covariance amplitude_j^2 exp(-(u - v)^2 / (2 length_j^2)), as ``basis`` sines on |u| <= 4.5 whose weights have the
    kernel's spectral density for variance (HSGP: Solin and Särkkä 2020, eq. 8; Riutort-Mayol et al. 2023).
    length_j ~ InverseGamma(5, 5), around 1 standard deviation of a column; amplitude_j ~ HalfNormal(scale);
    b ~ Normal(loc, 2.5 scale). The approximation holds for lengths above some 9 / basis.

    z: the weights over their sds, shape ([outputs,] features, basis).
    """
    u = (x - spec.loc) / spec.scale
    size, edge = whole("basis", basis), 4.5
    with _each(outputs, -1):
        b = numpyro.sample("b", dist.Normal(loc, 2.5 * scale))
    with numpyro.plate("feature", spec.features, dim=-1):
        length = numpyro.sample("length", length if length is not None else dist.InverseGamma(5.0, 5.0))
        amplitude = numpyro.sample("amplitude", amplitude if amplitude is not None else dist.HalfNormal(scale))
    with _each(outputs, -3), numpyro.plate("feature", spec.features, dim=-2), numpyro.plate("basis", size, dim=-1):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    sines = eigenfunctions(jnp.clip(u, -edge, edge)[..., None], edge, size)  # (rows, features, basis)
    frequency = jnp.arange(1, size + 1) * jnp.pi / (2 * edge)
    # The root of the spectral density, which underflows to a root of 0 where it is taken of the density itself.
    width = amplitude * jnp.sqrt(jnp.sqrt(2 * jnp.pi) * length)
    sd = width[:, None] * jnp.exp(-((length[:, None] * frequency) ** 2) / 4)
    return b + jnp.tensordot(sines, z * sd, axes=((1, 2), (-2, -1)))


def horseshoe(
    x: Array,
    spec: Spec,
    outputs: Outputs | None = None,
    loc: Array | float = 0.0,
    scale: Array | float = 1.0,
    *,
    relevant: float = 1.0,
    slab: float = 2.5,
) -> Array:
    """f_w(x) = b + w . (x - m), most w_j all but zero, few of any size: the regularised horseshoe.

    w_j = z_j tau l_j scale / scale_j with z_j ~ Normal(0, 1) and l_j^2 = c^2 lambda_j^2 / (c^2 + tau^2 lambda_j^2),
    lambda_j ~ HalfCauchy(1), tau ~ HalfCauchy(tau_0), c^2 ~ InverseGamma(2, 2 slab^2) (Piironen and Vehtari 2017,
    eqs. 2.8 to 3.12). tau_0 = r / (D - r) / sqrt(n), r = ``relevant`` of the D columns being thought to matter and n
    the number of rows, here 100 whatever the table, as a prior does not look at it.
    b ~ Normal(loc, 2.5 scale). w: in units of f per unit of x, a deterministic site.
    """
    share = float(positive("relevant", relevant)) / max(spec.features - relevant, 0.5) / 10.0
    with _each(outputs, -1):
        b = numpyro.sample("b", dist.Normal(loc, 2.5 * scale))
        tau = numpyro.sample("tau", dist.HalfCauchy(share))
        c = numpyro.sample("c", _slab(float(positive("slab", slab))))
    with _each(outputs, -2), numpyro.plate("feature", spec.features, dim=-1):
        lam = numpyro.sample("lambda", dist.HalfCauchy(1.0))
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
    tau, c = (part if outputs is None else part[:, None] for part in (tau, c))
    shrunk = c * lam / jnp.sqrt(c**2 + (tau * lam) ** 2)
    w = numpyro.deterministic("w", z * tau * shrunk * scale / spec.scale)
    return b + (x - spec.loc) @ w.T


def _slab(width: float) -> Distribution:
    """c where c^2 ~ InverseGamma(2, 2 width^2)."""
    return dist.TransformedDistribution(dist.InverseGamma(2.0, 2 * width**2), dist.transforms.PowerTransform(0.5))


def mlp(
    x: Array,
    spec: Spec,
    outputs: Outputs | None = None,
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
