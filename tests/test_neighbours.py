"""What near rows say: found where x tells more than the model hears, or generates, and not where it does not."""

from functools import partial

import numpy as np
import pytest
from bayeszoo.inference import FitWarning, laplace
from bayeszoo.models import (
    full,
    gaussian_mixture,
    gaussian_naive_bayes,
    hierarchical_regression,
    linear_regression,
    logistic_regression,
    multinomial_naive_bayes,
    polynomial,
    quadratic_discriminant,
)
from bayeszoo.workflow import datasets
from bayeszoo.workflow.neighbours import AROUND, p_of_generated, p_of_labels, p_of_scores
from bayeszoo.workflow.verdict import check

RNG = np.random.default_rng(0)
LINE = RNG.uniform(0, 5, size=(200, 1))
PLANE = RNG.normal(size=(200, 2))
CURVE = (LINE[:, 0] - 2.5) ** 2 + 0.3 * RNG.normal(size=200)
CORNERS = (PLANE[:, 0] * PLANE[:, 1] > 0).astype(int)
SIDES = RNG.integers(2, size=200)
CROSSED = np.column_stack([PLANE[:, 0], np.where(SIDES == 1, 1, -1) * PLANE[:, 0] + 0.3 * PLANE[:, 1]])
CASES = {
    "a line through a parabola": (linear_regression, LINE, CURVE, False),
    "a parabola": (partial(linear_regression, hypothesis=partial(polynomial, degree=2)), LINE, CURVE, True),
    "a line between opposite corners": (logistic_regression, PLANE, CORNERS, False),
    "independent columns that are not": (gaussian_naive_bayes, CROSSED, SIDES, False),
    "their covariances": (quadratic_discriminant, CROSSED, SIDES, True),
}


@pytest.mark.slow
@pytest.mark.parametrize(("model", "x", "y", "passes"), CASES.values(), ids=CASES)
def test_the_verdict_hears_what_x_tells(model, x, y, passes):
    """Those that pass are right by construction: one in a hundred such tables would fail (seeds are fixed)."""
    found = check(laplace(model, x, y, draws=250)).set_index("name")
    one = found.loc["neighbours, p of errors that are unlike"]
    assert one.passed == passes
    assert ("err alike, so x tells more" in one.advice) != passes
    assert passes or one.value == 0.001  # the least of 1,000


def test_errors_that_are_too_wide_or_off_are_not_alike_for_that():
    """Of 200 places, which say nothing of x; of 40 such tables, more than 4 below 0.05 has probability 0.05."""
    rng = np.random.default_rng(5)
    found = [p_of_scores(rng.normal(size=(200, 2)), -0.6 + 2.4 * rng.standard_t(5, size=200)) for _ in range(40)]
    assert np.sum(np.array(found) < 0.05) <= 4


SLANTED = 0.7 * PLANE[:, :1] * np.where(SIDES == 1, 1, -1)[:, None] + np.sqrt(0.51) * PLANE[:, 1:]
CLUSTERS = np.column_stack([PLANE[:, 0] + 5 * SIDES, SLANTED])
JOINT = {
    "components whose columns depend on one another": (partial(gaussian_mixture, k=2), CLUSTERS, None, False),
    "components with covariances": (partial(gaussian_mixture, k=2, covariance=full), CLUSTERS, None, True),
    "labels whose columns depend on one another": (gaussian_naive_bayes, CLUSTERS, SIDES, False),
    "labels with covariances": (quadratic_discriminant, CLUSTERS, SIDES, True),
}


@pytest.mark.slow
@pytest.mark.parametrize(("model", "x", "y", "passes"), JOINT.values(), ids=JOINT)
def test_the_verdict_tells_real_from_generated(model, x, y, passes):
    """Columns are spread as the fit says, each by itself; those that pass are right by construction."""
    found = check(laplace(model, x, y, draws=250)).set_index("name")
    assert found.loc["calibration of columns, p of uniform places"].passed
    one = found.loc["real among generated rows, p"]
    assert one.passed == passes
    assert ("of the rows around a real one are real" in one.advice) != passes
    assert passes or one.value <= 0.002


@pytest.mark.slow
def test_rows_that_are_rounded_or_of_other_totals_are_no_others():
    """Whole centimetres, tenths of a degree in float32, and counts whose total, 3 to 300, the model takes as given."""
    tall = np.round(RNG.normal(170, 7, size=(200, 1)) + 10 * SIDES[:, None])
    share = np.where(SIDES[:, None] == 1, [0.5, 0.3, 0.2], [0.2, 0.3, 0.5])
    words = np.array([RNG.multinomial(n, p) for n, p in zip(RNG.geometric(0.02, size=200) + 2, share, strict=True)])
    fever = np.round(RNG.normal(37, 1, size=(200, 1)), 1).astype(np.float32)
    for model, x in ((gaussian_naive_bayes, tall), (gaussian_naive_bayes, fever), (multinomial_naive_bayes, words)):
        found = check(laplace(model, x, SIDES, draws=250)).set_index("name")
        # p of a right model is below 0.05 in one table of twenty, and seeds are fixed.
        assert found.loc["real among generated rows, p"].value > 0.05
        assert found.loc["calibration of columns, p of uniform places"].value > 0.05


