"""ArviZ functions on a fit's tree, with no adaptation; the command line end to end."""

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import mle, nuts
from bayeszoo.models import gaussian_naive_bayes, linear_regression, softmax_regression
from bayeszoo.workflow import datasets, store
from bayeszoo.workflow.cli import main
from sklearn.datasets import load_iris

IRIS = load_iris(as_frame=True)
plt.switch_backend("agg")
SPECIES = pd.Series(IRIS.target_names[IRIS.target], name="species")


@pytest.fixture(scope="module")
def fits():
    return {m.__name__: nuts(m, IRIS.data, SPECIES) for m in (gaussian_naive_bayes, softmax_regression)}


def test_summary_names_classes_and_columns(fits):
    summary = az.summary(fits["gaussian_naive_bayes"].to_arviz())
    assert "mu[setosa, petal width (cm)]" in summary.index
    assert len(summary) == 3 + 12 + 12


# One outlying flower has a Pareto k about 0.7; the sum, which is what is tested, hardly depends on it.
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")
def test_loo_costs_about_the_number_of_parameters(fits):
    fit = fits["gaussian_naive_bayes"]
    elpd = az.loo(fit.to_arviz(), var_name="y").elpd
    joint = fit.log_joint(IRIS.data).values[np.arange(150), IRIS.target]
    assert 26 / 2 < joint.sum() - elpd < 26 * 2  # 26 free parameters (Vehtari, Gelman and Gabry 2017)


@pytest.mark.parametrize("plot", [az.plot_trace_dist, az.plot_rank, az.plot_forest])
def test_arviz_plots_of_parameters(fits, plot):
    for fit in fits.values():
        plot(fit.to_arviz(), var_names=["pi" if fit.shape.generative else "b"], backend="matplotlib")
    plt.close("all")


def test_arviz_plots_the_posterior_predictive(fits):
    az.plot_ppc_dist(fits["gaussian_naive_bayes"].to_arviz(), var_names=["x"], num_samples=20, backend="matplotlib")
    plt.close("all")


def test_arviz_compares_two_regressions_of_one_response():
    """The response is linear in the columns: the line beats the level alone by more than two standard errors."""
    x, y = IRIS.data.iloc[:, :3], IRIS.data.iloc[:, 3]
    line = nuts(linear_regression, x, y)
    noise = x.sample(frac=1, random_state=0).reset_index(drop=True)
    table = az.compare({"line": line.to_arviz(), "shuffled": nuts(linear_regression, noise, y).to_arviz()})
    assert table.index[0] == "line"
    assert table.loc["shuffled", "elpd_diff"] < -2 * table.loc["shuffled", "dse"]


def test_posterior_predictive_has_the_datas_shape(fits):
    tree = fits["gaussian_naive_bayes"].to_arviz()
    assert tree["posterior_predictive"]["x"].shape == (4, 500, 150, 4)  # of 2.4 million numbers every second draw
    assert tree["posterior_predictive"]["draw"].values.tolist() == list(range(0, 1000, 2))
    assert fits["softmax_regression"].to_arviz()["posterior_predictive"]["y"].shape == (4, 1000, 150)
    assert set(np.unique(tree["prior_predictive"]["y"])) <= {0, 1, 2}


def test_stored_fit_answers_as_before(fits, tmp_path):
    fit = fits["gaussian_naive_bayes"]
    store.save(fit, tmp_path)
    again = store.load(tmp_path)
    np.testing.assert_array_equal(again.log_joint(IRIS.data), fit.log_joint(IRIS.data))


