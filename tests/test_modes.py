"""Where point fits end: at the best mode from every seed, with a gradient norm and a verdict."""

import warnings
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import (
    FitWarning,
    NoMaximumError,
    laplace,
    lbfgs,
    map_estimate,
    maximum,
    mle,
    modes,
    nuts,
    optimise,
)
from bayeszoo.inference.problem import Problem
from bayeszoo.models import fixed_variance_mixture, gaussian_mixture, softmax_regression, tied
from numpyro import sample
from sklearn.linear_model import LogisticRegression


@pytest.mark.slow
def test_every_seed_finds_the_best_mode_of_a_mixture():
    """Eight clusters, some of which overlap. One k-means start in two or three leads to another mode."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-6, 6, size=(8, 2))[rng.integers(8, size=5_000)] + rng.normal(size=(5_000, 2))
    mixture = partial(fixed_variance_mixture, k=8, sigma=1.0, equal_weights=True)
    values = [mle(mixture, x, seed=seed).diagnostics["log_density"] for seed in range(20)]
    np.testing.assert_allclose(values, max(values), atol=1e-6)


@pytest.mark.slow
def test_a_wave_has_its_own_frequency():
    """Of which most draws of the prior lead to a local maximum, hundreds of nats below; another each time."""
    rng = np.random.default_rng(0)
    t = np.sort(rng.uniform(0, 20, 100))

    def wave(x, y=None):
        f = sample("f", dist.Uniform(0, 10))
        sample("y", dist.Normal(jnp.sin(f * x[:, 0]), 0.2), obs=y)

    for frequency in rng.uniform(1, 9, 6):
        y = np.sin(frequency * t) + 0.2 * rng.normal(size=100)
        for fitter in (mle, map_estimate):
            found = fitter(wave, t[:, None], y).params["f"].item()
            assert found == pytest.approx(frequency, abs=0.02)  # its standard error is 0.003


@pytest.mark.slow
def test_curves_are_found_where_most_climbs_end_flat():
    """A peak and a growth curve at any place: far from it, the model is flat, which is a mode, or none, of its own."""
    rng = np.random.default_rng(0)

    def peak(x, y=None):
        height, sigma = sample("height", dist.Normal(0, 10)), sample("sigma", dist.HalfNormal(5))
        place, width = sample("place", dist.Uniform(0, 50)), sample("width", dist.HalfNormal(5))
        sample("y", dist.Normal(height * jnp.exp(-0.5 * ((x[:, 0] - place) / width) ** 2), sigma), obs=y)

    def growth(x, y=None):
        limit, sigma = sample("limit", dist.HalfNormal(100)), sample("sigma", dist.HalfNormal(10))
        rate, place = sample("rate", dist.HalfNormal(3)), sample("place", dist.Normal(0, 100))
        sample("y", dist.Normal(limit * jax.nn.sigmoid(rate * (x[:, 0] - place)), sigma), obs=y)

    x = rng.uniform(0, 50, 120)
    for place in rng.uniform(5, 45, 4):
        bell = 8 * np.exp(-0.5 * ((x - place) / 2) ** 2) + 0.5 * rng.normal(size=120)
        rise = 140 / (1 + np.exp(-0.5 * (x - place))) + 6 * rng.normal(size=120)
        for fitter in (mle, map_estimate):
            for model, y in ((peak, bell), (growth, rise)):
                found = fitter(model, x[:, None], y).params["place"].item()
                assert found == pytest.approx(place, abs=0.6)  # five standard errors are 0.3 and 0.5


@pytest.mark.parametrize("fitter", [mle, laplace])
def test_a_mode_that_one_climb_alone_found_is_said(fitter):
    """Of frequencies from 20 to 200 over 60 units of time, there are hundreds of local maxima."""
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 60, 100)

    def wave(x, y=None):
        sample("y", dist.Normal(jnp.sin(sample("f", dist.Uniform(20, 200)) * x[:, 0]), 0.5), obs=y)

    with pytest.warns(FitWarning, match="of 24 climbs one alone led to this mode, all others to lower ones"):
        fit = fitter(wave, t[:, None], np.sin(31.4 * t) + 0.5 * rng.normal(size=100))
    assert any("there may be higher ones still" in sentence for sentence in fit.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("unit", [300.0, 1e6])
def test_counts_of_a_column_in_any_unit(unit):
    """exp(b x) is beyond all numbers at most draws of this prior; the maximum is where it is with x / unit."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=400)
    y = rng.poisson(np.exp(0.3 + 0.5 * z)).astype(float)

    def counts(x, y=None):
        b = sample("b", dist.Normal(0, 10).expand([2]).to_event(1))
        sample("y", dist.Poisson(jnp.exp(b[0] + x @ b[1:])), obs=y)

    fits = [mle(counts, scale * z[:, None], y) for scale in (1.0, unit)]
    assert fits[1].diagnostics["log_density"] == pytest.approx(fits[0].diagnostics["log_density"], abs=1e-6)


