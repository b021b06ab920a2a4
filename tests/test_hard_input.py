"""What users bring that is not a clean float table: label types, missing kinds, odd models, odd arguments."""

from decimal import Decimal
from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import (
    BayeszooError,
    DataError,
    ModelError,
    NoMaximumError,
    PrecisionError,
    QueryError,
    laplace,
    map_estimate,
    mle,
    nuts,
    svi,
)
from bayeszoo.models import (
    fixed_variance_mixture,
    gaussian_naive_bayes,
    linear_regression,
    mlp,
    polynomial,
    softmax_regression,
)
from bayeszoo.workflow import store
from bayeszoo.workflow.left_out import loo
from bayeszoo.workflow.report import report
from numpyro import handlers

RNG = np.random.default_rng(0)
CODES = RNG.integers(2, size=60)
X = RNG.normal(size=(60, 2)) + 3 * CODES[:, None]
FRAME = pd.DataFrame(X, columns=["a", "b"])
RESPONSE = 2 * X[:, 0] + 1 + RNG.normal(size=60) / 2


def test_a_count_is_no_label():
    counts = RNG.binomial(10, 0.5, size=60)

    def model(x, y=None):
        p = numpyro.sample("p", dist.Beta(1, 1))
        numpyro.sample("y", dist.Binomial(10, probs=p + 0 * x[:, 0]), obs=y)

    assert mle(model, FRAME, counts).posterior()["p"].item() == pytest.approx(counts.mean() / 10)


def test_integer_labels_of_a_fixed_number_of_classes_are_the_classes():
    def model(x, y=None):
        p = numpyro.sample("p", dist.Dirichlet(np.ones(5)))
        numpyro.sample("y", dist.Categorical(p + 0 * x[:, :1]), obs=y)

    fit = map_estimate(partial(model), FRAME, 2 * CODES)
    assert fit.schema.labels == (0, 1, 2, 3, 4)
    assert fit.posterior()["p"].values[0, 0, 1] < 1e-6 < fit.posterior()["p"].values[0, 0, 2]


@pytest.mark.slow
def test_extra_components_get_names_of_their_own():
    fit = map_estimate(partial(fixed_variance_mixture, k=4), FRAME, np.where(CODES, "one", "two"))
    assert fit.schema.labels == ("one", "two", "0", "1")


def test_scale_handlers_count():
    """A likelihood tempered by 0.01 is conjugate: precision 1 + 0.01 sum x^2."""

    def model(x, y=None):
        a = numpyro.sample("a", dist.Normal(0, 1))
        with handlers.scale(scale=0.01):
            numpyro.sample("y", dist.Normal(a * x[:, 0], 1.0), obs=y)

    precision = 1 + 0.01 * (X[:, 0] ** 2).sum()
    fit = map_estimate(model, FRAME, RESPONSE)
    assert fit.posterior()["a"].item() == pytest.approx(0.01 * (X[:, 0] @ RESPONSE) / precision, rel=1e-6)


def test_scaled_priors_count():
    def model(x, y=None):
        with handlers.scale(scale=100.0):
            a = numpyro.sample("a", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(a * x[:, 0], 1.0), obs=y)

    want = (X[:, 0] @ RESPONSE) / (100 + (X[:, 0] ** 2).sum())
    assert map_estimate(model, FRAME, RESPONSE).posterior()["a"].item() == pytest.approx(want, rel=1e-6)


def test_a_flat_prior_has_the_likelihood_as_its_posterior():
    def model(x, y=None):
        b = numpyro.sample("b", dist.ImproperUniform(dist.constraints.real, (), ()))
        numpyro.sample("y", dist.Normal(b * x[:, 0], 1.0), obs=y)

    fit = map_estimate(model, FRAME, RESPONSE)
    assert fit.posterior()["b"].item() == pytest.approx((X[:, 0] @ RESPONSE) / (X[:, 0] ** 2).sum(), rel=1e-6)
    tree = fit.to_arviz()
    assert "prior" not in tree
    assert "posterior_predictive" in tree


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e-30, 1e-9, 1e9])
def test_units_do_not_matter(size):
    fit = mle(gaussian_naive_bayes, X * size, CODES)
    want = [X[k == CODES].std(axis=0) for k in (0, 1)]
    np.testing.assert_allclose(fit.posterior()["sigma"].values[0, 0] / size, want, rtol=1e-6)


