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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("plot", [az.plot_trace_dist, az.plot_rank, az.plot_forest])
def test_arviz_plots_of_parameters(fits, plot):
    for fit in fits.values():
        plot(fit.to_arviz(), var_names=["pi" if fit.shape.generative else "b"], backend="matplotlib")
    plt.close("all")


def test_arviz_plots_the_posterior_predictive(fits):
    az.plot_ppc_dist(fits["gaussian_naive_bayes"].to_arviz(), var_names=["x"], num_samples=20, backend="matplotlib")
    plt.close("all")


@pytest.mark.slow
def test_arviz_compares_two_regressions_of_one_response():
    """The response is linear in the columns: the line beats the level alone by more than two standard errors."""
    x, y = IRIS.data.iloc[:, :3], IRIS.data.iloc[:, 3]
    line = nuts(linear_regression, x, y)
    noise = x.sample(frac=1, random_state=0).reset_index(drop=True)
    table = az.compare({"line": line.to_arviz(), "shuffled": nuts(linear_regression, noise, y).to_arviz()})
    assert table.index[0] == "line"
    assert table.loc["shuffled", "elpd_diff"] < -2 * table.loc["shuffled", "dse"]


@pytest.mark.slow
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
    assert "column 'island' is not numeric ('Torgersen' in row 1) and is left out" in said.out
    assert float(said.out.split("accuracy ")[1].split()[0]) > 0.9
    assert {p.stem for p in (out / "plots").glob("*.png")} == {"forest", "trace", "rank", "predictive", "generated"}
    code, said = run(capsys, monkeypatch, "generate", out, "--label", "Gentoo", "-n", "5")
    assert code == 0
    assert said.out.count("Gentoo") == 5
    code, said = run(capsys, monkeypatch, "generate", out, "--label", "Dodo")
    assert (code, said.err) == (2, "error: label 'Dodo' is not one of Adelie, Chinstrap, Gentoo.\n")


