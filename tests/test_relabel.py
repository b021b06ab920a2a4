"""Draws whose labels were swapped on purpose come back in one order."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from bayeszoo.inference import nuts
from bayeszoo.inference.relabel import relabel
from bayeszoo.models import fixed_variance_mixture
from numpyro.diagnostics import split_gelman_rubin
from sklearn.datasets import load_iris

X = load_iris(as_frame=True).data


@pytest.fixture(scope="module")
def fit():
    return nuts(partial(fixed_variance_mixture, k=3, sigma=0.4), X)


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
    assert relabel(fit) is fit
