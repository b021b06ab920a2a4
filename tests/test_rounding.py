"""What float64 makes of few rows in place of many: cells of very different sizes, and the check near the mode."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import DataError, laplace, map_estimate, mle
from bayeszoo.inference.arithmetic import arithmetic
from bayeszoo.inference.problem import Problem
from bayeszoo.inference.target import log_target
from bayeszoo.models import (
    bernoulli_naive_bayes,
    gaussian_naive_bayes,
    linear_regression,
    logistic_regression,
    multinomial_naive_bayes,
    poisson_naive_bayes,
)
from numpyro import sample

RNG = np.random.default_rng(0)
ROWS = 20_000
INCOME = RNG.uniform(1e4, 1e5, ROWS)  # raw dollars
RATE = 0.2 + 5e-6 * INCOME + 0.1 * (INCOME > 5e4) + 0.1 * RNG.normal(size=ROWS)


@pytest.mark.parametrize("wide", [1.0, 10.0, 1000.0])
def test_what_a_large_cell_hides_is_kept(wide):
    """A rate with an error of 0.1 by raw dollars: y^2 is a 1e-12th of (y - w x)^2 where w is about 1.

    All parameters are in one site, so that no look along a site tells log sigma from the weights.
    """

    def model(x, y=None):
        t = sample("t", dist.Normal(jnp.zeros(4), jnp.array([wide, wide, wide, 3.0])).to_event(1))
        sample("y", dist.Normal(t[0] + t[1] * x[:, 0] + t[2] * (x[:, 0] > 5e4), jnp.exp(t[3])), obs=y)

    places = np.array([[0.2, 5e-6, 0.1, np.log(0.1) + step] for step in (-0.2, -0.05, 0.0, 0.05, 0.2)])
    with arithmetic():
        problems = [Problem(model, INCOME[:, None], RATE, compression=compress) for compress in (True, False)]
        few, full = (
            np.array([log_target(v, p.spec, p.rows, prior=False, jacobian=False, **p.keywords) for v in places])
            for p in problems
        )
    assert problems[0].rows.x.shape[0] < 100
    # A sum of 20,000 squares of residuals of 1e-17 of what they are made of, times 1 / 0.1^2, is off by 1e-9 nats.
    np.testing.assert_allclose(few - few[2], full - full[2], atol=1e-6)


def raw_polynomial(x, y=None, *, degree, wide):
    w = sample("w", dist.Normal(0, wide).expand([degree + 1]).to_event(1))
    s = sample("s", dist.HalfNormal(1.0))
    sample("y", dist.Normal(sum(w[i] * x[:, 0] ** i for i in range(degree + 1)), s), obs=y)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [1e2, 1e6, 1e12])
def test_a_parabola_of_raw_years(wide):
    """Its weights differ by eight orders; a prior of any width leads to the sigma of least squares on centred years."""
    year = 2000 + 20 * RNG.normal(size=ROWS)
    y = 1 + 2 * (year - 2000) + RNG.normal(size=ROWS)
    design = np.vander((year - 2000) / 20, 3)
    best = y - design @ np.linalg.lstsq(design, y)[0]
    for compress in (True, False):
        fit = mle(partial(raw_polynomial, degree=2, wide=wide), year[:, None], y, compress=compress)
        np.testing.assert_allclose(fit.params["s"].item(), best.std(), rtol=1e-5)


@pytest.mark.slow
def test_what_few_rows_miss_near_the_mode_brings_all_back():
    """Of columns that are copies but for 1e-5, and a wave that is told by these alone, few rows are nats off there."""
    x = RNG.normal(size=ROWS)
    y = 1 + x + np.sin(20 * x) + RNG.normal(size=ROWS)

    def model(x, y=None):
        w = sample("w", dist.Normal(0, 1e6).expand([3]).to_event(1))
        f = w[0] + w[1] * x[:, 0] + w[2] * (x[:, 0] + 1e-5 * jnp.sin(20 * x[:, 0]))
        sample("y", dist.Normal(f, sample("s", dist.HalfNormal(1.0))), obs=y)

    fits = [laplace(model, x[:, None], y, compress=compress, draws=10) for compress in (True, False)]
    assert "near the mode, fewer are" in fits[0].compression
    np.testing.assert_array_equal(fits[0].params["w"], fits[1].params["w"])


@pytest.mark.slow
def test_few_rows_without_a_mode_bring_all_back():
    """A cubic in raw dollars: its powers are alike to float64, and few rows have a density of 1e14 nats."""
    rng = np.random.default_rng(2)
    x = 1e5 * rng.lognormal(0, 0.7, size=(ROWS, 1))
    y = 0.5 * (x[:, 0] / 1e5) ** 2 + rng.normal(size=ROWS)
    fits = [laplace(partial(raw_polynomial, degree=3, wide=10.0), x, y, compress=some, draws=10) for some in (1, 0)]
    assert "fewer have no mode in float64" in fits[0].compression
    np.testing.assert_array_equal(fits[0].params["w"], fits[1].params["w"])


@pytest.mark.slow
def test_directions_that_are_flat_are_no_reason_for_all_rows():
    """Columns of which one is the sum of two others, without a prior; and new rows, when the old ones are gone."""
    x = RNG.normal(size=(ROWS, 4))
    x[:, 3] = x[:, 0] + x[:, 1]
    y = x[:, 0] + RNG.normal(size=ROWS)

    def model(x, y=None):
        w = sample("w", dist.Normal(0.0, 1.0).expand([4]).to_event(1))
        sample("y", dist.Normal(x @ w, sample("s", dist.HalfNormal(2.0))), obs=y)

    fit = mle(model, x[:300], y[:300]).update(x[300:], y[300:])
    assert "20000 rows as 10" in fit.compression
    off = y - x[:, :3] @ np.linalg.lstsq(x[:, :3], y)[0]
    np.testing.assert_allclose(fit.params["s"].item(), np.sqrt((off**2).mean()), rtol=1e-6)


@pytest.mark.slow
def test_widths_of_many_parameters_are_no_matrix():
    """A naive Bayes of 1,220 parameters, more than those of which a whole Hessian is made."""
    label = RNG.integers(20, size=4_000)
    x = RNG.normal(size=(4_000, 30)) + RNG.normal(size=(20, 30))[label]
    fit = map_estimate(gaussian_naive_bayes, x, label)
    assert "4000 rows as 40, mean and spread" in fit.compression
    whole = map_estimate(gaussian_naive_bayes, x, label, compress=False)
    np.testing.assert_allclose(fit.params["mu"], whole.params["mu"], rtol=1e-5, atol=1e-7)


def test_many_rows_that_are_alike_are_counted():
    """200,000 rows of some 3,000 places and two labels: in a sample of 5,000, most differ from one another."""
    places = RNG.normal(size=(3_000, 2)).round(3)
    x, y = places[RNG.integers(3_000, size=200_000)], RNG.integers(2, size=200_000)
    with arithmetic():
        problem = Problem(logistic_regression, x, y)
    different = len(np.unique(np.column_stack([x, y]), axis=0))  # two places may be one when they are rounded
    assert 5_900 < different <= 6_000
    assert f"as {different}, equal rows counted" in problem.compression
    with arithmetic():
        problem = Problem(logistic_regression, RNG.normal(size=(ROWS, 2)), y[:ROWS])
    assert "few rows are alike" in problem.compression


LABEL = RNG.integers(2, size=ROWS)
COUNTS = RNG.poisson(1 + 3 * LABEL[:, None], size=(ROWS, 6)).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "x"),
    [
        (poisson_naive_bayes, COUNTS),
        (multinomial_naive_bayes, COUNTS),
        (bernoulli_naive_bayes, np.minimum(COUNTS, 1)),
        (poisson_naive_bayes, np.where(COUNTS[:, :1] == 2, np.nan, COUNTS)),
    ],
    ids=["counts", "words", "bits", "missing counts"],
)
def test_counts_and_bits_are_known_by_their_means(model, x):
    """Whole numbers stand for means, which no row has; so that new rows need no old ones."""
    old, new = x[: ROWS // 2], x[ROWS // 2 :]
    fit = map_estimate(model, old, LABEL[: ROWS // 2]).update(new, LABEL[ROWS // 2 :])
    assert "the mean of each group in whole numbers" in fit.compression
    assert len(fit.x) == 0
    whole = map_estimate(model, x, LABEL, compress=False)
    for name, value in whole.params.items():
        np.testing.assert_allclose(fit.params[name], value, rtol=1e-6, err_msg=name)


@pytest.mark.slow
def test_labels_that_are_hidden_beside_stand_ins_of_negative_weight():
    """2,000 rows of bits, of which a quarter of the labels are hidden."""
    bits = (RNG.random((2_000, 12)) < np.where(LABEL[:2_000, None], 0.6, 0.3)).astype(float)
    label = pd.Series(LABEL[:2_000], dtype="Int64")
    label[::4] = pd.NA
    fits = [map_estimate(bernoulli_naive_bayes, bits, label, compress=compress) for compress in (True, False)]
    assert "in whole numbers" in fits[0].compression
    np.testing.assert_allclose(fits[0].params["theta"], fits[1].params["theta"], rtol=1e-5)


def test_a_response_out_of_all_range_is_refused():
    y = RATE.copy()
    y[5] = 1e200
    with pytest.raises(DataError, match=r"the response 'y' spans .* to 1e\+200; give it in another unit"):
        map_estimate(linear_regression, INCOME[:, None], y)
