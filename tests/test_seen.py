"""What a fit's tree says of its rows, and rows of each label that it holds."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bayeszoo.inference import laplace
from bayeszoo.models import gaussian_naive_bayes, linear_regression, multinomial_naive_bayes
from bayeszoo.workflow import plots
from bayeszoo.workflow.seen import draws_of_x, generated, telling_columns

# Of a hundred draws, ArviZ says that there are few.
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning")]


def test_rows_of_a_label_are_drawn_as_generate_draws_them():
    """One row of a label at each draw of a class-conditional whose parameters tell how frequent the label is.

    x | y = k ~ Normal(10 k w, 1) and P(y = 1) = w in {0.1, 0.9}, alike: given label 1, w is 0.9 nine times in ten.
    4,000 rows of each of two draws; shares within four standard errors: three tests, false alarms 2e-4 in all.
    """
    conditional = xr.Dataset(
        {
            "x": (("sample", "chain", "draw", "class", "feature"), np.zeros((4000, 1, 2, 2, 1))),
            "log_label_prior": (("chain", "draw", "class"), np.log([[[0.9, 0.1], [0.1, 0.9]]])),
        }
    )
    conditional["x"][:, 0, :, 1, 0] = [1.0, 9.0]
    tree = xr.DataTree.from_dict({"class_conditional": conditional})
    x, draw = draws_of_x(tree, 1)
    assert np.array_equal(x[:, 0], np.where(draw == 0, 1.0, 9.0))
    one = generated(tree, 1, 800, np.random.default_rng(0))
    assert abs(np.mean(one == 9.0) - 0.9) < 4 * np.sqrt(0.09 / 800)
    either, _ = draws_of_x(tree, -1)
    assert abs(np.mean(either == 0.0) - 0.5) < 4 * np.sqrt(0.25 / 8000)
    assert abs(np.mean(either[either > 0] == 9.0) - 0.9) < 4 * np.sqrt(0.09 / 4000)


@pytest.mark.slow
def test_generated_documents_are_as_long_as_those_of_their_label():
    """Short ones of one label, long ones of the other; the picture by label shows as many words as were seen."""
    rng = np.random.default_rng(0)
    long = np.arange(80) % 2
    x = np.array([rng.multinomial(10 + 50 * k, [0.2 + 0.4 * k, 0.3, 0.5 - 0.4 * k]) for k in long])
    fit = laplace(multinomial_naive_bayes, x, long, draws=100, chains=2)
    for k, total in ((0, 10), (1, 60)):
        assert set(fit.generate(50, label=k).to_pandas().iloc[:, :3].sum(axis=1)) == {total}
    heavy = laplace(multinomial_naive_bayes, x[:4] * [[1], [1], [7], [1]], [0, 1, 0, 1], weights=[1.0, 1, 99, 1])
    assert abs(np.mean(heavy.generate(2000, label=0).to_pandas().iloc[:, :3].sum(axis=1) == 70) - 0.99) < 0.01
    tree = fit.to_arviz()
    assert set(generated(tree, 1, 100, rng).sum(axis=1)) == {60.0}
    for k, axis in enumerate(plots.plot_predictive_by_class(tree).axes[::3]):
        density, edges, _ = next(patch for patch in axis.patches if not patch.get_fill()).get_data()
        assert edges[1:][density > 0].max() <= (10, 60)[k] + np.diff(edges).max()
    plt.close("all")


def test_a_column_that_a_label_misses_may_tell_the_others_apart():
    x = np.random.default_rng(0).normal(size=(90, 6))
    codes = np.arange(90) % 3
    x[codes == 1, 0] += 3
    x[codes == 2, 0] = np.nan
    assert telling_columns(x, codes)[0] == 0


@pytest.mark.parametrize("names", [("row", "draw"), ("chain", "sample"), ("", "class")])
def test_labels_may_be_called_as_dimensions_are(names):
    x = np.random.default_rng(0).normal(size=(60, 2)) + (np.arange(60) % 2)[:, None]
    tree = laplace(gaussian_naive_bayes, x, np.array(names)[np.arange(60) % 2], draws=50, chains=2).to_arviz()
    titles = [axis.get_title().strip() for axis in plots.plot_label_calibration(tree).axes]
    assert titles == sorted(names)
    line = laplace(linear_regression, pd.DataFrame({"a": x[:, 0]}), pd.Series(x[:, 1], name=names[1]), draws=50)
    for draw in (plots.plot_response, plots.plot_response_intervals, plots.plot_response_line):
        assert plots.figure_of(draw(line.to_arviz())).axes
    plt.close("all")
