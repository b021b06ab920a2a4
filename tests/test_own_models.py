"""Model functions as people write them: the engine reads what they declare, or says why it cannot."""

import warnings
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import DataError, FitWarning, ModelError, NoMaximumError, map_estimate, mle, nuts, room
from bayeszoo.models import fixed_variance_mixture, gaussian_naive_bayes, linear, linear_regression
from numpyro import plate, sample

RNG = np.random.default_rng(0)
X = 50 + RNG.normal(size=(60, 1))
Y = 3 + 2 * (X[:, 0] - 50) + RNG.normal(size=60)


def test_a_prior_may_look_at_the_table():
    def model(x, y=None):
        mu = sample("mu", dist.Normal(x.mean(0), 0.5).to_event(1))
        sample("x", dist.Normal(mu, 20.0).to_event(1), obs=x)

    assert map_estimate(model, X).posterior()["mu"].item() == pytest.approx(X.mean(), rel=1e-8)
    hole = X.copy()
    hole[3] = np.nan
    for table in (hole, np.where(np.isnan(hole), np.nan, 50.0)):  # of no spread, too
        with pytest.raises(ModelError, match="looks at x or y where values are missing"):
            map_estimate(model, table)


def test_a_model_that_asks_for_no_units_may_have_a_column_of_ones():
    """Least squares of a design matrix; a model that is told spec refuses the column, as it has no unit."""

    def model(x, y=None):
        b = sample("b", dist.ImproperUniform(dist.constraints.real_vector, (), (2,)))
        sample("y", dist.Normal(x @ b, 1.0), obs=y)

    design = np.column_stack([np.ones(60), X])
    want = np.linalg.lstsq(design, Y)[0]
    np.testing.assert_allclose(mle(model, design, Y).posterior()["b"].values.ravel(), want, rtol=1e-6)
    with pytest.raises(DataError, match="column 'x0' is constant"):
        mle(linear_regression, design, Y)


def test_a_model_that_asks_for_no_units_may_have_one_row():
    """One row of two columns under Normal(mu, 1), mu ~ Normal(0, 1): the mode is half the row."""

    def model(x):
        mu = sample("mu", dist.Normal(0, 1).expand([2]).to_event(1))
        with plate("row", len(x)):
            sample("x", dist.Normal(mu, 1.0).to_event(1), obs=x)

    fit = map_estimate(model, np.array([[3.0, 5.0]]))
    np.testing.assert_allclose(fit.posterior()["mu"].values.ravel(), [1.5, 2.5], rtol=1e-6)


def test_a_support_may_look_at_the_table():
    def model(x, y=None):
        b = sample("b", dist.Uniform(x.min(), x.max()))
        sample("y", dist.Normal(b + 0 * x[:, 0], 1.0), obs=y)

    assert mle(model, X, Y + 47).posterior()["b"].item() == pytest.approx((Y + 47).mean(), rel=1e-6)


def test_a_prior_knows_the_number_of_rows():
    """Normal mean under a normal prior of sd 0.3 / sqrt(n): sum(y) / (n + n / 0.09)."""

    def model(x, y=None, *, spec):
        b = sample("b", dist.Normal(0, 0.3 / jnp.sqrt(spec.rows)))
        with plate("row", spec.rows):
            sample("y", dist.Normal(b, 1.0), obs=y)

    want = Y.sum() / (60 + 60 / 0.09)
    assert map_estimate(model, X, Y).posterior()["b"].item() == pytest.approx(want, rel=1e-6)


def test_a_deterministic_site_may_sum_over_the_rows():
    def model(x, y=None):
        a, b = sample("a", dist.Normal(0, 10)), sample("b", dist.Normal(0, 10))
        f = numpyro.deterministic("f", a + b * (x[:, 0] - 50))
        numpyro.deterministic("f_mean", f.mean())
        with plate("row", x.shape[0]):
            sample("y", dist.Normal(f, 1.0), obs=y)

    posterior = mle(model, X, Y).posterior()
    assert posterior["f_mean"].item() == pytest.approx(Y.mean(), rel=1e-6)
    assert "f" not in posterior


