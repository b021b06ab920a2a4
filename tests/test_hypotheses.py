"""Hypotheses f_w(x) against what they stand for: B-splines, a Gaussian process's kernel, the horseshoe's formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bayeszoo.models import Spec, gaussian_process, horseshoe, mlp, polynomial, spline
from numpyro import handlers
from scipy import stats
from scipy.interpolate import BSpline

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2)) * [1.0, 10.0] + [3.0, 100.0]
LOC, SCALE = np.array([3.1, 98.0]), np.array([0.9, 11.0])


def at(hypothesis, values, *, outputs=None, x=X, scale=2.0):
    """f at given values of its sites, and the log density of these."""
    with jax.enable_x64(True):
        spec = Spec(*map(jnp.asarray, (LOC, SCALE, 0.0, 1.0)), rows=len(x), features=2, classes=3)
        given = {name: jnp.asarray(value) for name, value in values.items()}
        with handlers.trace() as trace, handlers.substitute(data=given), handlers.seed(rng_seed=0):
            f = hypothesis(jnp.asarray(x), spec, outputs, 0.5, scale)
        sites = {name: site for name, site in trace.items() if site["type"] == "sample"}
        assert set(sites) == set(values)
        return np.asarray(f), sum(float(site["fn"].log_prob(site["value"]).sum()) for site in sites.values())


def test_spline_is_a_sum_of_cubic_b_splines():
    steps = RNG.normal(size=(2, 11))
    f, density = at(spline, {"b": 0.3, "w": steps})
    u = np.clip((X - LOC) / SCALE, -3, 3)
    knots = -3 + 0.75 * np.arange(-3, 12)  # eight intervals, three more on each side
    want = 0.3 + sum(BSpline(knots, np.cumsum(steps[j]), 3)(u[:, j]) for j in range(2))
    np.testing.assert_allclose(f, want, rtol=1e-9)
    assert density == pytest.approx(stats.norm(0.5, 5.0).logpdf(0.3) + stats.norm(0, 1.0).logpdf(steps).sum())


def test_gaussian_process_by_hand():
    """Sines on |u| <= 4.5 whose weights have the root of the kernel's spectral density for standard deviation."""
    length, amplitude, z = np.array([0.8, 1.7]), np.array([1.5, 0.4]), RNG.normal(size=(2, 20))
    f, density = at(gaussian_process, {"b": 0.3, "length": length, "amplitude": amplitude, "z": z})
    u, edge, want = (X - LOC) / SCALE, 4.5, np.full(len(X), 0.3)
    for j in range(2):
        for h in range(20):
            root = (h + 1) * np.pi / (2 * edge)
            spectral = amplitude[j] ** 2 * np.sqrt(2 * np.pi) * length[j] * np.exp(-((length[j] * root) ** 2) / 2)
            want += z[j, h] * np.sqrt(spectral) * np.sin(root * (u[:, j] + edge)) / np.sqrt(edge)
    np.testing.assert_allclose(f, want, rtol=1e-9)
    by_hand = (
        stats.norm(0.5, 5.0).logpdf(0.3)
        + stats.invgamma(5, scale=5).logpdf(length).sum()
        + stats.halfnorm(scale=2.0).logpdf(amplitude).sum()
        + stats.norm.logpdf(z).sum()
    )
    assert density == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("outputs", [None, ("label", 3)])
def test_polynomial_by_hand(outputs):
    shape = () if outputs is None else outputs[1:]
    b, w = RNG.normal(size=shape), RNG.normal(size=(*shape, 2, 2))
    f, density = at(polynomial, {"b": b, "w": w}, outputs=outputs)
    u = (X - LOC) / SCALE
    want = b + sum(u[:, [j]] ** p @ w[..., p - 1, j].reshape(1, -1) for p in (1, 2) for j in range(2))
    np.testing.assert_allclose(f, want if outputs else want[:, 0], rtol=1e-9)
    by_hand = stats.norm(0.5, 5.0).logpdf(b).sum() + stats.norm(0, 5.0).logpdf(w[..., 0, :]).sum()
    assert density == pytest.approx(by_hand + stats.norm(0, 2.5).logpdf(w[..., 1, :]).sum(), rel=1e-9)


def test_mlp_by_hand():
    """With eight hidden units: sixteen weights inside with sd 1 / sqrt(2), eight outside with sd 5 / sqrt(8)."""
    a, v, w = RNG.normal(size=8), RNG.normal(size=(8, 2)), RNG.normal(size=8)
    f, density = at(mlp, {"a": a, "V": v, "b": 0.3, "w": w})
    np.testing.assert_allclose(f, 0.3 + np.tanh(a + (X - LOC) / SCALE @ v.T) @ w, rtol=1e-9)
    by_hand = (
        stats.norm.logpdf(a).sum()
        + stats.norm(0, 0.5**0.5).logpdf(v).sum()
        + stats.norm(0.5, 5.0).logpdf(0.3)
        + stats.norm(0, 5 / 8**0.5).logpdf(w).sum()
    )
    assert density == pytest.approx(by_hand, rel=1e-9)


def test_gaussian_process_has_its_kernel():
    """Var(f) over the weights is the kernel, exp(-(u - v)^2 / (2 length^2)), to 1e-3 where |u| < 2."""
    x = np.column_stack([LOC[0] + SCALE[0] * np.linspace(-2, 2, 9), np.full(9, LOC[1])])
    sites = {"b": 0.0, "length": np.array([1.0, 1.0]), "amplitude": np.array([1.5, 1e-9])}
    basis = []
    for h in range(20):
        z = np.zeros((2, 20))
        z[0, h] = 1.0
        basis.append(at(gaussian_process, {**sites, "z": z}, x=x)[0])
    u = np.linspace(-2, 2, 9)
    kernel = 1.5**2 * np.exp(-((u[:, None] - u) ** 2) / 2)
    np.testing.assert_allclose(np.array(basis).T @ np.array(basis), kernel, atol=1e-3 * 1.5**2)


@pytest.mark.parametrize("outputs", [None, ("label", 3)])
def test_horseshoe_by_hand(outputs):
    shape = () if outputs is None else outputs[1:]
    b, tau, c = RNG.normal(size=shape), np.full(shape, 0.2), np.full(shape, 1.7)
    lam, z = RNG.random((*shape, 2)) * 3, RNG.normal(size=(*shape, 2))
    f, density = at(horseshoe, {"b": b, "tau": tau, "c": c, "lambda": lam, "z": z}, outputs=outputs)
    squared = 1.7**2 * lam**2 / (1.7**2 + 0.2**2 * lam**2)
    w = z * 0.2 * np.sqrt(squared) * 2.0 / SCALE
    np.testing.assert_allclose(f, b + (X - LOC) @ w.T, rtol=1e-9)
    by_hand = (
        stats.norm(0.5, 5.0).logpdf(b).sum()
        + stats.halfcauchy(scale=0.1).logpdf(tau).sum()
        + (stats.invgamma(2, scale=2 * 2.5**2).logpdf(c**2) + np.log(2 * c)).sum()
        + stats.halfcauchy.logpdf(lam).sum()
        + stats.norm.logpdf(z).sum()
    )
    assert density == pytest.approx(by_hand, rel=1e-6)
