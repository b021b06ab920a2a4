"""Each model's log joint against one written by hand in SciPy, which does not call the model."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from bayeszoo import models
from bayeszoo.inference import mle
from bayeszoo.models import Spec, diagonal, full, shared_diagonal, spherical, tied
from numpyro.infer.util import log_density
from scipy import special, stats

X = np.array([[1.0, 20.0], [2.0, 30.0], [4.0, 25.0]])
LOC, SCALE = X.mean(axis=0), X.std(axis=0)
CELLS = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
COUNTS = np.array([[0.0, 3.0], [2.0, 1.0], [5.0, 0.0]])
Y = np.array([0, 1, 1])
NUMBER = np.array([1.0, 5.0, 2.0])
PI, MU = np.array([0.3, 0.7]), np.array([[1.5, 22.0], [2.5, 28.0]])
SIGMA = np.array([[0.5, 3.0], [1.0, 4.0]])
B, W = 0.4, np.array([0.5, -0.1])
F = B + (X - LOC) @ W
LINES = np.column_stack([F, 2.0 - (X - LOC) @ W])
PAIR = np.array([[1.0, 0.0], [0.6, 0.8]])  # Cholesky factor of a correlation of 0.6
OTHER = np.array([[1.0, 0.0], [-0.28, 0.96]])
DIRICHLET = stats.dirichlet(np.ones(2)).logpdf(PI)
CENTRES = stats.norm(LOC, 2 * SCALE).logpdf(MU).sum()


def width(sigma, scale):
    """log density of sigma where sigma^2 ~ InverseGamma(2, scale^2)."""
    return (stats.invgamma(2, scale=np.square(scale)).logpdf(np.square(sigma)) + np.log(2 * sigma)).sum()


def lkj(factor, eta=2.0):
    """log density of the Cholesky factor of a 2 x 2 correlation r: (1 - r^2)^(eta - 1) up to Jacobian, normalised."""
    r = factor[1, 0]
    return (eta - 1) * np.log1p(-(r**2)) - special.betaln(eta, eta) - (2 * eta - 1) * np.log(2)


def coefficients(loc, scale):
    return stats.norm(loc, 2.5 * scale).logpdf(B) + stats.norm(0, 2.5 * scale / SCALE).logpdf(W).sum()


def normals(covariances):
    return sum(stats.multivariate_normal(MU[k], covariances[k]).logpdf(x) for x, k in zip(X, Y, strict=True))


def around(factors, sigma):
    return [np.diag(s) @ L @ L.T @ np.diag(s) for L, s in zip(factors, sigma, strict=True)]


PLANE = np.array([[0.5, 1.0], [2.0, -3.0]])
PLANES = np.stack([PLANE, -0.5 * PLANE])
KINDS = np.stack([MU, MU + 1.0])  # (label, component, feature)
RHO = np.array([[0.2, 0.8], [0.6, 0.4]])
POISSON_LOC = COUNTS.mean(axis=0)
LABELS = {"pi": PI, "mu": MU}
NORMAL = DIRICHLET + CENTRES + np.log(PI[Y]).sum()
TOTAL = COUNTS.sum(axis=1)


def in_plane(w, sigma):
    return w @ w.T + np.diag((sigma * SCALE) ** 2)


def mixed(x, k):
    return special.logsumexp(np.log(RHO[k]) + stats.norm(KINDS[k], SIGMA[k]).logpdf(x).sum(axis=-1))


TAUS, OMEGA, WIDTHS = np.array([0.7, 2.0]), np.array([0.3, 0.6]), np.array([0.9, 3.0])
Z, V = np.array([[0.1, -0.4], [1.0, 0.3]]), np.array([[0.5, -1.0], [0.2, 0.1]])
POOLED = {"pi": PI, "mean": LOC + 0.5, "tau": TAUS, "width": WIDTHS, "omega": OMEGA, "z": Z, "v": V}


def pooled():
    mu, sigma = LOC + 0.5 + TAUS * Z, WIDTHS * np.exp(OMEGA * V)
    return (
        DIRICHLET
        + stats.norm(LOC, SCALE).logpdf(LOC + 0.5).sum()
        + stats.halfnorm(scale=SCALE).logpdf(TAUS).sum()
        + width(WIDTHS, SCALE / 2)
        + stats.halfnorm(scale=0.5).logpdf(OMEGA).sum()
        + stats.norm.logpdf(Z).sum()
        + stats.norm.logpdf(V).sum()
        + np.log(PI[Y]).sum()
        + stats.norm(mu[Y], sigma[Y]).logpdf(X).sum()
    )


REGRESSION = {"b": B, "w": W}
LAMBDA = np.array([0.8, 3.0])
SHRUNK = Z[0] * 0.2 * LAMBDA * 1.7 / np.sqrt(1.7**2 + (0.2 * LAMBDA) ** 2) * NUMBER.std() / SCALE
CASES = {
    "robust_regression": (
        (X, NUMBER),
        {},
        {**REGRESSION, "sigma": 1.5, "nu": 4.0},
        coefficients(NUMBER.mean(), NUMBER.std())
        + stats.halfnorm(scale=NUMBER.std()).logpdf(1.5)
        + stats.gamma(2, scale=10).logpdf(4.0)
        + stats.t(4.0, F, 1.5).logpdf(NUMBER).sum(),
    ),
    "horseshoe_regression": (
        (X, NUMBER),
        {},
        {"b": B, "tau": 0.2, "c": 1.7, "lambda": LAMBDA, "z": Z[0], "sigma": 1.5},
        stats.norm(NUMBER.mean(), 2.5 * NUMBER.std()).logpdf(B)
        + stats.halfcauchy(scale=0.1).logpdf(0.2)
        + stats.invgamma(2, scale=2 * 2.5**2).logpdf(1.7**2)
        + np.log(2 * 1.7)
        + stats.halfcauchy.logpdf(LAMBDA).sum()
        + stats.norm.logpdf(Z[0]).sum()
        + stats.halfnorm(scale=NUMBER.std()).logpdf(1.5)
        + stats.norm(B + (X - LOC) @ SHRUNK, 1.5).logpdf(NUMBER).sum(),
    ),
    "poisson_regression": (
        (X, NUMBER),
        {},
        REGRESSION,
        coefficients(np.log(NUMBER.mean()), 1.0) + stats.poisson(np.exp(F)).logpmf(NUMBER).sum(),
    ),
    "negative_binomial_regression": (
        (X, NUMBER),
        {},
        {**REGRESSION, "phi": 2.5},
        coefficients(np.log(NUMBER.mean()), 1.0)
        + stats.halfnorm.logpdf(2.5**-0.5)
        + np.log(0.5 * 2.5**-1.5)
        + stats.nbinom(2.5, 2.5 / (2.5 + np.exp(F))).logpmf(NUMBER).sum(),
    ),
    "logistic_regression": (
        (X, Y),
        {},
        REGRESSION,
        coefficients(0.0, 1.0) + np.log(special.expit(F * (2 * Y - 1))).sum(),
    ),
    "ordinal_regression": (
        (X, np.array([0, 2, 1])),
        {"classes": 3},
        {**REGRESSION, "gap": np.array([1.2])},
        coefficients(0.0, 1.0)
        + stats.halfnorm(scale=2.5).logpdf(1.2)
        + np.log(special.expit(-F[0]))
        + np.log(1 - special.expit(1.2 - F[1]))
        + np.log(special.expit(1.2 - F[2]) - special.expit(-F[2])),
    ),
    "mixture_of_regressions": (
        (X, NUMBER),
        {},
        {"pi": PI, "b": np.array([B, 2.0]), "w": np.stack([W, -W]), "sigma": np.array([0.5, 1.5])},
        DIRICHLET
        + stats.norm(NUMBER.mean(), 2.5 * NUMBER.std()).logpdf([B, 2.0]).sum()
        + stats.norm(0, 2.5 * NUMBER.std() / SCALE).logpdf(np.stack([W, -W])).sum()
        + width(np.array([0.5, 1.5]), NUMBER.std() / 2)
        + special.logsumexp(
            np.log(PI) + stats.norm(np.column_stack([F, 2.0 - (X - LOC) @ W]), [0.5, 1.5]).logpdf(NUMBER[:, None]),
            axis=1,
        ).sum(),
    ),
    "gaussian_mixture, spherical": (
        (X, Y),
        {"covariance": spherical},
        {**LABELS, "sigma": SIGMA[:, 0]},
        NORMAL + width(SIGMA[:, 0], np.sqrt((SCALE**2).mean()) / 2) + stats.norm(MU[Y], SIGMA[Y, :1]).logpdf(X).sum(),
    ),
    "gaussian_mixture, diagonal": (
        (X, Y),
        {"covariance": diagonal},
        {**LABELS, "sigma": SIGMA},
        NORMAL + width(SIGMA, SCALE / 2) + stats.norm(MU[Y], SIGMA[Y]).logpdf(X).sum(),
    ),
    "gaussian_mixture, shared_diagonal": (
        (X, Y),
        {"covariance": shared_diagonal},
        {**LABELS, "sigma": SIGMA[1]},
        NORMAL + width(SIGMA[1], SCALE / 2) + stats.norm(MU[Y], SIGMA[1]).logpdf(X).sum(),
    ),
    "gaussian_mixture, tied": (
        (X, Y),
        {"covariance": tied},
        {**LABELS, "sigma": SIGMA[1], "L": PAIR},
        NORMAL + width(SIGMA[1], SCALE / 2) + lkj(PAIR) + normals(around([PAIR, PAIR], [SIGMA[1]] * 2)),
    ),
    "linear_discriminant": (
        (X, Y),
        {},
        {**LABELS, "sigma": SIGMA[0], "L": OTHER},
        NORMAL + width(SIGMA[0], SCALE / 2) + lkj(OTHER) + normals(around([OTHER, OTHER], [SIGMA[0]] * 2)),
    ),
    "quadratic_discriminant": (
        (X, Y),
        {"covariance": full},
        {**LABELS, "sigma": SIGMA, "L": np.stack([PAIR, OTHER])},
        NORMAL + width(SIGMA, SCALE / 2) + lkj(PAIR) + lkj(OTHER) + normals(around([PAIR, OTHER], SIGMA)),
    ),
    "mixture_discriminant": (
        (X, Y),
        {},
        {"pi": PI, "rho": RHO, "mu": KINDS, "sigma": SIGMA},
        DIRICHLET
        + stats.norm(LOC, 2 * SCALE).logpdf(KINDS).sum()
        + width(SIGMA, SCALE / 2)
        + np.log(PI[Y]).sum()
        + sum(mixed(x, k) for x, k in zip(X, Y, strict=True)),
    ),
    "pca_discriminant": (
        (X, Y),
        {},
        {**LABELS, "W": PLANES, "sigma": np.array([0.4, 0.7])},
        NORMAL
        + stats.norm(0, SCALE[:, None]).logpdf(PLANES).sum()
        + width(np.array([0.4, 0.7]), 0.5)
        + normals([in_plane(PLANES[0], 0.4), in_plane(PLANES[1], 0.7)]),
    ),
    "probabilistic_pca": (
        (X, None),
        {},
        {"mu": MU[0], "W": PLANE, "sigma": 0.4},
        stats.norm(LOC, 2 * SCALE).logpdf(MU[0]).sum()
        + stats.norm(0, SCALE[:, None]).logpdf(PLANE).sum()
        + width(np.array(0.4), 0.5)
        + stats.multivariate_normal(MU[0], in_plane(PLANE, 0.4)).logpdf(X).sum(),
    ),
    "hierarchical_naive_bayes": ((X, Y), {}, POOLED, pooled()),
    "bernoulli_naive_bayes": (
        (CELLS, Y),
        {},
        {"pi": PI, "theta": RHO},
        DIRICHLET + np.log(PI[Y]).sum() + stats.bernoulli(RHO[Y]).logpmf(CELLS).sum(),
    ),
    "poisson_naive_bayes": (
        (COUNTS, Y),
        {},
        {"pi": PI, "rate": MU},
        DIRICHLET
        + np.log(PI[Y]).sum()
        + stats.expon(scale=POISSON_LOC).logpdf(MU).sum()
        + stats.poisson(MU[Y]).logpmf(COUNTS).sum(),
    ),
    "multinomial_naive_bayes": (
        (COUNTS, Y),
        {},
        {"pi": PI, "theta": RHO},
        DIRICHLET
        + np.log(PI[Y]).sum()
        + sum(stats.multinomial(n, RHO[k]).logpmf(x) for x, n, k in zip(COUNTS, TOTAL, Y, strict=True)),
    ),
}


def test_ordinal_labels_have_the_order_of_their_categories():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 1))
    codes = np.digitize(2 * x[:, 0] + rng.logistic(size=120), [-1.0, 1.0])
    names = np.array(["poor", "good", "great"])
    y = pd.Series(pd.Categorical(names[codes], categories=names, ordered=True))
    fit = mle(models.ordinal_regression, x, y)
    assert fit.label_coordinate.tolist() == names.tolist()
    by_codes = mle(models.ordinal_regression, x, codes)
    assert fit.diagnostics["log_density"] == pytest.approx(by_codes.diagnostics["log_density"])


@pytest.mark.parametrize("case", CASES)
def test_log_joint_by_hand(case, proved):
    (x, y), keywords, params, by_hand = CASES[case]
    name = case.partition(",")[0]
    model = getattr(models, name)
    keywords = dict(keywords)
    classes = keywords.pop("classes", 2)
    numeric = y is not None and y.dtype.kind == "f"
    units = x.mean(axis=0), x.std(axis=0), y.mean() if numeric else 0.0, y.std() if numeric else 1.0
    spec = Spec(*map(jnp.asarray, units), rows=3, features=2, classes=classes)
    data = (x,) if y is None else (x, y)
    with jax.enable_x64(True):
        got, _ = log_density(partial(model, **keywords), data, {"spec": spec}, params)
    proved(name, "log joint by hand in SciPy", got, by_hand)
