"""Log joints of the models of names against ones written by hand in SciPy, which do not call the model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bayeszoo import models
from bayeszoo.models import Spec
from numpyro.infer.util import log_density
from scipy import special, stats

NUMBER, COUNT = 0, -1
Y = np.array([0, 1, 1])
PI = np.array([0.3, 0.7])
NAMES = np.array([[0.0, 2.0], [1.0, 0.0], [0.0, 1.0]])  # codes of two columns, of 2 and 3 names
FIRST = np.array([[0.4, 0.6], [0.9, 0.1]])
SECOND = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
MIXED = np.array([[1.5, 4.0, 1.0], [2.5, 0.0, 0.0], [3.0, 7.0, 1.0]])  # a number, a count, a code of 2 names
VOTES = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
RATERS = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.4, 0.6]]])  # (rater, label, said)
GROUPS = np.array([[0.0, 1.0], [1.0, 4.0], [1.0, 2.5]])  # a group's code, a number
RESPONSE = np.array([1.0, 5.0, 2.0])


def dirichlet(shares, alpha=1.0):
    shares = np.atleast_2d(shares)
    return sum(stats.dirichlet(np.broadcast_to(alpha, one.shape)).logpdf(one) for one in shares)


def named(labels):
    """log P(x | y, theta) of each row under each label in turn."""
    codes = NAMES.astype(int)
    return np.log(FIRST[labels, codes[:, 0]]) + np.log(SECOND[labels, codes[:, 1]])


def mixed():
    loc, scale = MIXED[:, 0].mean(), MIXED[:, 0].std()
    mu, sigma, rate = np.array([1.2, 2.9]), np.array([0.5, 0.8]), np.array([3.0, 4.5])
    params = {"mu": mu[:, None], "sigma": sigma[:, None], "rate": rate[:, None], "theta_2": FIRST}
    density = (
        stats.norm(loc, 2 * scale).logpdf(mu).sum()
        + (stats.invgamma(2, scale=(scale / 2) ** 2).logpdf(sigma**2) + np.log(2 * sigma)).sum()
        + stats.expon(scale=MIXED[:, 1].mean()).logpdf(rate).sum()
        + dirichlet(FIRST)
        + stats.norm(mu[Y], sigma[Y]).logpdf(MIXED[:, 0]).sum()
        + stats.poisson(rate[Y]).logpmf(MIXED[:, 1]).sum()
        + np.log(FIRST[Y, MIXED[:, 2].astype(int)]).sum()
    )
    return params, density


def grouped():
    a, tau_a, z, w, tau, v, sigma = 2.0, 0.7, np.array([0.3, -1.0]), 0.4, 0.6, np.array([-0.5, 0.2]), 1.1
    s, m, unit = RESPONSE.std(), RESPONSE.mean(), RESPONSE.std() / GROUPS[:, 1].std()
    g = GROUPS[:, 0].astype(int)
    f = a + tau_a * z[g] + (w + tau * v[g]) * (GROUPS[:, 1] - GROUPS[:, 1].mean())
    params = {
        "a": a,
        "tau_a": tau_a,
        "z": z,
        "w": np.array([w]),
        "tau": np.array([tau]),
        "v": v[:, None],
        "sigma": sigma,
    }
    density = (
        stats.norm(m, 2.5 * s).logpdf(a)
        + stats.halfnorm(scale=s).logpdf([tau_a, sigma]).sum()
        + stats.norm.logpdf(z).sum()
        + stats.norm(0, 2.5 * unit).logpdf(w)
        + stats.halfnorm(scale=unit).logpdf(tau)
        + stats.norm.logpdf(v).sum()
        + stats.norm(f, sigma).logpdf(RESPONSE).sum()
    )
    return params, density


LABELS = dirichlet(PI) + np.log(PI[Y]).sum()
THETA = {"pi": PI, "theta_0": FIRST, "theta_1": SECOND}
SKILL = np.array([[3.0, 1.0], [1.0, 3.0]])
CASES = {
    "categorical_naive_bayes": (
        NAMES,
        Y,
        (2, 3),
        THETA,
        LABELS + dirichlet(FIRST) + dirichlet(SECOND) + named(Y).sum(),
    ),
    "latent_class": (NAMES, Y, (2, 3), THETA, LABELS + dirichlet(FIRST) + dirichlet(SECOND) + named(Y).sum()),
    "mixed_naive_bayes": (MIXED, Y, (NUMBER, COUNT, 2), {"pi": PI, **mixed()[0]}, LABELS + mixed()[1]),
    "dawid_skene": (
        VOTES,
        Y,
        (2, 2),
        {"pi": PI, "theta": RATERS},
        LABELS
        + sum(dirichlet(RATERS[j, k], SKILL[k]) for j in range(2) for k in range(2))
        + sum(np.log(RATERS[j, Y, VOTES[:, j].astype(int)]).sum() for j in range(2)),
    ),
    "hierarchical_regression": (GROUPS, RESPONSE, (2, NUMBER), *grouped()),
}


@pytest.mark.parametrize("name", CASES)
def test_log_joint_by_hand(name, proved):
    x, y, kinds, params, by_hand = CASES[name]
    numeric = y.dtype.kind == "f"
    units = x.mean(axis=0), x.std(axis=0), y.mean() if numeric else 0.0, y.std() if numeric else 1.0
    spec = Spec(*map(jnp.asarray, units), rows=3, features=x.shape[1], classes=2, kinds=kinds)
    with jax.enable_x64(True):
        got, _ = log_density(getattr(models, name), (x, y), {"spec": spec, "kinds": kinds}, params)
    proved(name, "log joint by hand in SciPy", got, by_hand)


@pytest.mark.slow
def test_a_hidden_class_is_summed_out(proved):
    """latent_class: log P(x) = log sum_k pi_k P(x | k), by hand at the fitted parameters."""
    import pandas as pd
    from bayeszoo.inference import map_estimate

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 120)
    x = pd.DataFrame(
        np.where(rng.random((120, 4)) < np.where(truth, 0.8, 0.3)[:, None], "yes", "no"), columns=list("abcd")
    )
    fit = map_estimate(models.latent_class, x)
    values = {name: value[0, 0] for name, value in fit.params.items()}
    codes = (x == "yes").to_numpy(int)
    each = np.log(values["pi"]) + sum(np.log(values[f"theta_{j}"][:, codes[:, j]]).T for j in range(4))
    proved("latent_class", "hidden classes summed out by hand", fit.log_marginal(x), special.logsumexp(each, axis=1))
