"""SVI on batches: what batches are, and the posterior that they lead to."""

import warnings
from functools import partial
from itertools import islice

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import DataError, FitWarning, ModelError, svi, variational
from bayeszoo.inference.joint import Rows
from bayeszoo.inference.minibatch import batches, blocks, corrected, stacked, tangent
from bayeszoo.inference.problem import Problem
from bayeszoo.inference.target import log_target
from bayeszoo.inference.variational import elbo_verdict
from bayeszoo.models import gaussian_naive_bayes, linear_regression
from sklearn.datasets import load_iris

IRIS = load_iris(as_frame=True)
HALF_HIDDEN = Rows(np.arange(120.0).reshape(60, 2), None, np.arange(20))


def test_batches_show_each_row_as_often_and_stand_for_all():
    """15 rows a batch of 20 whose label is known and 40 whose is not: 5 and 10, so each row once in 4 batches."""
    epoch = list(islice(batches(HALF_HIDDEN, 15, seed=0), 4))
    assert {(len(part.x), len(part.y)) for part in epoch} == {(15, 5)}
    np.testing.assert_array_equal(np.sort(np.concatenate([part.x[:, 0] for part in epoch])), HALF_HIDDEN.x[:, 0])
    np.testing.assert_array_equal(np.sort(np.concatenate([part.y for part in epoch])), HALF_HIDDEN.y)
    for part in epoch:
        np.testing.assert_array_equal(part.x[:5, 0], 2.0 * part.y)
        assert part.weights[:5].sum() == pytest.approx(20)
        assert part.weights[5:].sum() == pytest.approx(40)
    assert stacked(batches(HALF_HIDDEN, 15, seed=0), 3).x.shape == (3, 15, 2)


def test_blocks_are_all_rows_once(monkeypatch):
    monkeypatch.setattr("bayeszoo.inference.minibatch.BLOCK", 9)
    parts = list(blocks(HALF_HIDDEN))
    assert {(len(part.x), len(part.y)) for part in parts} == {(9, 3)}
    weights, x = (np.concatenate([getattr(part, name) for part in parts]) for name in ("weights", "x"))
    np.testing.assert_array_equal(np.sort(x[weights == 1][:, 0]), HALF_HIDDEN.x[:, 0])
    assert np.all(weights[weights != 1] == 0)