def test_a_numeric_y_cannot_be_hidden():
    def model(x, y=None, *, spec):
        m = sample("m", dist.Normal(0, 100))
        with plate("row", spec.rows):
            y = sample("y", dist.Normal(m, 1.0), obs=y)
            sample("x", dist.Normal(2 * y[:, None], 1.0).to_event(1), obs=x)

    with pytest.raises(DataError, match="no hidden label to sum out and needs y"):
        map_estimate(model, X)
    assert map_estimate(model, X, Y).posterior()["m"].item() == pytest.approx(Y.sum() / (60 + 1e-4), rel=1e-6)


def test_names_of_arguments():
    def named(X, y=None):
        b = sample("b", dist.Normal(0, 100))
        sample("y", dist.Normal(b * X[:, 0], 1.0), obs=y)

    def swapped(target=None, *, x):
        return named(x, target)

    want = (X[:, 0] @ Y) / (X[:, 0] ** 2).sum()
    assert mle(named, X, Y).posterior()["b"].item() == pytest.approx(want, rel=1e-6)
    with pytest.raises(ModelError, match="was given y but samples site 'y' all the same"):
        mle(swapped, X, Y)


def rows_by_shape(x, y=None):
    mu = sample("mu", dist.Normal(0, 10).expand([2]))
    with plate("row", x.shape[0]):
        y = sample("y", dist.Categorical(jnp.array([0.5, 0.5])), obs=y)
        sample("x", dist.Normal(mu[y][:, None], 1.0).to_event(1), obs=x)


def no_plate(x, y=None):
    mu = sample("mu", dist.Normal(0, 10))
    sample("x", dist.Normal(mu, 1.0).expand([1]).to_event(1), obs=x)


def two_plates(x, y=None):
    b = sample("b", dist.Normal(0, 10))
    with plate("row", x.shape[0], dim=-2), plate("column", 1, dim=-1):
        sample("y", dist.Normal(b * (x - 50), 1.0), obs=None if y is None else y[:, None])


def plate_over_features(x, y=None):
    with plate("feature", x.shape[1]):
        mu = sample("mu", dist.Normal(0, 100))
    with plate("row", x.shape[0], dim=-2), plate("feature", x.shape[1], dim=-1):
        sample("x", dist.Normal(mu, 1.0), obs=x)


def plates_of_other_lengths(x, y=None):
    with plate("label", 3):
        a = sample("a", dist.Normal(0, 1))
    with plate("feature", 2):
        b = sample("b", dist.Normal(0, 1))
    sample("y", dist.Normal(a.sum() + b.sum() + 0 * x[:, 0], 1.0), obs=y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "y"),
    [
        (rows_by_shape, None),
        (no_plate, None),
        (two_plates, Y),
        (plate_over_features, None),
        (plates_of_other_lengths, Y),
    ],
)
def test_layouts_of_plates(model, y):
    fit = map_estimate(model, X, y)
    tree = fit.to_arviz()
    if y is None:
        assert fit.generate(7)["x0"].shape == (7,)
        assert tree["posterior_predictive"]["x"].shape == (1, 1, 60, 1)
    else:
        assert fit.predict(X)["mean"].shape == (60,)
        assert tree["posterior_predictive"]["y"].shape == (1, 1, 60)


def test_features_in_a_plate_are_integrated_out():
    x = np.column_stack([X, X + 1])
    x[:10, 1] = np.nan
    mu = mle(plate_over_features, x).posterior()["mu"].values.ravel()
    np.testing.assert_allclose(mu, np.nanmean(x, axis=0), rtol=1e-8)


