"""Draws whose labels were swapped on purpose come back in one order."""

from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import laplace, nuts
from bayeszoo.inference.relabel import relabel
from bayeszoo.models import fixed_variance_mixture, latent_class
from numpyro import plate, sample
from numpyro.diagnostics import split_gelman_rubin
from sklearn.datasets import load_iris

X = load_iris(as_frame=True).data


@pytest.fixture(scope="module")
def fit():
    return nuts(partial(fixed_variance_mixture, k=3, sigma=0.4), X)


@pytest.mark.slow
def test_swapped_chains_are_put_back(fit):
    swapped = {name: value.copy() for name, value in fit.params.items()}
    for chain, order in enumerate(([0, 1, 2], [2, 0, 1], [1, 0, 2], [2, 1, 0])):
        for name in swapped:
            swapped[name][chain] = fit.params[name][chain][:, order]
    mixed = replace(fit, params=swapped)
    assert split_gelman_rubin(mixed.params["mu"]).max() > 2
    back = relabel(mixed)
    assert back.diagnostics["renamed_draws"] >= 2000
    assert split_gelman_rubin(back.params["mu"]).max() < 1.05
    np.testing.assert_allclose(back.log_marginal(X), fit.log_marginal(X), atol=1e-8)


def test_labels_that_did_not_switch_are_left_alone(fit):
    assert relabel(fit).params is fit.params
    assert fit.diagnostics["max_rhat_raw"] == fit.diagnostics["max_rhat"]  # both are told, equal or not


RNG = np.random.default_rng(1)
OVERLAP = np.concatenate([RNG.normal(0, 1, 140), RNG.normal(2.2, 1, 60)])[::8, None]


def two_normals(x, y=None, *, weights=None, sds=(1.0, 1.0), name="component"):
    if weights is None:
        weights = sample("pi", dist.Dirichlet(jnp.ones(2)))
    with plate(name, 2):
        mu = sample("mu", dist.Normal(0, 5))
    with plate("row", x.shape[0]):
        y = sample("y", dist.Categorical(jnp.asarray(weights)), obs=y)
        sample("x", dist.Normal(mu[y][:, None], jnp.asarray(sds)[y][:, None]).to_event(1), obs=x)


def swap_half(fit):
    """The fit with labels renamed in every second draw."""
    params = {k: v.copy() for k, v in fit.params.items()}
    for value in params.values():
        value[:, ::2] = value[:, ::2, ::-1]  # labels are the first axis
    return replace(fit, params=params)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["label", "component"])
def test_axes_of_labels_are_found_whatever_their_name(name):
    """Weights and means are renamed together, or the likelihood of every draw would change."""
    fit = laplace(partial(two_normals, name=name), OVERLAP, draws=100, chains=2)
    mixed = swap_half(fit)
    back = relabel(mixed)
    assert back.diagnostics["renamed_draws"] > 0
    per_row = fit.log_marginal(OVERLAP, draws=True)
    np.testing.assert_allclose(back.log_marginal(OVERLAP, draws=True), per_row, rtol=1e-10)
    assert back.params["mu"].std((0, 1)).max() < 0.7 * mixed.params["mu"].std((0, 1)).max()


@pytest.mark.parametrize("told_apart", [{"weights": (0.45, 0.55)}, {"sds": (0.9, 1.2)}], ids=["weights", "widths"])
def test_labels_that_the_likelihood_tells_apart_are_left_alone(told_apart):
    fit = swap_half(laplace(partial(two_normals, **told_apart), OVERLAP, draws=100, chains=2))
    assert relabel(fit) is fit


@pytest.mark.slow
def test_as_many_sites_as_a_questionnaire_has_questions_are_renamed_together():
    rng = np.random.default_rng(0)
    kind = np.arange(200) % 2
    answers = pd.DataFrame(np.where(rng.random((200, 9)) < 0.2 + 0.6 * kind[:, None], "yes", "no"))
    fit = laplace(latent_class, answers.rename(columns="q{}".format), draws=100, chains=2)
    mixed = swap_half(fit)
    back = relabel(mixed)
    assert back.diagnostics["renamed_draws"] == 100
    for name, value in fit.params.items():
        np.testing.assert_allclose(np.sort(back.params[name], axis=2), np.sort(value, axis=2))
        if name != "pi":  # whose two shares are nearly alike
            assert back.params[name].std((0, 1)).max() < 0.5 * mixed.params[name].std((0, 1)).max()


@pytest.mark.slow
def test_labels_that_a_row_shows_keep_their_names():
    z = np.arange(150) % 3
    x = np.array([[0, 0], [3, 0], [0, 3]])[z] + np.random.default_rng(0).normal(size=(150, 2)) / 2
    y = ["a" if k == 0 and i < 30 else None for i, k in enumerate(z)]
    mixture = partial(fixed_variance_mixture, k=3, sigma=0.5)
    fit = laplace(mixture, x, y, labels=["a", "b", "c"], draws=100, chains=2)
    params = {k: v.copy() for k, v in fit.params.items()}
    for value in params.values():
        value[1] = value[1][:, [0, 2, 1]]
    back = relabel(replace(fit, params=params))
    assert back.diagnostics["renamed_draws"] == 100
    assert back.params["mu"].std((0, 1)).max() < 0.2 < replace(fit, params=params).params["mu"].std((0, 1)).max()
    np.testing.assert_allclose(back.params["mu"][:, :, 0].mean((0, 1)), [0, 0], atol=0.5)
