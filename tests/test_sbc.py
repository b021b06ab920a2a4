"""Simulation-based calibration: right fitters pass, copies of a model that are wrong are found out.

400 seeds aside, each verdict here calls a right fitter wrong with probability 0.01; seeds are fixed.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import ModelError, calibrate
from bayeszoo.models import (
    categorical_naive_bayes,
    fixed_variance_mixture,
    gaussian_naive_bayes,
    latent_class,
    linear,
    linear_regression,
    poisson_regression,
    softmax_regression,
)
from bayeszoo.workflow.check import save_calibration, verdicts


def failed(ranks):
    return {(one.fitter, one.quantity) for one in verdicts(ranks) if not one.passed}


def small(x, y=None, *, sd=1.0, width=1.0):
    w = numpyro.sample("w", dist.Normal(0.0, width))
    numpyro.sample("y", dist.Normal(w * (x[:, 0] - 5.0), sd), obs=y)


@pytest.mark.long
def test_exact_posteriors_pass(tmp_path):
    """The posterior of ``small`` is normal, so that all three fitters are right."""
    ranks = calibrate(small, simulations=200, rows=5, features=1)
    assert set(ranks) == {"nuts", "laplace", "svi"}
    assert failed(ranks) == set()
    assert len(save_calibration(ranks, "small", tmp_path)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [{"sd": 1.5}, {"width": 0.5}], ids=["scale", "prior"])
def test_a_broken_copy_is_found_out(wrong):
    def broken(x, y=None):
        return small(x, y, **wrong)

    ranks = calibrate(broken, simulations=200, rows=5, features=1, prior=small)
    assert {fitter for fitter, _ in failed(ranks)} == {"nuts", "laplace", "svi"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("model", "wrong", "how"),
    [
        (gaussian_naive_bayes, {"mu": dist.Normal(5.0, 0.5)}, {}),  # a quarter of the width that tables have
        (poisson_regression, {"hypothesis": partial(linear, w=dist.Normal(0.0, 1.0))}, {}),
        (categorical_naive_bayes, {"alpha": 3.0}, {"kinds": (2, 3)}),
        (fixed_variance_mixture, {"sigma": 0.7}, {"hidden": True}),
        (latent_class, {"alpha": 3.0}, {"kinds": (2, 3, 3), "hidden": True}),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_a_broken_copy_of_a_model_of_the_zoo_is_found_out(model, wrong, how):
    ranks = calibrate(partial(model, **wrong), fitters=("nuts",), simulations=200, labels=2, prior=model, **how)
    assert failed(ranks)


@pytest.mark.long
def test_nuts_is_calibrated_and_laplace_is_not_for_a_scale():
    ranks = calibrate(linear_regression, fitters=("nuts", "laplace"), simulations=400)
    assert {quantity for fitter, quantity in failed(ranks) if fitter == "nuts"} == set()
    assert ("laplace", "sigma") in failed(ranks)


@pytest.mark.long
def test_hidden_labels_are_calibrated_in_what_their_names_do_not_change():
    ranks = calibrate(fixed_variance_mixture, fitters=("nuts",), simulations=200, hidden=True, labels=2)
    assert set(ranks["nuts"]) == {"log likelihood", "log density of the first row"}
    assert failed(ranks) == set()


@pytest.mark.long
def test_one_model_is_calibrated_with_labels_known_and_then_hidden():
    """What one program keeps must not meet the other; names are one kind of column."""
    for hidden in (False, True):
        ranks = calibrate(latent_class, fitters=("nuts", "svi"), simulations=50, kinds=(2, 3), labels=2, hidden=hidden)
        assert all(np.all((pit >= 0) & (pit <= 1)) for pit in ranks["nuts"].values())
    with pytest.raises(ModelError, match="go with a model that has an argument 'kinds'"):
        calibrate(linear_regression, kinds=(3, 0))


@pytest.mark.long
def test_probabilities_of_labels_are_calibrated():
    """Of the rows given a probability p of a label, a share p has it."""
    ranks = calibrate(gaussian_naive_bayes, fitters=("nuts",), simulations=200, labels=2)
    assert failed(ranks) == set()


@pytest.mark.slow
def test_what_cannot_be_calibrated_is_said():
    def improper(x, y=None):
        w = numpyro.sample("w", dist.ImproperUniform(dist.constraints.real, (), ()))
        numpyro.sample("y", dist.Normal(w * x[:, 0], 1.0), obs=y)

    with pytest.raises(ModelError, match="improper prior"):
        calibrate(improper)
    for model in (linear_regression, softmax_regression):
        with pytest.raises(ModelError, match="has no labels that P"):
            calibrate(model, hidden=True)
    with pytest.raises(ModelError, match="there is no fitter 'mcmc'"):
        calibrate(small, fitters=("mcmc",))

    def unbounded(x, y=None, *, spec):
        """A label of one row has no least width."""
        pi = numpyro.sample("pi", dist.Dirichlet(jnp.ones(2)))
        with numpyro.plate("label", 2, dim=-2), numpyro.plate("feature", 2, dim=-1):
            m = numpyro.sample("m", dist.Normal(0.0, 1.0))
            s = numpyro.sample("s", dist.HalfNormal(0.5))
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        numpyro.sample("x", dist.Normal(m[y], s[y]).to_event(1), obs=x)

    with pytest.raises(ModelError, match="of 50 simulations, nuts ended where a density of unbounded is no number"):
        calibrate(unbounded, fitters=("nuts",), simulations=50, rows=10, labels=2)


def test_ranks_are_the_same_for_the_same_seed():
    one, two = (calibrate(small, fitters=("laplace",), simulations=50, rows=5, features=1, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one["laplace"]["w"], two["laplace"]["w"])