def run(capsys, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["bayeszoo", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code, capsys.readouterr()


def test_command_line_fits_penguins(capsys, monkeypatch, tmp_path):
    out = tmp_path / "run"
    words = ("fit", "gaussian_naive_bayes", "penguins", "--target", "species", "--out", out)
    code, said = run(capsys, monkeypatch, *words)
    assert code == 0
    assert "column 'island' is not numeric ('Torgersen' in row 0) and is left out" in said.out
    assert float(said.out.split("accuracy ")[1].split()[0]) > 0.9
    assert {p.stem for p in (out / "plots").glob("*.png")} == {"forest", "trace", "rank", "predictive", "generated"}
    code, said = run(capsys, monkeypatch, "generate", out, "--label", "Gentoo", "-n", "5")
    assert code == 0
    assert said.out.count("Gentoo") == 5
    code, said = run(capsys, monkeypatch, "generate", out, "--label", "Dodo")
    assert (code, said.err) == (2, "error: label 'Dodo' is not one of Adelie, Chinstrap, Gentoo.\n")


def test_pictures_of_an_earlier_fit_do_not_stay(capsys, monkeypatch, tmp_path):
    words = ("fit", "softmax_regression", "iris", "--target", "target", "--out", tmp_path)
    run(capsys, monkeypatch, *words, "--by", "laplace")
    assert {p.stem for p in (tmp_path / "plots").iterdir()} == {"forest", "trace", "rank", "predictive"}
    run(capsys, monkeypatch, *words, "--by", "map")
    assert {p.stem for p in (tmp_path / "plots").iterdir()} == {"predictive"}
    assert {p.name for p in tmp_path.iterdir()} == {"fit.json", "posterior.nc", "rows.npz", "plots"}


def test_an_interrupted_save_leaves_the_earlier_run(fits, tmp_path, monkeypatch):
    fit = fits["gaussian_naive_bayes"]
    store.save(fit, tmp_path)

    def interrupt(*args, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.save(mle(gaussian_naive_bayes, IRIS.data[:100], IRIS.target[:100]), tmp_path)
    np.testing.assert_array_equal(store.load(tmp_path).log_joint(IRIS.data), fit.log_joint(IRIS.data))
    assert {p.name for p in tmp_path.iterdir()} == {"fit.json", "posterior.nc", "rows.npz"}


def test_every_dim_of_the_tree_has_a_coordinate(fits):
    for fit in fits.values():
        for group in fit.to_arviz().subtree:
            assert set(group.dims) <= set(group.coords), group.path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("fit", "naive", "iris"), "there is no model 'naive'"),
        (("fit", "gaussian_naive_bayes", "iris", "--target", "sort"), "there is no column 'sort'"),
        (("fit", "gaussian_naive_bayes", "nowhere.csv"), "'nowhere.csv' is no file and no bundled table"),
        (("fit", "gaussian_naive_bayes", "iris", "--target", "target", "--features", "target"), "among the features"),
        (("fit", "gaussian_naive_bayes", "penguins", "--features", "island"), "column 'island' holds 'Torgersen'"),
        (("fit", "fixed_variance_mixture", "iris", "--set", "q=3"), "--set takes NAME=VALUE"),
        (("summary", "nowhere"), "holds no fit.json"),
        (("fit", "softmax_regression", "penguins", "--target", "species"), "column 'bill_length_mm' is missing"),
        (("fit", "fixed_variance_mixture", "iris", "--set", "k=0"), "cannot be run"),
        (("fit", "linear_regression", "diabetes", "--target", "target", "--set", "hypothesis=cubic"), "linear, poly"),
    ],
)
def test_bad_words_are_one_sentence_and_exit_code_2(capsys, monkeypatch, words, sentence):
    code, said = run(capsys, monkeypatch, *words)
    assert code == 2
    assert sentence in said.err
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1


def test_a_misspelt_option_is_named(capsys, monkeypatch):
    code, said = run(capsys, monkeypatch, "fit", "gaussian_naive_bayes", "iris", "--targt", "target")
    assert code == 2
    assert "--targt" in said.err


@pytest.mark.parametrize("name", datasets.BUNDLED)
def test_bundled_tables_load(name):
    assert len(datasets.load(name)) > 100
