"""Fits side by side: joint and conditional models on log P(y | x), each row left out."""

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, laplace, mle
from bayeszoo.models import gaussian_naive_bayes, linear_regression, quadratic_discriminant, softmax_regression
from bayeszoo.workflow.compare import compare, left_out
from scipy import stats

# Of 40 rows, some move a posterior much, which ArviZ says each time.
pytestmark = pytest.mark.filterwarnings("ignore:Estimated shape parameter")
RNG = np.random.default_rng(0)
N = 40
Y = pd.Series(np.where(np.arange(N) % 2, "on", "off"), name="state")
X = pd.DataFrame(RNG.normal(size=(N, 2)) + 1.2 * (Y == "on").to_numpy()[:, None], columns=["u", "v"])
PEERS = {"joint": laplace(gaussian_naive_bayes, X, Y), "conditional": laplace(softmax_regression, X, Y)}


@pytest.mark.parametrize("model", [gaussian_naive_bayes, softmax_regression])
def test_a_row_that_is_left_out_is_as_if_it_had_not_been_fitted(model):
    """log P(y_i | x_i) by 40 fits without row i, against one fit reweighted: 0.03 nats a row, 4,000 draws."""
    fit = laplace(model, X, Y)
    again = []
    for i in range(N):
        rest = np.arange(N) != i
        again.append(float(laplace(model, X[rest], Y[rest]).log_conditional(X.iloc[[i]], Y.iloc[[i]])[0]))
    found = left_out(fit)
    np.testing.assert_allclose(found.elpd_i.values.mean(), np.mean(again), atol=0.03)
    assert stats.pearsonr(found.elpd_i.values, again).statistic > 0.98
    assert found.elpd == pytest.approx(found.elpd_i.values.sum())


def test_models_that_declare_x_and_that_do_not_are_on_equal_terms():
    table = compare({**PEERS, "wide": laplace(quadratic_discriminant, X, Y)})
    assert set(table.index) == {"joint", "conditional", "wide"}
    assert table["weight"].sum() == pytest.approx(1.0, abs=0.02)
    assert table["elpd"].max() < 0
    assert table["elpd"].min() > N * np.log(0.4)  # better than a coin, all of them: log P(y | x), not log P(x, y)


def test_what_cannot_be_compared_is_said():
    joint = PEERS["joint"]
    with pytest.raises(DataError, match="compare takes two fits or more, got 1"):
        compare({"joint": joint})
    with pytest.raises(DataError, match="shorter were fitted to other rows"):
        compare({"joint": joint, "shorter": laplace(softmax_regression, X[:-1], Y[:-1])})
    with pytest.raises(DataError, match="point is a point estimate"):
        compare({"joint": joint, "point": mle(gaussian_naive_bayes, X, Y)})
    with pytest.raises(DataError, match="of labels and line on"):
        compare({"joint": joint, "line": laplace(linear_regression, X, pd.Series(RNG.normal(size=N), name="state"))})
