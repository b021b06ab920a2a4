"""Closed forms, peers and conjugate answers. Data are the tables that scikit-learn ships."""

import warnings
from functools import partial

import numpy as np
import numpyro
import pandas as pd
import pytest
from bayeszoo.inference import (
    DataError,
    FitWarning,
    ModelError,
    NoMaximumError,
    laplace,
    map_estimate,
    mle,
    nuts,
    svi,
    with_sites,
)
from bayeszoo.models import (
    fixed_variance_mixture,
    gaussian_naive_bayes,
    hierarchical_regression,
    linear_regression,
    softmax_regression,
)
from bayeszoo.workflow import datasets
from numpyro import distributions as dist
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression

IRIS = load_iris(as_frame=True)
SPECIES = pd.Series(IRIS.target_names[IRIS.target], name="species")


def test_mle_of_naive_bayes_is_frequencies_means_and_variances():
    got = mle(gaussian_naive_bayes, IRIS.data, SPECIES).posterior().isel(chain=0, draw=0)
    by_class = IRIS.data.groupby(SPECIES.values)
    np.testing.assert_allclose(got["pi"], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(got["mu"], by_class.mean(), rtol=1e-6)
    np.testing.assert_allclose(got["sigma"] ** 2, by_class.var(ddof=0), rtol=1e-6)


def test_mle_of_linear_regression_is_least_squares():
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    got = mle(linear_regression, x, y).posterior().isel(chain=0, draw=0)
    design = np.column_stack([np.ones(len(x)), x - x.mean()])
    w, rss, *_ = np.linalg.lstsq(design, y, rcond=None)
    np.testing.assert_allclose(got["w"], w[1:], rtol=1e-6)
    np.testing.assert_allclose(got["sigma"] ** 2, rss.item() / len(y), rtol=1e-6)


def test_mle_of_softmax_reaches_scikit_learn():
    keep = (SPECIES != "setosa").values
    x, y = IRIS.data[keep], SPECIES[keep]
    peer = LogisticRegression(C=np.inf, max_iter=10_000, tol=1e-10).fit(x, y)
    peer_value = np.log(peer.predict_proba(x)[np.arange(len(y)), np.searchsorted(peer.classes_, y)]).sum()
    assert mle(softmax_regression, x, y).diagnostics["log_density"] >= peer_value - 1e-6


@pytest.mark.parametrize("y", [SPECIES, SPECIES == "setosa"], ids=["one class of three apart", "two classes apart"])
def test_separable_labels_have_no_maximum(y):
    with pytest.raises(NoMaximumError, match="use map_estimate"):
        mle(softmax_regression, IRIS.data, y)
    assert np.isfinite(map_estimate(softmax_regression, IRIS.data, y).diagnostics["log_density"])


@pytest.mark.slow
def test_a_label_that_one_column_gives_away_has_no_maximum_with_many_parameters():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1500, 140))
    x[:, 0] = rng.random(1500) < 0.1
    y = np.argmax(x[:, 1:4] + rng.gumbel(size=(1500, 3)), axis=1)
    y[x[:, 0] == 1] = 2
    with pytest.raises(NoMaximumError, match="keeps rising"):
        mle(softmax_regression, x, y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "k", "sigma"),
    [
        ("penguins", 3, 300.0),
        ("iris", 3, 0.5),
        ("wine", 3, 100.0),
        ("breast_cancer", 2, 300.0),
        pytest.param("digits", 10, 10.0, marks=pytest.mark.long),
        ("diabetes", 4, 0.03),
    ],
)
def test_mle_of_mixture_is_at_least_k_means(name, k, sigma):
    x = datasets.load(name).drop(columns="target", errors="ignore").select_dtypes("number").dropna().to_numpy()
    x = x[:, x.std(axis=0) > 0]
    centres = KMeans(k, n_init=10, random_state=0).fit(x).cluster_centers_
    at_centres = logsumexp(norm(centres[:, None], sigma).logpdf(x).sum(-1) - np.log(k), axis=0).sum()
    mixture = partial(fixed_variance_mixture, k=k, sigma=sigma, equal_weights=True)
    assert mle(mixture, x).diagnostics["log_density"] >= at_centres


