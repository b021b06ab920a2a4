"""Learning curves: the fits of one program are those of map_estimate, and crossings are where they are."""

import numpy as np
import pytest
import xarray as xr
from bayeszoo.inference import DataError, ModelError, curves, learning_curve, map_estimate
from bayeszoo.models import gaussian_naive_bayes, linear_regression, softmax_regression
from bayeszoo.workflow import datasets
from bayeszoo.workflow.cli import main
from bayeszoo.workflow.learning import crossing, overtaking, plot_learning_curve

PENGUINS = datasets.load("penguins").dropna().reset_index(drop=True)
X, Y = PENGUINS[["bill_length_mm", "bill_depth_mm"]], PENGUINS["species"]
MODELS = {"naive": gaussian_naive_bayes, "softmax": softmax_regression}


@pytest.mark.slow
def test_one_program_fits_what_map_estimate_does(monkeypatch):
    """The same training and test rows of one split; only the units of the priors are those of the whole table there."""
    calls, fit_them = [], curves._each_split
    monkeypatch.setattr(
        curves, "_each_split", lambda *data, **more: calls.append(data[2].shape) or fit_them(*data, **more)
    )
    curve = learning_curve(MODELS, X, Y, sizes=[30, 200], splits=3, seed=5)
    order = np.random.default_rng(5).permutation(len(X))
    test = order[len(X) - round(0.3 * len(X)) :]
    assert dict(curve.sizes) == {"model": 2, "size": 2, "split": 3}
    assert calls == [(3, len(X))] * 4  # a model and size each, for all splits together
    for name, model in MODELS.items():
        fit = map_estimate(model, X.iloc[order[:200]], Y.iloc[order[:200]])
        log_p = fit.log_conditional(X.iloc[test], Y.iloc[test])
        cell = curve.sel(model=name, size=200, split=0)
        assert cell["log_loss"].item() == pytest.approx(-float(log_p.mean()), abs=0.01)
        wrong = np.mean(fit.assign(X.iloc[test]).values != Y.iloc[test])
        assert cell["error"].item() == pytest.approx(wrong, abs=0.011)  # one of the 100 rows may lie on the border


def test_more_rows_make_fewer_errors():
    # The program of the test above.
    curve = learning_curve(MODELS, X, Y, sizes=[30, 200], splits=3, seed=5)
    mean = curve.mean("split")
    assert np.all(mean["error"].isel(size=1) < mean["error"].isel(size=0))
    assert np.all(mean["log_loss"].isel(size=1) < mean["log_loss"].isel(size=0))
    assert plot_learning_curve(curve, "penguins").axes


@pytest.mark.slow
def test_the_verb_draws_a_curve(tmp_path, monkeypatch, capsys):
    few = tmp_path / "birds.csv"
    PENGUINS[["bill_length_mm", "bill_depth_mm", "species"]][::6].to_csv(few, index=False)
    words = ["learning-curve", str(few), "--target", "species", "--splits", "3", "--out", str(tmp_path / "curve.png")]
    for code in (0, 2):
        monkeypatch.setattr("sys.argv", ["bayeszoo", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == code
    said = capsys.readouterr()
    assert said.out.count("softmax regression overtakes naive Bayes") == 2
    assert "is there already; give --force" in said.err
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def known(first, second, splits=30):
    """Curves of two models at 10, 100 and 1,000 rows, with a little noise."""
    noise = np.random.default_rng(0).normal(0, 0.001, size=(2, 3, splits))
    values = np.array([first, second])[..., None] + noise
    coords = {"model": ["a", "b"], "size": [10, 100, 1000], "split": np.arange(splits)}
    return xr.Dataset({"error": (("model", "size", "split"), values)}, coords)


def test_the_crossing_is_where_the_curves_cross():
    """Differences of 0.1 and -0.1 at 100 and 1,000 rows cross half way between on a log scale, at 316."""
    middle, low, high, sure = crossing(known([0.3, 0.2, 0.2], [0.5, 0.3, 0.1]))
    assert middle == pytest.approx(10**2.5, rel=0.02)
    assert low < middle < high < 340
    assert sure == 1.0
    assert crossing(known([0.3, 0.2, 0.1], [0.5, 0.3, 0.2]))[3] == 0.0
    assert np.isnan(crossing(known([0.3, 0.2, 0.1], [0.2, 0.1, 0.05]))[0])
    assert overtaking(known([0.3, 0.2, 0.2], [0.5, 0.3, 0.1])).startswith("b overtakes a at 31")
    assert "b overtakes a nowhere for sure" in overtaking(known([0.3, 0.2, 0.1], [0.5, 0.3, 0.2]))
    assert "nowhere, as it is better from the fewest" in overtaking(known([0.3, 0.2, 0.1], [0.2, 0.1, 0.05]))


def test_what_has_no_curve_is_said():
    with pytest.raises(
        DataError, match="more than 6 rows to train on, two of each of the 3 labels of y, and a split has 4"
    ):
        learning_curve(MODELS, X[::60], Y[::60])
    with pytest.raises(DataError, match="fewer than the 900 of the largest size"):
        learning_curve(MODELS, X, Y, sizes=[10, 900])
    with pytest.raises(ModelError, match="linear_regression has no labels"):
        learning_curve({"line": linear_regression}, X, Y)
