"""Each model's log joint against one written by hand in SciPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from bayeszoo.models import (
    Spec,
    fixed_variance_mixture,
    gaussian_naive_bayes,
    linear,
    linear_regression,
    mlp,
    polynomial,
    softmax_regression,
)
from numpyro import handlers
from numpyro.infer.util import log_density
from scipy import stats

X = np.array([[1.0, 20.0], [2.0, 30.0], [4.0, 25.0]])
Y = np.array([0, 1, 1])
PI = np.array([0.3, 0.7])
MU = np.array([[1.5, 22.0], [2.5, 28.0]])
SIGMA = np.array([[0.5, 3.0], [1.0, 4.0]])


def spec() -> Spec:
    return Spec(jnp.asarray(X.mean(0)), jnp.asarray(X.std(0)), jnp.zeros(()), jnp.ones(()), 3, 2, 2)


def density(model, params, **keywords):
    with jax.enable_x64(True):
        value, _ = log_density(model, (X, Y), {"spec": spec(), **keywords}, params)
        return float(value)


def test_gaussian_naive_bayes_by_hand(proved):
    by_hand = (
        stats.dirichlet(np.ones(2)).logpdf(PI)
        + stats.norm(X.mean(0), 2 * X.std(0)).logpdf(MU).sum()
        + (stats.invgamma(2, scale=X.var(0) / 4).logpdf(SIGMA**2) + np.log(2 * SIGMA)).sum()
        + np.log(PI[Y]).sum()
        + stats.norm(MU[Y], SIGMA[Y]).logpdf(X).sum()
    )
    got = density(gaussian_naive_bayes, {"pi": PI, "mu": MU, "sigma": SIGMA})
    proved("gaussian_naive_bayes", "log joint by hand in SciPy", got, by_hand)


def test_fixed_variance_mixture_by_hand(proved):
    by_hand = (
        stats.dirichlet(np.ones(2)).logpdf(PI)
        + stats.norm(X.mean(0), 2 * X.std(0)).logpdf(MU).sum()
        + np.log(PI[Y]).sum()
        + stats.norm(MU[Y], 1.5).logpdf(X).sum()
    )
    got = density(fixed_variance_mixture, {"pi": PI, "mu": MU}, k=2, sigma=1.5)
    proved("fixed_variance_mixture", "log joint by hand in SciPy", got, by_hand)


def test_linear_regression_by_hand(proved):
    y = np.array([1.0, 5.0, 2.0])
    b, w, sigma = 2.0, np.array([0.5, -0.1]), 1.5
    with jax.enable_x64(True):
        units = Spec(spec().loc, spec().scale, jnp.asarray(y.mean()), jnp.asarray(y.std()), 3, 2, 2)
        got, _ = log_density(linear_regression, (X, y), {"spec": units}, {"b": b, "w": w, "sigma": sigma})
    by_hand = (
        stats.norm(y.mean(), 2.5 * y.std()).logpdf(b)
        + stats.norm(0, 2.5 * y.std() / X.std(0)).logpdf(w).sum()
        + stats.halfnorm(scale=y.std()).logpdf(sigma)
        + stats.norm(b + (X - X.mean(0)) @ w, sigma).logpdf(y).sum()
    )
    proved("linear_regression", "log joint by hand in SciPy", got, by_hand)


def test_softmax_regression_by_hand(proved):
    b, w = np.array([0.3, -0.2]), np.array([[0.5, -0.1], [0.2, 0.3]])
    logits = b + (X - X.mean(0)) @ w.T
    by_hand = (
        stats.norm(0, 2.5).logpdf(b).sum()
        + stats.norm(0, 2.5 / X.std(0)).logpdf(w).sum()
        + (logits[np.arange(3), Y] - np.log(np.exp(logits).sum(1))).sum()
    )
    proved("softmax_regression", "log joint by hand in SciPy", density(softmax_regression, {"b": b, "w": w}), by_hand)


def test_cubic_softmax_by_hand(proved):
    b, w = np.array([0.3, -0.2]), np.linspace(-1, 1, 12).reshape(2, 3, 2)
    u = (X - X.mean(0)) / X.std(0)
    logits = b + sum(u**p @ w[:, p - 1].T for p in (1, 2, 3))
    by_hand = (
        stats.norm(0, 2.5).logpdf(b).sum()
        + sum(stats.norm(0, 2.5 / f).logpdf(w[:, i]).sum() for i, f in enumerate((1, 2, 6)))
        + (logits[np.arange(3), Y] - np.log(np.exp(logits).sum(1))).sum()
    )
    cubic = partial(polynomial, degree=3)
    proved(
        "softmax_regression",
        "log joint by hand in SciPy",
        density(softmax_regression, {"b": b, "w": w}, hypothesis=cubic),
        by_hand,
    )


def test_softmax_with_a_hidden_layer_by_hand(proved):
    a, v = np.array([0.1, -0.3, 0.5]), np.linspace(-1, 1, 6).reshape(3, 2)
    b, w = np.array([0.3, -0.2]), np.linspace(-2, 1, 6).reshape(2, 3)
    logits = b + np.tanh(a + (X - X.mean(0)) / X.std(0) @ v.T) @ w.T
    by_hand = (
        stats.norm(0, 1).logpdf(a).sum()
        + stats.norm(0, 1 / np.sqrt(2)).logpdf(v).sum()
        + stats.norm(0, 2.5).logpdf(b).sum()
        + stats.norm(0, 2.5 / np.sqrt(3)).logpdf(w).sum()
        + (logits[np.arange(3), Y] - np.log(np.exp(logits).sum(1))).sum()
    )
    layer = partial(mlp, width=3)
    got = density(softmax_regression, {"a": a, "V": v, "b": b, "w": w}, hypothesis=layer)
    proved("softmax_regression", "log joint by hand in SciPy", got, by_hand)


@pytest.mark.parametrize(
    ("hypothesis", "sites"),
    [(linear, "bw"), (polynomial, "bw"), (partial(mlp, width=2), "avbw")],
    ids=["linear", "polynomial", "mlp"],
)
def test_every_prior_of_a_hypothesis_can_be_replaced(hypothesis, sites):
    for outputs in (None, ("label", 2)):
        for site in sites:
            tight = partial(hypothesis, **{site: dist.Normal(7.0, 1e-6)})
            with jax.enable_x64(True), handlers.trace() as trace, handlers.seed(rng_seed=0):
                tight(jnp.asarray(X), spec(), outputs)
            for name, drawn in trace.items():
                if drawn["type"] == "sample":
                    assert np.allclose(drawn["value"], 7.0, atol=1e-4) == (name.lower() == site)