def test_mixture_is_k_means_as_sigma_goes_to_zero():
    peer = KMeans(3, n_init=10, random_state=0).fit(IRIS.data.values)
    fit = mle(partial(fixed_variance_mixture, k=3, sigma=0.02, equal_weights=True), IRIS.data)
    mu = fit.posterior()["mu"].values[0, 0]
    pairs = np.linalg.norm(peer.cluster_centers_[:, None] - mu, axis=-1).argmin(1)
    np.testing.assert_allclose(mu[pairs], peer.cluster_centers_, atol=1e-3)
    np.testing.assert_array_equal(fit.assign(IRIS.data).values, pairs[peer.labels_])


@pytest.mark.slow
def test_linear_regression_with_fixed_sigma_is_conjugate():
    """Means within 5 and sds within 5 Monte Carlo errors of each of 5 parameters.

    The false-alarm rate is under 10 parameters x 6e-7 = 6e-6 a fitter; seeds are fixed.
    """
    x, y, sigma = IRIS.data.values[:, :4], IRIS.target.values.astype(float) + 0.1 * IRIS.data.values[:, 0], 0.3
    fit_model = partial(linear_regression, sigma=sigma)
    design = np.column_stack([np.ones(len(x)), x - x.mean(0)])
    prior_sd = 2.5 * y.std() / np.concatenate([[1.0], x.std(0)])
    prior_mean = np.array([y.mean(), 0, 0, 0, 0])
    covariance = np.linalg.inv(design.T @ design / sigma**2 + np.diag(prior_sd**-2))
    mean = covariance @ (design.T @ y / sigma**2 + prior_mean / prior_sd**2)
    sd = np.sqrt(np.diag(covariance))

    def stacked(fit):
        p = fit.posterior()
        return np.concatenate([p["b"].values[..., None], p["w"].values], axis=-1).reshape(-1, 5)

    np.testing.assert_allclose(stacked(map_estimate(fit_model, x, y))[0], mean, rtol=1e-6)
    for fit, ess in ((laplace(fit_model, x, y), 4000), (nuts(fit_model, x, y), 1000)):
        draws = stacked(fit)
        assert np.all(np.abs(draws.mean(0) - mean) < 5 * sd / np.sqrt(ess))
        assert np.all(np.abs(draws.std(0) - sd) < 5 * sd / np.sqrt(2 * ess))


@pytest.mark.slow
def test_a_bad_posterior_warns_with_the_result():
    """A funnel (Neal 2003): the mode is no guide to it."""

    def funnel(x, y=None):
        scale = numpyro.sample("log_scale", dist.Normal(0, 3))
        with numpyro.plate("dim", 9):
            w = numpyro.sample("w", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(0.0 * x[:, 0] + w.sum() * np.e**scale, 1e3), obs=y)

    with pytest.warns(FitWarning, match="of 4000 draws diverged"):
        fit = nuts(funnel, IRIS.data, IRIS.target.astype(float))
    diverged = fit.diagnostics["divergences"]
    assert diverged == fit.sample_stats["diverging"].sum() > 0
    assert f"{diverged:.0f} of 4000 draws diverged: reparametrise the model" in fit.warnings[-1]


@pytest.mark.slow
def test_a_higher_rate_of_acceptance_takes_shorter_steps():
    usual, careful = (nuts(gaussian_naive_bayes, IRIS.data, SPECIES, target_accept=rate) for rate in (0.8, 0.95))
    rates = [float(fit.sample_stats["acceptance_rate"].mean()) for fit in (usual, careful)]
    assert 0.75 < rates[0] < 0.92 < rates[1]  # by dual averaging, a little above its target
    assert careful.sample_stats["step_size"].max() < usual.sample_stats["step_size"].min()
    assert careful.refit.keywords["target_accept"] == 0.95
    for rate in (1, 1.5, "0.9"):
        with pytest.raises(DataError, match="target_accept is an acceptance rate between 0 and 1"):
            nuts(gaussian_naive_bayes, IRIS.data, SPECIES, target_accept=rate)