def test_what_cannot_be_read_is_refused():
    def nothing(x, y=None):
        sample("y", dist.Normal(x[:, 0], 1.0), obs=y)

    def some_rows(x, y=None):
        b = sample("b", dist.Normal(0, 1))
        with plate("row", x.shape[0], subsample_size=max(1, x.shape[0] // 2)) as rows:
            sample("y", dist.Normal(b, 1.0), obs=y[rows])

    def shares(x, y=None):
        mu = sample("mu", dist.Normal(0, 10).expand([2]))
        p = jnp.array([(y == 0).mean(), (y == 1).mean()])
        with plate("row", x.shape[0]):
            y = sample("y", dist.Categorical(p), obs=y)
            sample("x", dist.Normal(mu[y][:, None], 1.0).to_event(1), obs=x)

    def tower(x, y=None):
        tau = sample("tau", dist.HalfNormal(5))
        a = sample("a", dist.Normal(tau, 1.0).expand([2]))
        sample("y", dist.Normal(a.sum() + 0 * x[:, 0], 1.0), obs=y)

    with pytest.raises(ModelError, match="has no parameter"):
        mle(nothing, X, Y)
    with pytest.raises(ModelError, match="leave subsample_size out"):
        mle(some_rows, X, Y)
    with pytest.raises(ModelError, match="not independent given its parameters"):
        mle(shares, X, np.repeat([0, 1], 30))
    with pytest.raises(NoMaximumError, match="does not depend on 'tau'"):
        mle(tower, X, Y)
    assert map_estimate(tower, X, Y).posterior()["tau"].item() > 0


SCALE = 0.01


@pytest.mark.slow
def test_a_changed_global_is_seen(monkeypatch):
    def model(x, y=None):
        b = sample("b", dist.Normal(0, SCALE))
        sample("y", dist.Normal(b + 0 * x[:, 0], 1.0), obs=y)

    def want(scale):
        return pytest.approx(Y.sum() / (60 + scale**-2), rel=1e-6)

    assert map_estimate(model, X, Y).posterior()["b"].item() == want(0.01)
    monkeypatch.setitem(globals(), "SCALE", 100.0)
    assert map_estimate(model, X, Y).posterior()["b"].item() == want(100.0)


def test_a_changed_global_of_an_inner_function_is_seen(monkeypatch):
    def model(x, y=None):
        def prior():
            return dist.Normal(0, SCALE)

        b = sample("b", prior())
        sample("y", dist.Normal(b + 0 * x[:, 0], 1.0), obs=y)

    assert abs(map_estimate(model, X, Y).posterior()["b"].item()) < 0.1
    monkeypatch.setitem(globals(), "SCALE", 100.0)
    assert map_estimate(model, X, Y).posterior()["b"].item() == pytest.approx(Y.mean(), rel=1e-4)


@pytest.mark.slow
def test_a_changed_object_is_seen_and_an_array_is_kept():
    class Model:
        scale = 100.0

        def __call__(self, x, y=None):
            b = sample("b", dist.Normal(0, self.scale))
            sample("y", dist.Normal(b + 0 * x[:, 0], 1.0), obs=y)

    model = Model()
    wide = map_estimate(model, X, Y).posterior()["b"].item()
    model.scale = 0.01
    assert abs(map_estimate(model, X, Y).posterior()["b"].item()) < 0.1 < wide

    sigma = np.array([1.0])
    fit = map_estimate(partial(fixed_variance_mixture, k=2, sigma=sigma), X)
    before = fit.log_marginal(X[:1]).item()
    sigma *= 10
    assert fit.log_marginal(np.repeat(X[:1], 100, axis=0))[0].item() == before


@pytest.mark.slow
def test_chains_start_at_every_mode_that_is_as_high():
    """w and -w explain y = w^2 alike: that chains sit at one of them each must show."""

    def square(x, y=None):
        w = sample("w", dist.Normal(0, 3))
        sample("y", dist.Normal(w**2 + 0 * x[:, 0], 1.0), obs=y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        fit = nuts(square, X, 4 + RNG.normal(size=60), draws=200, warmup=200)
    assert fit.warnings[0].startswith("R-hat is")
    assert set(np.sign(fit.params["w"].mean(axis=1))) == {-1, 1}


@pytest.mark.slow
def test_a_fit_prints_on_one_line():
    fit = mle(gaussian_naive_bayes, pd.DataFrame(X, columns=["width"]), np.repeat(["a", "b"], 30))
    words = "<Fit: gaussian_naive_bayes by mle; 60 rows of width, labels a, b; 1 x 1 draws of pi, mu, sigma; "
    assert repr(fit).startswith(words)


def test_parameters_keep_the_order_of_the_model():
    assert list(mle(linear_regression, X, Y).params) == ["b", "w", "sigma"]


@pytest.mark.slow
def test_whatever_a_model_reads_may_change_but_not_under_a_fit():
    settings, column, holder = {"s": 0.01}, pd.Series([0.01]), SimpleNamespace(s=0.01)

    def reading(scale):
        def model(x, y=None):
            b = sample("b", dist.Normal(0, scale()))
            sample("y", dist.Normal(b + 0 * x[:, 0], 1.0), obs=y)

        return model

    def bound(x, y=None, *, config):
        b = sample("b", dist.Normal(0, config["s"]))
        sample("y", dist.Normal(b + 0 * x[:, 0], 1.0), obs=y)

    models = [
        reading(lambda: settings["s"]),
        reading(lambda: column.iloc[0]),
        reading(lambda: holder.s),
        partial(bound, config=settings),
    ]
    fits = [map_estimate(model, X, Y) for model in models]
    settings["s"] = column.iloc[0] = holder.s = 100.0
    for model, fit in zip(models, fits, strict=True):
        assert fit.posterior()["b"].item() < 0.1
        assert map_estimate(model, X, Y).posterior()["b"].item() == pytest.approx(Y.mean(), rel=1e-4)
    for fit in fits[:3]:
        with pytest.raises(ModelError, match="has changed since it was fitted"):
            fit.log_conditional(X, Y)
    assert np.isfinite(fits[3].log_conditional(X, Y)).all()  # what is bound was copied


def test_a_site_that_observes_something_else_is_refused():
    def model(x, y=None):
        b = sample("b", dist.Normal(0, 1))
        sample("y", dist.Normal(b * x[:, 0], 1.0), obs=jnp.log(y))

    with pytest.raises(ModelError, match="observes a function of x or y"):
        map_estimate(model, X, np.exp(Y - Y.mean()))


@pytest.mark.long
def test_many_fits_do_not_fill_the_process_with_programs(monkeypatch):
    """A fit of another model is some 600 memory maps, and Linux allows 65,530; past that the compiler dies."""
    if not room.MAPS.exists():
        pytest.skip("no limit on memory maps here")

    def maps():
        return len(room.MAPS.read_text().splitlines())

    jax.clear_caches()
    start = maps()
    monkeypatch.setattr(room, "SHARE", (start + 500) / int(room.LIMIT.read_text()))
    held = []
    for k in range(8):
        map_estimate(partial(fixed_variance_mixture, k=2, sigma=1.0 + k, equal_weights=True), X, np.repeat([0, 1], 30))
        held.append(maps() - start)
    assert max(held) < 1000 < 8 * held[0]


TIGHT, WIDE = dist.Normal(0.0, 1e-3), dist.Normal(0.0, 100.0)
PRIOR = WIDE


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        lambda prior: partial(linear_regression, hypothesis=partial(linear, w=prior)),
        lambda prior: partial(linear_regression, hypothesis=partial(linear, w=prior.expand([1]))),
        lambda prior: partial(linear_regression, hypothesis=partial(partial(linear), w=prior)),
    ],
    ids=["a distribution", "an expanded one", "a partial of a partial"],
)
def test_two_priors_are_two_models(model):
    tight, wide = (map_estimate(model(prior), X, Y).posterior()["w"].item() for prior in (TIGHT, WIDE))
    assert abs(tight) < 0.1
    assert wide == pytest.approx(np.polyfit(X[:, 0], Y, 1)[0], rel=0.01)


def test_a_changed_global_prior_is_seen(monkeypatch):
    def model(x, y=None):
        b = sample("b", PRIOR)
        sample("y", dist.Normal(b + 0 * x[:, 0], 1.0), obs=y)

    assert map_estimate(model, X, Y).posterior()["b"].item() == pytest.approx(Y.mean(), rel=1e-4)
    monkeypatch.setitem(globals(), "PRIOR", TIGHT)
    assert abs(map_estimate(model, X, Y).posterior()["b"].item()) < 0.1


@pytest.mark.slow
def test_a_prior_with_cached_attributes_stays_the_same():
    """A multivariate normal keeps what it has computed, which is no change of the model."""
    prior = dist.MultivariateNormal(jnp.zeros(2), 9.0 * jnp.eye(2))

    def model(x, y=None):
        b = sample("b", prior)
        sample("y", dist.Normal(b[0] + b[1] * (x[:, 0] - 50), 1.0), obs=y)

    fit = map_estimate(model, X, Y)
    assert prior.covariance_matrix.shape == prior.precision_matrix.shape == (2, 2)
    assert np.isfinite(fit.log_conditional(np.tile(X, (3, 1)), np.tile(Y, 3))).all()