def regression(rows: int):
    """A table, a model with a conjugate posterior, and the mean and sd of its intercept b and weights w."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows, 3)) * [1.0, 10.0, 0.1]
    y = 2 + x @ [1.0, 0.2, -3.0] + rng.normal(size=rows)
    design = np.column_stack([np.ones(rows), x - x.mean(axis=0)])
    prior_sd = 2.5 * y.std() / np.concatenate([[1.0], x.std(axis=0)])
    prior_mean = np.array([y.mean(), 0, 0, 0])
    covariance = np.linalg.inv(design.T @ design + np.diag(prior_sd**-2))
    mean = covariance @ (design.T @ y + prior_mean / prior_sd**2)
    return x, y, partial(linear_regression, sigma=1.0), mean, np.sqrt(np.diag(covariance))


def stacked_draws(fit):
    posterior = fit.posterior()
    return np.concatenate([posterior["b"].values[..., None], posterior["w"].values], axis=-1).reshape(-1, 4)


@pytest.mark.slow
def test_batches_lead_to_the_posterior_of_all_rows():
    """256 of 20,000 rows a step; the mode of the sample of 5,000 is about sqrt(3) posterior sds off.

    200 steps move by less than 1 of these, so the centre must have been the mode of all rows.

    In posterior sds, the ELBO's gradient has sd s = sqrt(1/8) with 8 particles. Adam moves by 0.01 g / s, a walk whose
    stationary variance is 0.01 s / 2 = 0.0018, less as the rate falls; the mean of 4,000 draws adds 1/4000. Five
    standard errors of that: a false-alarm rate under 4 x 6e-7. Without control variates s would be sqrt(20000 / 256).
    """
    x, y, model, mean, sd = regression(20_000)
    fit = svi(model, x, y, batch=256, steps=200, compress=False)
    draws = stacked_draws(fit)
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 5 * sd * np.sqrt(0.0018 + 1 / 4000))
    np.testing.assert_allclose(draws.std(axis=0), sd, rtol=0.1)
    assert not fit.warnings


@pytest.mark.slow
def test_the_corrected_estimates_of_an_epoch_have_the_log_density_as_their_mean():
    """Some labels hidden, some features missing: 5 batches of 20 of the 100 known rows and 10 of the 50 others.

    Close to the centre one batch's estimate is off by a twentieth of what it is off by without the correction.
    """
    x = IRIS.data.mask(np.random.default_rng(0).random(IRIS.data.shape) < 0.1)
    y = IRIS.target.astype(object).where(np.arange(150) % 3 > 0, None)
    with jax.enable_x64(True):
        problem = Problem(gaussian_naive_bayes, x, y, compression=False, sampled=True)
        every = problem.everything()
        draws = problem.prior_draws(0)
        centre, place = draws[0], draws[0] + 0.01 * (draws[1] - draws[0])
        of_all = tangent(centre, problem.spec, every, **problem.keywords)
        likelihood = {"prior": False, "jacobian": False, **problem.keywords}
        value = log_target(place, problem.spec, every, **likelihood)
        plain, better = [], []
        for part in islice(batches(every, 30, seed=0), 5):
            plain.append(log_target(place, problem.spec, part, **likelihood))
            better.append(corrected(plain[-1], place, centre, of_all, problem.spec, part, **problem.keywords))
    assert np.mean(plain) == pytest.approx(float(value), rel=1e-12)
    assert np.mean(better) == pytest.approx(float(value), rel=1e-12)
    assert np.std(better) < np.std(plain) / 20


def location(x, y=None):
    a = numpyro.sample("a", dist.Normal(0, 10))
    s = numpyro.sample("s", dist.HalfNormal(10))
    numpyro.sample("y", dist.StudentT(4.0, a + 0.0 * x[:, 0], s), obs=y)


def small(seed: int):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(12, 1)), rng.standard_t(4, size=12)


@pytest.mark.slow
def test_one_program_serves_all_tables_of_a_shape():
    fits = []
    for seed in (0, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            fits.append(svi(location, *small(seed), steps=50, batch=4, seed=seed))
        _, advance = variational._svi_programs(fits[-1].model, fits[-1].shape, 50)
        assert advance._cache_size() == 1
    assert variational._svi_programs.cache_info().hits > 0


def test_an_elbo_that_still_rises_is_told_from_one_that_scatters():
    """400 steps a fifth, with a scatter of 3 nats as of small batches: 5 standard errors are 1.1 nats."""
    noise = 3 * np.random.default_rng(0).normal(size=2000)
    flat, said = elbo_verdict(100 + noise)
    assert said == []
    assert abs(flat["elbo_gain"]) < 1.1
    rising, said = elbo_verdict(100 + noise - 0.01 * np.arange(2000))
    assert rising["elbo_gain"] == pytest.approx(4, abs=1.1)
    assert "still rose by" in said[0]


def test_batches_that_cannot_be_are_refused():
    def looks_at_the_table(x, y=None):
        a = numpyro.sample("a", dist.Normal(x.mean(), 1.0))
        numpyro.sample("y", dist.StudentT(4.0, a + 0.0 * x[:, 0], 1.0), obs=y)

    for batch, words in ((0, "at least 1, got 0"), (13, "the table has 12 rows"), (2.0, "got 2.0")):
        with pytest.raises(DataError, match=words):
            svi(location, *small(0), batch=batch)
    with pytest.raises(ModelError, match="each batch sees a part"):
        svi(looks_at_the_table, *small(0), batch=4)
    with pytest.raises(DataError, match="some labels are hidden"):
        next(batches(HALF_HIDDEN, 1, seed=0))