def test_a_row_infinitely_far_is_an_error_and_no_nan():
    fit = mle(gaussian_naive_bayes, FRAME, CODES)
    with pytest.raises(DataError, match="row 1 is so far from every label"):
        fit.log_label_posterior([[0.0, 0.0], [1e200, 1e200]])


@pytest.mark.slow
def test_masked_cells_are_missing():
    x = np.ma.masked_array(X.copy(), mask=np.zeros_like(X, dtype=bool))
    x[3, 1] = 1e6
    x.mask[3, 1] = True
    holes = X.copy()
    holes[3, 1] = np.nan
    got, want = (mle(gaussian_naive_bayes, one, CODES).log_joint(X) for one in (x, holes))
    np.testing.assert_array_equal(got, want)


@pytest.mark.slow
def test_nullable_pandas_columns():
    holes = X.copy()
    holes[3, 1] = np.nan
    frame = pd.DataFrame(holes, columns=["a", "b"]).convert_dtypes()
    y = pd.Series(CODES).astype("Int64")
    y[5] = pd.NA
    fit = mle(gaussian_naive_bayes, frame, y)
    assert fit.schema.labels == (0, 1)
    assert np.isfinite(fit.log_joint(frame)).all()


def test_integer_column_names():
    fit = mle(gaussian_naive_bayes, pd.DataFrame(X), CODES)
    assert fit.schema.columns == ("0", "1")
    assert np.isfinite(fit.log_marginal(pd.DataFrame(X))).all()


@pytest.mark.slow
def test_clustering_columns_called_x_and_y():
    fit = mle(fixed_variance_mixture, FRAME.rename(columns={"a": "x", "b": "y"}))
    assert fit.schema.target == "label"
    assert set(fit.generate(3).to_pandas().columns) == {"x", "y", "label"}


def test_a_model_with_correlated_columns_answers_without_missing_values():
    def qda(x=None, y=None, *, spec):
        mu = numpyro.sample("mu", dist.Normal(0, 10).expand([2, 2]).to_event(2))
        with numpyro.plate("row", spec.rows):
            y = numpyro.sample("y", dist.Categorical(np.full(2, 0.5)), obs=y)
            numpyro.sample("x", dist.MultivariateStudentT(5.0, mu[y], np.array([[1.0, 0.0], [0.3, 1.0]])), obs=x)

    fit = map_estimate(qda, FRAME, CODES)
    np.testing.assert_allclose(np.exp(fit.log_label_prior()), 0.5)
    assert len(fit.generate(2, label=1).row) == 2
    with pytest.raises(DataError, match=r"row 0, column 'a' is missing, which cannot be integrated out of P\(x\)"):
        fit.log_marginal([[np.nan, 1.0]])


@pytest.mark.slow
@pytest.mark.parametrize(
    "keywords",
    [{"k": 2, "sigma": [0.3, 0.2]}, {"k": 2, "sigma": np.array([0.3, 0.2])}, {"k": 2, "sigma": 0.5}],
    ids=["list", "array", "number"],
)
def test_stored_hyperparameters_come_back(tmp_path, keywords):
    fit = map_estimate(partial(fixed_variance_mixture, **keywords), FRAME)
    store.save(fit, str(tmp_path))
    np.testing.assert_array_equal(store.load(str(tmp_path)).log_marginal(FRAME), fit.log_marginal(FRAME))


@pytest.mark.slow
@pytest.mark.parametrize("hypothesis", [polynomial, partial(polynomial, degree=3), partial(mlp, width=2)])
def test_stored_hypotheses_come_back(tmp_path, hypothesis):
    fit = map_estimate(partial(linear_regression, hypothesis=hypothesis), FRAME, RESPONSE)
    store.save(fit, tmp_path)
    again = store.load(tmp_path)
    np.testing.assert_array_equal(again.log_conditional(FRAME, RESPONSE), fit.log_conditional(FRAME, RESPONSE))