@pytest.mark.slow
def test_a_column_that_few_rows_tell_nothing_of_is_no_reason_to_stop():
    """1 in one of 40,000 rows: most likely constant in the rows on which climbs are made."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=40_000) + 6 * (np.arange(40_000) % 2), np.arange(40_000) == 0])
    fit = mle(partial(fixed_variance_mixture, k=2, sigma=1.0), x)
    low, high = sorted(fit.params["mu"][0, 0, :, 0])
    assert max(abs(low), abs(high - 6)) < 0.05  # four standard errors and the bias of overlapping tails


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_no_maximum_where_a_variance_vanishes_within_the_values_of_a_column(seed):
    """Three clusters, which k-means finds, and a coin: split by its side, the likelihood has no bound."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(300, 2)) + 8 * (np.arange(300) % 3)[:, None], rng.integers(2, size=300)])
    with pytest.raises(NoMaximumError, match=r"grows without bound|a variance may vanish"):
        mle(partial(gaussian_mixture, k=3, covariance=tied), x, seed=seed)


def logistic(n, rare=0):
    """Two labels and three columns, the last of which is 1 in ``rare`` rows, half of them of each label, and else 0."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3))
    y = (x[:, 0] + rng.logistic(size=n) > 0).astype(int)
    if rare:
        x[:, 2] = 0
        x[np.concatenate([np.flatnonzero(y == k)[: rare // 2] for k in (0, 1)]), 2] = 1
    return x, y


@pytest.mark.slow
@pytest.mark.parametrize("rare", [0, 4], ids=["common columns", "a column that the sample misses"])
def test_newton_with_the_hessian_of_a_sample_ends_where_all_rows_say(monkeypatch, rare):
    monkeypatch.setattr(modes, "FEW", 200)
    monkeypatch.setattr(modes, "EACH", 1)
    x, y = logistic(10_000, rare)
    peer = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(x, y)
    peer_value = np.log(peer.predict_proba(x)[np.arange(len(y)), y]).sum()
    fit = mle(softmax_regression, x, y, compress=False)
    assert fit.diagnostics["log_density"] >= peer_value - 1e-6
    assert fit.diagnostics["gap"] < 1e-6
    assert fit.diagnostics["gradient_norm"] < 1e-3


@pytest.mark.slow
def test_many_rows_are_not_climbed_on_from_every_start(monkeypatch):
    """20 columns tell five labels nearly apart: climbs on some rows stop along a ridge, but have one mode."""
    rng = np.random.default_rng(0)
    y = rng.integers(5, size=40_000)
    x = rng.normal(size=(5, 20))[y] + rng.uniform(0.5, 2.0, size=(5, 20))[y] * rng.normal(size=(40_000, 20))
    rows, climb, descend = [], modes.climb, modes.descend
    monkeypatch.setattr(modes, "climb", lambda *data, **how: rows.append(len(data[3].x)) or climb(*data, **how))
    monkeypatch.setattr(modes, "descend", lambda *data, **how: rows.append(len(data[3].x)) or descend(*data, **how))
    fit = map_estimate(softmax_regression, x, y)
    assert fit.diagnostics["gap"] < 1e-8
    assert set(rows) == {modes.EACH * 105}  # of 5 x 21 parameters


def test_rounding_does_not_turn_the_draws(monkeypatch):
    """Where curvatures are alike, a Hessian's axes are any; the root that draws are made with is not."""
    noise = np.random.default_rng(0).normal(size=(3, 3))
    hessians = iter(7 * np.eye(3) + size * (noise + noise.T) for size in (1e-13, -1e-13))
    monkeypatch.setattr(modes, "hessian_at", lambda *data, **target: next(hessians))
    x, y = logistic(300)
    with jax.enable_x64(True):
        problem = Problem(softmax_regression, x, y)
        mode = optimise.Mode(np.zeros(8), -100.0, 0.0, 0.0, np.zeros((8, 0)))
        one, other = (modes.whitening(problem, mode) for _ in range(2))
    np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_allclose(one, np.eye(3) / np.sqrt(7), atol=1e-12)


def test_gradient_norm_is_in_widths_of_the_prior(monkeypatch):
    """Stopped after one Newton step, where the gradient is not yet 0; against one that is written out."""
    monkeypatch.setattr(optimise, "NOTHING", 1e9)
    monkeypatch.setattr(maximum, "OPEN", 1e9)
    x, y = logistic(300)
    with jax.enable_x64(True):
        problem = Problem(softmax_regression, x, y, compression=False)
        scale = modes.prior_scale(problem.prior_draws(0))
        target = {"prior": True, "jacobian": False, **problem.keywords}
        mode = optimise.find_mode(0.1 * scale, scale, problem.spec, problem.rows, **target)
    b, w = mode.vector[:2], mode.vector[2:].reshape(2, 3)
    centred = x - x.mean(axis=0)
    f = b + centred @ w.T
    left = np.eye(2)[y] - np.exp(f - np.logaddexp.reduce(f, axis=1)[:, None])
    sd = 2.5 / x.std(axis=0)
    by_hand = np.concatenate([left.sum(axis=0) - b / 2.5**2, (left.T @ centred - w / sd**2).ravel()])
    assert mode.gradient_norm > 0.01
    assert mode.gradient_norm == pytest.approx(np.linalg.norm(by_hand * scale), rel=1e-6)