@pytest.mark.slow
def test_nuts_without_a_usable_mode_says_so():
    """A centred hierarchy: its density has no maximum, since it grows without bound as the scale goes to 0."""

    def hierarchy(x, y=None):
        a = numpyro.sample("a", dist.Cauchy(0, 1))
        scale = numpyro.sample("scale", dist.HalfNormal(1))
        with numpyro.plate("unit", 4):
            theta = numpyro.sample("theta", dist.Normal(a, scale))
        numpyro.sample("y", dist.Normal(0.0 * x[:, 0] + theta.sum(), 50.0), obs=y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = nuts(hierarchy, IRIS.data, IRIS.target.astype(float), draws=200, warmup=200)
    assert fit.diagnostics["preconditioned"] == 0
    assert np.isfinite(fit.posterior()["theta"].values).all()


def test_rows_that_see_each_other_are_refused():
    def centred(x, y=None):
        b = numpyro.sample("b", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(b * (x[:, 0] - x[:, 0].mean()), 1.0), obs=y)

    with pytest.raises(ModelError, match="rows of centred are not independent"):
        mle(centred, IRIS.data, IRIS.target.astype(float))


@pytest.mark.slow
def test_half_of_the_labels_do_nearly_as_well_as_all():
    """Means from half-hidden labels within 5 posterior sds of those from all labels, 12 of them (false alarms 7e-6)."""
    some = SPECIES.astype(object).copy()
    some[::2] = None
    half, whole = laplace(gaussian_naive_bayes, IRIS.data, some), laplace(gaussian_naive_bayes, IRIS.data, SPECIES)
    assert half.schema.labels == ("setosa", "versicolor", "virginica")
    gap = half.posterior()["mu"].mean(("chain", "draw")) - whole.posterior()["mu"].mean(("chain", "draw"))
    assert np.all(np.abs(gap) < 5 * half.posterior()["mu"].std(("chain", "draw")))


def test_a_model_with_other_site_names():
    def wild(features, outcome=None):
        a = numpyro.sample("a", dist.Normal(0, 10))
        b = numpyro.sample("b", dist.Normal(0, 10))
        numpyro.deterministic("line", a + b * features[:, 0])
        numpyro.deterministic("at ten", a + 10 * b)
        numpyro.sample("obs", dist.Normal(a + b * features[:, 0], 1.0), obs=outcome)

    x, y = IRIS.data.iloc[:, :1], IRIS.data.iloc[:, 2]
    fit = mle(with_sites(wild, y="obs"), x, y)
    slope, level = np.polyfit(x.values[:, 0], y, 1)
    assert fit.posterior()["b"].item() == pytest.approx(slope)
    assert fit.posterior()["at ten"].item() == pytest.approx(level + 10 * slope)
    assert "line" not in fit.posterior()
    with pytest.raises(ModelError, match="with_sites"):
        mle(wild, x, y)


def test_a_parameter_for_each_row_is_refused():
    def local(x, y=None):
        with numpyro.plate("row", len(x)):
            z = numpyro.sample("z", dist.Normal(0, 1))
            numpyro.sample("y", dist.Normal(z, 1.0), obs=y)

    with pytest.raises(ModelError, match="site 'z' of local has a value for each row"):
        mle(local, IRIS.data, IRIS.target.astype(float))


def test_the_intercept_is_that_of_the_raw_columns():
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    design = np.column_stack([np.ones(len(x)), x + 5])
    intercept = np.linalg.lstsq(design, y, rcond=None)[0][0]
    assert mle(linear_regression, x + 5, y).posterior()["intercept"].item() == pytest.approx(intercept, rel=1e-6)


@pytest.mark.parametrize("eps", [1e-5, 1e-6, 1e-8, 1e-9])
def test_mle_of_columns_that_are_nearly_copies_is_least_squares(eps):
    """Their difference carries y. The log-likelihood at the least-squares fit, -n/2 (log 2 pi s^2 + 1), is met, but for
    what rounding, 1e-16, is of the difference."""
    z = np.random.default_rng(0).normal(size=(4_000, 3))
    x, y = np.column_stack([z[:, 0], z[:, 0] + eps * z[:, 1]]), z[:, 0] + z[:, 1] + 0.1 * z[:, 2]
    u = np.column_stack([np.ones(4_000), x[:, 0], x[:, 1] - x[:, 0]])
    variance = np.linalg.lstsq(u / u.std(axis=0).clip(eps), y)[1].item() / 4_000
    fit = mle(linear_regression, x, y)
    assert fit.diagnostics["log_density"] == pytest.approx(
        -2_000 * (np.log(2 * np.pi * variance) + 1), abs=max(1e-5, 1e-12 / eps)
    )


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e5])
def test_a_column_that_is_a_copy_but_for_rounding_has_no_part_of_its_own(offset):
    """Sums that are rounded differ from the third column by 1e-16 of it, which a weight of 1e15 would fit y with."""
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = x[:, 0] + np.random.default_rng(1).normal(size=200)
    least = [np.linalg.lstsq(np.column_stack([np.ones(200), x]), y)[1].item() / 200] * 2
    x += offset
    for table in (np.column_stack([x, x[:, 0] + x[:, 1]]), np.column_stack([x, x[:, 0]])):  # at 1e5 known to 1e-11
        fits = [mle(linear_regression, table, y, compress=compress) for compress in (True, False)]
        assert [fit.posterior()["sigma"].item() ** 2 for fit in fits] == pytest.approx(least, rel=1e-5)
        assert max(np.abs(fit.params["w"]).max() for fit in fits) < 10