def csv(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_what_a_csv_file_brings(capsys, monkeypatch, tmp_path):
    numbers = np.random.default_rng(0).normal(size=40)
    kind = np.where(np.arange(40) % 2, "kind", "other")
    good = csv(tmp_path / "good.csv", a=numbers, b=numbers[::-1], kind=kind)

    def fit(path, *words):
        return run(capsys, monkeypatch, "fit", "gaussian_naive_bayes", path, "--out", tmp_path / "run", *words)

    code, said = fit(good, "--target", "kind", "--by", "map", "--no-plots", "--no-report")
    assert code == 0, said.err
    before = (tmp_path / "run" / "posterior.nc").read_bytes()
    code, said = run(capsys, monkeypatch, "predict", tmp_path / "run", good)
    assert said.out.splitlines()[0] == "kind,P(kind),P(other)"
    assert len(said.out.splitlines()) == 41

    (tmp_path / "twice.csv").write_text("a,a,kind\n1,2,x\n3,4,y\n")
    (tmp_path / "ragged.csv").write_text("a,kind\n1,x\n3,4,y\n")
    (tmp_path / "file").write_text("")
    inf = csv(tmp_path / "inf.csv", a=np.where(np.arange(40) == 7, np.inf, numbers), kind=kind)
    row = csv(tmp_path / "row.csv", a=[1.0], kind=["x"])
    date = csv(tmp_path / "date.csv", a=numbers, day=["2026-01-01"] * 40, none=[None] * 40, kind=kind)
    for path, words, sentence in (
        (tmp_path / "twice.csv", (), "has two columns 'a'; rename one."),
        (tmp_path / "ragged.csv", (), "cannot be read as a table: Error tokenizing data."),
        (inf, ("--target", "kind"), "row 7, column 'a' is inf"),
        (row, ("--target", "kind", "--holdout", "0"), "no numeric column with two values or more is left (1 rows)"),
        (good, ("--out", tmp_path / "file"), "is no folder that can be written to"),
        (good, ("--out", tmp_path / "file" / "below"), "is no folder that can be written to"),
    ):
        code, said = fit(path, *words)
        assert (code, said.err.count("\n")) == (2, 1), said.err
        assert sentence in said.err
    assert (tmp_path / "run" / "posterior.nc").read_bytes() == before
    code, said = fit(good, "--target", "kind", "--by", "map")
    assert (code, said.err.count("\n")) == (2, 1)
    assert "is there already; give --force to replace it" in said.err
    assert (tmp_path / "run" / "posterior.nc").read_bytes() == before
    code, said = fit(date, "--target", "kind", "--by", "map", "--no-plots", "--no-report", "--force")
    assert "column 'day' is not numeric ('2026-01-01' in row 0) and is left out." in said.out
    assert "column 'none' has no value and is left out." in said.out

    hole = csv(tmp_path / "hole.csv", a=np.where(np.arange(40) == 30, np.nan, numbers), b=numbers, kind=kind)
    code, said = run(capsys, monkeypatch, "fit", "softmax_regression", hole, "--target", "kind")
    assert "row 30, column 'a' is missing" in said.err
    some = csv(tmp_path / "some.csv", a=numbers, kind=np.where(np.arange(40) < 9, "", kind))
    code, said = fit(some, "--target", "kind", "--by", "map", "--no-plots", "--no-report", "--force", "--holdout", "0")
    assert "note: 9 of 40 rows have no 'kind'; their labels are summed out." in said.out
    (tmp_path / "semicolons.csv").write_text("a;b\n1;2\n")
    assert "separate columns by commas" in fit(tmp_path / "semicolons.csv")[1].err
    assert "did you mean gaussian_naive_bayes?" in run(capsys, monkeypatch, "fit", "gausian_bayes", good)[1].err


def test_labels_of_the_command_line(capsys, monkeypatch, tmp_path):
    numbers = np.random.default_rng(0).normal(size=40)
    for labels, words in (([True, False], ("true", "True")), ([0.5, 2.0], ("0.50", "2"))):
        path = csv(tmp_path / "t.csv", a=numbers, kind=labels * 20)
        words_of_fit = ("fit", "gaussian_naive_bayes", path, "--target", "kind", "--by", "map", "--no-plots")
        run(capsys, monkeypatch, *words_of_fit, "--no-report", "--force", "--out", tmp_path / "run")
        for word in words:
            code, said = run(capsys, monkeypatch, "generate", tmp_path / "run", "--label", word, "-n", "2")
            assert (code, len(said.out.splitlines())) == (0, 3)


@pytest.mark.slow
def test_a_damaged_run_is_one_sentence(fits, capsys, monkeypatch, tmp_path):
    fit = fits["gaussian_naive_bayes"]
    store.save(mle(linear_regression, IRIS.data, IRIS.target.astype(float)), tmp_path / "other")

    def truncate(name):
        path = tmp_path / "run" / name
        path.write_bytes(path.read_bytes()[:100])

    def edit(old, new):
        path = tmp_path / "run" / "fit.json"
        path.write_text(path.read_text().replace(old, new))

    damages = (
        lambda: truncate("fit.json"),
        lambda: truncate("posterior.nc"),
        lambda: truncate("rows.npz"),
        lambda: edit('"units"', '"unit"'),
        lambda: edit("gaussian_naive_bayes", "gone"),
        lambda: (tmp_path / "run" / "posterior.nc").write_bytes((tmp_path / "other" / "posterior.nc").read_bytes()),
        lambda: (tmp_path / "run" / "rows.npz").unlink(),
    )
    for damage in damages:
        store.save(fit, tmp_path / "run")
        damage()
        capsys.readouterr()  # a progress bar, where saving takes over two seconds
        code, said = run(capsys, monkeypatch, "summary", tmp_path / "run")
        assert (code, said.err.count("\n")) == (2, 1), said.err
        assert "fit again" in said.err or "no run folder" in said.err


@pytest.mark.slow
def test_pictures_of_an_earlier_fit_do_not_stay(capsys, monkeypatch, tmp_path):
    words = ("fit", "softmax_regression", "iris", "--target", "target", "--no-report", "--force", "--out", tmp_path)
    run(capsys, monkeypatch, *words, "--by", "laplace")
    assert {p.stem for p in (tmp_path / "plots").iterdir()} == {"forest", "trace", "rank", "predictive"}
    run(capsys, monkeypatch, *words, "--by", "map")
    assert {p.stem for p in (tmp_path / "plots").iterdir()} == {"predictive"}
    assert {p.name for p in tmp_path.iterdir()} == {"fit.json", "posterior.nc", "rows.npz", "held_out.json", "plots"}


@pytest.mark.slow
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


@pytest.mark.slow
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
        (("summary", "nowhere"), "is no run folder"),
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
