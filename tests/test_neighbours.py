"""Rows that are alike in x and err alike: found where x tells more than the model hears, and not where it does not."""

from functools import partial

import numpy as np
import pytest
from bayeszoo.inference import FitWarning, laplace
from bayeszoo.models import (
    gaussian_naive_bayes,
    hierarchical_regression,
    linear_regression,
    logistic_regression,
    polynomial,
    quadratic_discriminant,
)
from bayeszoo.workflow import datasets
from bayeszoo.workflow.neighbours import p_of_labels, p_of_scores
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


@pytest.mark.parametrize(("model", "x", "y", "passes"), CASES.values(), ids=CASES)
def test_the_verdict_hears_what_x_tells(model, x, y, passes):
    """Those that pass are right by construction: one in a hundred such tables would fail (seeds are fixed)."""
    found = check(laplace(model, x, y, draws=250)).set_index("name")
    one = found.loc["neighbours, p of errors that are unlike"]
    assert one.passed == passes
    assert ("err alike, so x tells more" in one.advice) != passes
    assert passes or one.value == 0.001  # the least of 1,000


def tables(count):
    rng = np.random.default_rng(1)
    for _ in range(count):
        x = rng.normal(size=(100, 2))
        x[:, 1] = x[:, 1] > 0.5
        x[rng.random(x.shape) < 0.1] = np.nan
        yield rng, x


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


def test_p_of_scores_is_uniform():
    p = [p_of_scores(x, rng.normal(size=100)) for rng, x in tables(300)]
    for level in (0.01, 0.1, 0.5):
        assert abs(np.mean(np.array(p) <= level) - level) < 4 * np.sqrt(level * (1 - level) / 300)


def test_where_the_normal_is_far_nothing_else_is_said():
    """The scale of three groups has a funnel: what leave-one-out would say rests on draws that are not its own."""
    birds = datasets.load("penguins").dropna()
    with pytest.warns(FitWarning, match="far from a normal"):
        far = laplace(hierarchical_regression, birds[["species", "flipper_length_mm"]], birds["body_mass_g"])
    found = check(far)
    assert found["name"].tolist() == ["nats to the mode", "Pareto k of the normal", "warnings of the fitter"]
    assert "use nuts. What else would be looked at rests on these draws" in found["advice"][1]