SPANS = [(1.7e9, 2.6e6), (1.7e15, 1e6), (1.7e18, 1e9), (1.7e18, 3.6e12)]


@pytest.mark.slow
@pytest.mark.parametrize(("offset", "span"), SPANS)
def test_mle_by_dates_in_their_own_unit_is_least_squares(offset, span):
    """Seconds and nanoseconds since 1970: of what offset and slope have alone, they have 1e-6 to 1e-20 together."""
    rng = np.random.default_rng(0)
    u = np.sort(rng.random(500))
    t, y = offset + span * u, 1 + 30 * u + rng.normal(size=500)
    label = (rng.random(500) < 1 / (1 + np.exp(3 - 6 * u))).astype(int)

    def line(x, y=None):
        a, b = numpyro.sample("a", dist.Normal(0, 100)), numpyro.sample("b", dist.Normal(0, 100))
        numpyro.sample("y", dist.Normal(a + b * x[:, 0], 1.0), obs=y)

    def logistic(x, y=None):
        a, b = numpyro.sample("a", dist.Normal(0, 100)), numpyro.sample("b", dist.Normal(0, 100))
        numpyro.sample("y", dist.Bernoulli(logits=a + b * x[:, 0]), obs=y)

    moved = (t - t.mean()) / span  # 1e-7 of the span is rounded away at the narrowest, some 0.002 nats of 677
    squares = np.linalg.lstsq(np.column_stack([np.ones(500), moved]), y)[1].item()
    fits = [mle(line, t[:, None], y, compress=compress).diagnostics["log_density"] for compress in (True, False)]
    assert fits == pytest.approx([-squares / 2 - 250 * np.log(2 * np.pi)] * 2, abs=0.01)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(moved[:, None], label)
    p = peer.predict_proba(moved[:, None])[np.arange(500), label]
    assert mle(logistic, t[:, None], label).diagnostics["log_density"] == pytest.approx(np.log(p).sum(), abs=0.01)


@pytest.mark.slow
def test_hidden_labels_far_from_the_origin():
    """The likelihood does not change when a column is moved by 1e6, but for rounding (1e-10 of a column's width)."""
    rng = np.random.default_rng(2)
    label = rng.integers(0, 3, 600)
    x = rng.normal(size=(600, 2)) + 3 * label[:, None]
    y = pd.Series(label).astype(object).where(np.arange(600) > 2, None)
    near, far = (mle(gaussian_naive_bayes, x + offset, y).diagnostics["log_density"] for offset in (0.0, 1e6))
    assert far == pytest.approx(near, abs=1e-5)


@pytest.mark.slow
def test_a_normal_that_is_far_from_the_posterior_says_so():
    """The scale of three groups has a funnel, to which Laplace's normal is no guide; a line's posterior is near one."""
    birds = datasets.load("penguins").dropna()
    near = laplace(linear_regression, birds[["flipper_length_mm"]], birds["body_mass_g"])
    assert near.diagnostics["normal_k"] < 1
    assert near.warnings == ()
    data = birds[["species", "flipper_length_mm"]], birds["body_mass_g"]
    with pytest.warns(FitWarning, match="far from a normal .Pareto k of its draws"):
        far = laplace(hierarchical_regression, *data, draws=10, chains=1)
    assert far.diagnostics["normal_k"] > 2
    assert far.draws_shape == (1, 10)
    # The normal that maximises the ELBO keeps away from where the posterior is not.
    assert svi(hierarchical_regression, *data, draws=10, chains=1).diagnostics["normal_k"] < 1.5