def test_a_fit_of_weighted_rows_says_what_is_not_looked_at():
    found = check(laplace(gaussian_naive_bayes, PLANE, SIDES, weights=np.full(200, 2.0), draws=250)).set_index("name")
    assert found.loc["rows left out"].advice.startswith("rows are weighted, so that none is left out")
    assert not any("calibration" in name for name in found.index)


@pytest.mark.slow
def test_places_of_responses_are_uniform_where_the_model_is_right():
    """Of 2,000 rows some lie beyond all of 1,000 draws."""
    p = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(2_000, 1))
        found = check(laplace(linear_regression, x, x[:, 0] + rng.normal(size=2_000), draws=250)).set_index("name")
        p.append(found.loc["calibration, p of uniform ranks"].value)
    assert min(p) > 0.02  # by chance at most once in ten such sets of tables


@pytest.mark.slow
def test_rows_with_missing_cells_are_not_compared_with_generated_ones():
    """Those left would be others than the table's, where which cells are missing depends on what is in them."""
    holes = CLUSTERS.copy()
    holes[holes[:, 1] > 1, 1] = np.nan
    found = check(laplace(gaussian_naive_bayes, holes, SIDES, draws=250))
    assert "calibration of columns, p of uniform places" in set(found["name"])
    assert "real among generated rows, p" not in set(found["name"])


@pytest.mark.slow
def test_p_of_generated_is_no_smaller_than_it_says():
    """300 tables of two labels, one of them rare; a column of two values has ties."""
    p, shares = [], []
    for rng, x in tables(300):
        generated = np.column_stack([rng.normal(size=300), rng.normal(size=300) > 0.5])
        whole = np.column_stack([x[:, 0], rng.normal(size=100) > 0.5])
        whole[:, 0] = rng.normal(size=100)
        groups = [(whole[:88], generated[:264]), (whole[88:], generated[264:])]
        value, share, expected = p_of_generated(groups)
        p.append(value)
        shares.append(share - expected)
    for level in (0.01, 0.1, 0.5):
        assert abs(np.mean(np.array(p) <= level) - level) < 4 * np.sqrt(level * (1 - level) / 300)
    assert abs(np.mean(shares)) < 4 * np.std(shares) / np.sqrt(300)
    assert AROUND < 12


def tables(count):
    rng = np.random.default_rng(1)
    for _ in range(count):
        x = rng.normal(size=(100, 2))
        x[:, 1] = x[:, 1] > 0.5
        x[rng.random(x.shape) < 0.1] = np.nan
        yield rng, x


@pytest.mark.slow
@pytest.mark.parametrize("sure", [1.0, 0.03], ids=["unsure labels", "labels that are nearly certain"])
def test_p_of_labels_is_no_smaller_than_it_says(sure):
    """300 tables of 100 rows, shares within 4 standard errors; where errors are rare, ties make p larger."""
    p = []
    for rng, x in tables(300):
        probability = rng.dirichlet(sure * np.ones(3), size=100)
        codes = (rng.random((100, 1)) > probability.cumsum(axis=1)[:, :2]).sum(axis=1)
        p.append(p_of_labels(x, probability, codes))
    for level in (0.01, 0.1, 0.5):
        assert np.mean(np.array(p) <= level) - level < 4 * np.sqrt(level * (1 - level) / 300)


@pytest.mark.slow
def test_p_of_scores_is_uniform():
    p = [p_of_scores(x, rng.normal(size=100)) for rng, x in tables(300)]
    for level in (0.01, 0.1, 0.5):
        assert abs(np.mean(np.array(p) <= level) - level) < 4 * np.sqrt(level * (1 - level) / 300)


@pytest.mark.slow
def test_where_the_normal_is_far_nothing_else_is_said():
    """The scale of three groups has a funnel: what leave-one-out would say rests on draws that are not its own."""
    birds = datasets.load("penguins").dropna()
    with pytest.warns(FitWarning, match="far from a normal"):
        far = laplace(hierarchical_regression, birds[["species", "flipper_length_mm"]], birds["body_mass_g"])
    found = check(far)
    assert found["name"].tolist() == ["nats to the mode", "Pareto k of the normal", "warnings of the fitter"]
    assert "use nuts. What else would be looked at rests on these draws" in found["advice"][1]