@pytest.mark.slow
def test_what_cannot_be_stored_is_refused_before_writing(tmp_path):
    def own(x, y=None):
        b = numpyro.sample("b", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(b * x[:, 0], 1.0), obs=y)

    prior = partial(gaussian_naive_bayes, mu=dist.Normal(0.0, 10.0))
    for fit, words in (
        (mle(own, FRAME, RESPONSE), "not a model of the zoo and stands at the top of no"),
        (mle(prior, FRAME, CODES), "hyperparameter 'mu' is a Normal"),
        (mle(gaussian_naive_bayes, FRAME, pd.to_datetime(CODES, unit="D")), "neither text nor a number"),
    ):
        with pytest.raises(BayeszooError, match=words):
            store.save(fit, tmp_path / "run")
        assert not (tmp_path / "run").exists()


NB, MIX = gaussian_naive_bayes, fixed_variance_mixture


@pytest.mark.parametrize(
    ("error", "words", "ask"),
    [
        (DataError, "True or False with numbers", lambda: mle(NB, FRAME, [True if c else 0 for c in CODES])),
        (DataError, "has 2 classes, but y has 3 labels", lambda: mle(partial(MIX, k=2), FRAME, list("abc") * 20)),
        (DataError, "must differ", lambda: mle(NB, FRAME, CODES, labels=[0, 1, 1])),
        (DataError, "label 1 is not one of 0, 2", lambda: mle(NB, FRAME, CODES, labels=np.array([0, 2]))),
        (DataError, "is 1 in every row, and the priors of linear", lambda: mle(linear_regression, FRAME, np.ones(60))),
        (DataError, "steps must be a whole number", lambda: svi(NB, FRAME, CODES, steps=3)),
        (DataError, "chains must be a whole number", lambda: laplace(NB, FRAME, CODES, chains=0)),
        (DataError, "seed must be a whole number", lambda: mle(MIX, FRAME, seed=-1)),
        (DataError, "draws must be a whole number", lambda: nuts(NB, FRAME, CODES, draws=1.5)),
        (DataError, "n must be a whole number", lambda: mle(NB, FRAME, CODES).generate(-1)),
        (QueryError, "an empty list is not one of 0, 1", lambda: mle(NB, FRAME, CODES).generate(1, label=[])),
        (DataError, "between 0 and 1", lambda: mle(NB, FRAME, CODES).predict(FRAME, interval=2)),
        (DataError, "table of numbers", lambda: mle(NB, [["a", "b"]] * 60, CODES)),
        (DataError, "table of numbers", lambda: mle(NB, [[1.0, 2.0], [1.0]] * 30, CODES)),
        (DataError, "table of numbers", lambda: mle(NB, X + 1j, CODES)),
        (DataError, "two columns are named 'a'", lambda: mle(NB, FRAME.set_axis(["a", "a"], axis=1), CODES)),
        (DataError, "got '1' in row 0", lambda: mle(linear_regression, FRAME, ["1", "2"] * 30)),
        (DataError, "row 2: the response", lambda: mle(linear_regression, FRAME, [1.0, 2.0, None] * 20)),
        (DataError, "in another unit", lambda: mle(NB, X * 1e-200, CODES)),
        (DataError, "60 different labels in 60 rows", lambda: mle(softmax_regression, FRAME, np.arange(60.0))),
        (ModelError, "cannot be run", lambda: mle(partial(NB, wrong=3), FRAME, CODES)),
        (ModelError, "cannot be run", lambda: mle(partial(MIX, k=2.5), FRAME)),
        (DataError, "takes numbers above 0", lambda: mle(positive_waiting, FRAME, RESPONSE - 100)),
        (NoMaximumError, "row 0 has no density under nowhere", lambda: mle(nowhere, FRAME, RESPONSE)),
        (ModelError, "k is a whole number", lambda: mle(partial(MIX, k=-2), FRAME)),
        (ModelError, "sigma is a positive number, or 2", lambda: mle(partial(MIX, k=2, sigma=-1.0), FRAME)),
        (ModelError, "sigma is a positive number, or 2", lambda: mle(partial(MIX, sigma=[1, 2, 3]), FRAME)),
        (ModelError, "concentration is a positive", lambda: mle(partial(NB, concentration="a"), FRAME, CODES)),
        (
            ModelError,
            "sigma is a positive number, got 0",
            lambda: mle(partial(linear_regression, sigma=0), FRAME, RESPONSE),
        ),
        (DataError, "two columns are named '1'", lambda: mle(NB, FRAME.set_axis([1, "1"], axis=1), CODES)),
        (DataError, "holds 'b' in row 1", lambda: mle(NB, FRAME.assign(a=[1.0, "b", None] * 20), CODES)),
        (DataError, "the target is named 'row'", lambda: mle(NB, FRAME, pd.Series(CODES, name="row"))),
        (DataError, "labels name nothing", lambda: mle(linear_regression, FRAME, RESPONSE, labels=[1, 2])),
        (DataError, "between 0 and 1", lambda: mle(NB, FRAME, CODES).predict(FRAME, interval="a")),
        (ModelError, "by keyword", lambda: mle(partial(NB, X), FRAME, CODES)),
        (ModelError, "a model is a function", lambda: mle("naive", FRAME, CODES)),
    ],
)
def test_one_clear_sentence(error, words, ask):
    with pytest.raises(error, match=words) as caught:
        ask()
    assert "\n" not in str(caught.value)


