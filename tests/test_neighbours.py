"""Rows that are alike in x and err alike: found where x tells more than the model hears, and not where it does not."""

from functools import partial

import numpy as np
import pytest
from bayeszoo.inference import laplace
from bayeszoo.models import (
    gaussian_naive_bayes,
    linear_regression,
    logistic_regression,
    polynomial,
    quadratic_discriminant,
)
from bayeszoo.workflow.neighbours import errors_of_labels, p_of_neighbours
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
    assert passes or one.value < 1e-6


@pytest.mark.parametrize("labels", [0, 3])
def test_p_is_uniform_where_errors_are_independent(labels):
    """1,000 tables of 100 rows: shares below 0.01, 0.1 and 0.5 within 4 standard errors and a skew of 0.01."""
    rng, p = np.random.default_rng(1), []
    for _ in range(1_000):
        x = rng.normal(size=(100, 2))
        x[rng.random(x.shape) < 0.1] = np.nan
        if labels:
            probability = rng.dirichlet(np.ones(labels), size=100)
            codes = (rng.random((100, 1)) > probability.cumsum(axis=1)).sum(axis=1)
            p.append(p_of_neighbours(x, *errors_of_labels(probability, codes)))
        else:
            p.append(p_of_neighbours(x, rng.normal(size=(100, 1)), np.ones((100, 1, 1))))
    for level in (0.01, 0.1, 0.5):
        assert abs(np.mean(np.array(p) < level) - level) < 4 * np.sqrt(level * (1 - level) / 1_000) + 0.01


def test_where_the_normal_is_far_nothing_else_is_said():
    """Four rows hidden in a funnel: what leave-one-out would say rests on draws that are not the posterior's."""
    y = np.concatenate([RNG.normal(size=56), [40.0, -40.0, 60.0, -60.0]])
    found = check(laplace(logistic_regression, np.r_[y, y][:, None], np.repeat([0, 1], 60), draws=250))
    assert "calibration, p of uniform ranks" in set(found["name"])  # near to a normal