def test_a_point_fit_ends_with_a_gradient_norm():
    fit = map_estimate(softmax_regression, *logistic(300))
    assert fit.diagnostics["gradient_norm"] < 1e-3
    assert "gradient_norm" in repr(fit)
    assert fit.warnings == ()


@pytest.mark.parametrize("gap", [1e-5, 1e-8])
def test_a_gap_that_stays_open_is_said(monkeypatch, gap):
    find = modes.find_mode
    monkeypatch.setattr(modes, "find_mode", lambda *given, **named: replace(find(*given, **named), gap=gap))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        fit = map_estimate(softmax_regression, *logistic(300))
    said = [str(w.message) for w in caught if issubclass(w.category, FitWarning)]
    assert said == list(fit.warnings)
    assert len(said) == (gap > 1e-6)
    assert all("still to gain" in sentence for sentence in said)


def test_lbfgs_finds_the_minimum_of_rosenbrocks_valley():
    def valley(u):
        return 100 * jnp.sum((u[1:] - u[:-1] ** 2) ** 2) + jnp.sum((1 - u[:-1]) ** 2)

    with jax.enable_x64(True):
        start, enough = jnp.array([-1.2, 1.0, -1.2, 1.0, -1.2]), jnp.asarray(1e-14)
        place, value = jax.jit(partial(lbfgs.minimise, jax.value_and_grad(valley), longest=1.0))(start, enough)
    np.testing.assert_allclose(place, 1.0, atol=1e-5)
    assert np.asarray(value) < 1e-12


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayeszoo.inference.FitWarning")
def test_all_chains_of_a_mixture_start_at_its_best_mode():
    """Six groups: a local optimum that merges two of them is some hundred nats below, one posterior's width is ten."""
    rng = np.random.default_rng(3)
    x = (np.array([[0, 0], [0, 8], [8, 0], [8, 8], [16, 0], [16, 8]])[:, None] + rng.normal(size=(6, 50, 2))).reshape(
        -1, 2
    )
    model = partial(fixed_variance_mixture, k=6, sigma=1.0)
    best = float(mle(model, x).log_marginal(x).sum())
    for seed in range(3):
        fit = nuts(model, x, draws=50, warmup=100, seed=seed)
        each = fit.log_marginal(x, draws=True).sum("row").mean("draw")
        assert float(each.min()) > best - 30


@pytest.mark.slow
def test_a_density_without_bound_is_no_mode():
    """A share of no row under a Dirichlet below 1; a rate of no event under a gamma; at 1 a share may well be 0."""

    def shares(x, y=None, *, concentration):
        p = sample("p", dist.Dirichlet(jnp.full(3, concentration)))
        sample("y", dist.Categorical(p), obs=y)

    def rate(x, y=None):
        sample("y", dist.Poisson(sample("r", dist.Gamma(0.5, 1.0)) + 0 * x[:, 0]), obs=y)

    x, y = np.zeros((14, 1)), np.repeat([0, 1], [10, 4])
    with pytest.raises(NoMaximumError, match="keeps rising near the bounds of what parameters may be"):
        map_estimate(partial(shares, concentration=0.1), x, y, labels=[0, 1, 2])
    with pytest.raises(NoMaximumError):
        map_estimate(rate, x, np.zeros(14, dtype=int))
    two = np.random.default_rng(7).normal(size=(200, 1)) + np.repeat([-4.0, 4.0], 100)[:, None]
    with pytest.raises(NoMaximumError, match="use nuts, or more informative priors"):
        map_estimate(partial(fixed_variance_mixture, k=5, concentration=0.1), two)

    def steep(x, y=None):
        sample("y", dist.Bernoulli(logits=sample("b", dist.Normal(0.0, 1e4)) * x[:, 0]), obs=y)

    apart = np.linspace(-0.6, 0.6, 40)[:, None]  # separable, but for the prior
    assert map_estimate(steep, apart, (apart[:, 0] > 0).astype(int)).posterior()["b"].item() > 34
    fit = map_estimate(partial(shares, concentration=1.0), x, y, labels=[0, 1, 2])
    assert fit.posterior()["p"].values.ravel() == pytest.approx([10 / 14, 4 / 14, 0.0], abs=1e-6)