def nowhere(x, y=None):
    m = numpyro.sample("m", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(m + np.inf + 0 * x[:, 0], 1.0), obs=y)


def positive_waiting(x, y=None):
    m = numpyro.sample("m", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.LogNormal(m + 0 * x[:, 0], 1.0), obs=y)


def unobserved(x, tau=None, y=None):
    return numpyro.sample("y", dist.Normal(numpyro.sample("b", dist.Normal(0, 1)) * x[:, 0], 1.0))


def factored(x, y=None):
    b = numpyro.sample("b", dist.Normal(0, 1))
    numpyro.factor("likelihood", -((y - b * x[:, 0]) ** 2).sum() if y is not None else 0.0)
    numpyro.sample("y", dist.Normal(b, 1.0), obs=y)


@pytest.mark.parametrize(
    ("model", "words"), [(unobserved, "passes obs=y"), (factored, "'likelihood' is a numpyro.factor")]
)
def test_models_that_would_be_misread_are_refused(model, words):
    with pytest.raises(ModelError, match=words):
        mle(model, FRAME, RESPONSE)


def test_arguments_in_another_order_are_given_by_name():
    def model(y=None, *, x):
        b = numpyro.sample("b", dist.Normal(0, 100))
        numpyro.sample("y", dist.Normal(b * x[:, 0], 1.0), obs=y)

    want = (X[:, 0] @ RESPONSE) / (X[:, 0] ** 2).sum()
    assert mle(model, FRAME, RESPONSE).posterior()["b"].item() == pytest.approx(want, rel=1e-6)


def test_numbers_of_other_kinds_are_numbers(tmp_path):
    x = pd.DataFrame({"a": [1.0, 2.0, 4.0, 5.0], "b": [0.5, 1.5, 2.0, 2.5]})
    want = mle(linear_regression, x, [1.0, 2.0, 2.0, 4.0]).params["w"]
    odd = pd.DataFrame(
        {"a": [np.int64(1), np.float32(2), Decimal(4), 5], "b": list(map(Decimal, x["b"]))}, dtype=object
    )
    for y in ([1.0, 2.0, 2.0, 4.0], pd.DataFrame({"t": [1.0, 2.0, 2.0, 4.0]})):
        np.testing.assert_allclose(mle(linear_regression, odd, y).params["w"], want, rtol=1e-9)
    with pytest.raises(DataError, match="y is one column, got a frame of 2: a, b"):
        mle(linear_regression, x, x)


@pytest.mark.slow
def test_a_class_that_no_row_shows_has_a_name_of_the_labels_kind(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 2))
    fit = mle(gaussian_naive_bayes, x, ["a", None] * 20)
    assert fit.schema.labels == ("a", "0")
    store.save(fit, tmp_path / "run")
    mixed = mle(gaussian_naive_bayes, x, ["a", 3] * 20)
    with pytest.raises(DataError, match=r"labels mix text \('a'\) and numbers \(3\)"):
        store.save(mixed, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_truth_values_with_one_missing_are_names():
    """As pandas reads them from a file: objects, and NaN where one is missing."""
    flag = pd.Series([True, False, np.nan, *[True, False] * 20], dtype=object, name="flag")
    x = pd.DataFrame({"u": np.arange(43.0) % 7})
    fit = map_estimate(gaussian_naive_bayes, x, flag)
    assert fit.label_coordinate.tolist() == [False, True]
    assert (fit.y < 0).sum() == 1
    with pytest.raises(DataError, match="labels mix True or False with numbers"):
        map_estimate(gaussian_naive_bayes, x, flag.where(np.arange(43) != 5, 2))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_a_conditional_model_lives_with_rows_without_a_label():
    x, y = (
        pd.DataFrame({"u": np.arange(60) % 7, "v": np.arange(60) % 5}),
        np.array(["a", "b", "c"])[np.arange(60) * 7 % 11 % 3],
    )
    some = pd.Series(y).where(np.arange(60) != 4)
    fit = laplace(softmax_regression, x, some, draws=100, chains=2)
    without = laplace(softmax_regression, x[some.notna()], some.dropna(), draws=100, chains=2)
    tree = fit.to_arviz()
    assert np.allclose(tree["log_likelihood"]["y"].isel(row=4), 0)
    np.testing.assert_allclose(loo(tree).elpd, loo(without.to_arviz()).elpd, atol=1.0)  # units of x differ by a row
    assert "confusion matrix" in report(fit, tree)


@pytest.mark.parametrize(
    ("y", "mode"), [(np.zeros(40, dtype=int), 1 / 41), ([3], 2.0)], ids=["no event in 40 rows", "one row"]
)
def test_a_response_that_is_the_same_in_every_row_tells_a_rate(y, mode):
    """Gamma(2, 1) and n rows with sum s: the mode is (1 + s) / (1 + n)."""

    def rate(x, y=None):
        numpyro.sample("y", dist.Poisson(numpyro.sample("r", dist.Gamma(2.0, 1.0)) + 0 * x[:, 0]), obs=y)

    x = np.random.default_rng(0).normal(size=(len(y), 1))
    assert map_estimate(rate, x, y).posterior()["r"].item() == pytest.approx(mode, rel=1e-6)


@pytest.mark.slow
def test_a_dozen_labels_among_many_rows_are_enough():
    """A sample of the rows holds none of them; rows without a label tell P(y | x) nothing."""

    def logistic(x, y=None):
        b = numpyro.sample("b", dist.Normal(0.0, 2.0).expand([2]).to_event(1))
        numpyro.sample("y", dist.Bernoulli(logits=b[0] + b[1] * x[:, 0]), obs=y)

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200_000, 1)), np.full(200_000, None, dtype=object)
    known = rng.choice(200_000, 12, replace=False)
    y[known] = np.where(x[known, 0] + 0.5 * rng.normal(size=12) > 0, "yes", "no")
    many, few = map_estimate(logistic, x, y), map_estimate(logistic, x[known], y[known])
    assert many.posterior()["b"].values == pytest.approx(few.posterior()["b"].values, rel=1e-5)


def test_columns_too_far_from_0_for_their_spread_are_refused():
    """By the raw columns of a user's model, 10^7 away: rounding of the Hessian hides what the prior alone has."""

    def known_spread(x, y=None):
        b = numpyro.sample("b", dist.Normal(0.0, 2.0).expand([3]).to_event(1))
        numpyro.sample("y", dist.Normal(b[0] + x @ b[1:], 0.7), obs=y)

    x = RNG.normal(size=(300, 2)) + 1e7
    for fitter in (laplace, nuts):
        with pytest.raises(PrecisionError, match="subtract its mean"):
            fitter(known_spread, x, RNG.normal(size=300))
    x = x - x.mean(axis=0)
    assert laplace(known_spread, x, RNG.normal(size=300)).warnings == ()
