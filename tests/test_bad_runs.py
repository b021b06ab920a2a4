"""Run folders that are none, and questions a run cannot answer: one sentence, exit code 2, nothing touched."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, laplace, mle
from bayeszoo.models import fixed_variance_mixture, gaussian_naive_bayes, linear_regression, softmax_regression
from bayeszoo.workflow import datasets, store
from bayeszoo.workflow.cli import main
from bayeszoo.workflow.compare import compare

RNG = np.random.default_rng(0)
KIND = np.where(np.arange(40) % 2, "cat", "dog")
X = pd.DataFrame(RNG.normal(size=(40, 2)) + 2.0 * (KIND == "dog")[:, None], columns=["a", "b"])
LABELS = pd.Series(KIND, name="kind")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of whole runs, each a folder; and a table of rows with labels."""
    folder = tmp_path_factory.mktemp("runs")
    fits = {
        "point": mle(gaussian_naive_bayes, X, LABELS),
        "joint": laplace(gaussian_naive_bayes, X, LABELS, draws=50),
        "fewer": laplace(softmax_regression, X[:-1], LABELS[:-1], draws=50),
        "same": laplace(softmax_regression, X, LABELS, draws=50),
        "line": laplace(linear_regression, X[["a"]], X["b"].rename("kind"), draws=50),
    }
    for name, fit in fits.items():
        store.save(fit, folder / name)
    X.assign(kind=KIND).to_csv(folder / "rows.csv", index=False)
    return folder


@pytest.fixture
def ask(monkeypatch, capsys):
    def words(*given):
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["bayeszoo", *map(str, given)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few draws, ArviZ says so
            with pytest.raises(SystemExit) as ended:
                main()
        return ended.value.code or 0, capsys.readouterr()

    return words


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def edit(old, new):
    def damage(run):
        text = (run / "fit.json").read_text()
        assert old in text
        (run / "fit.json").write_text(text.replace(old, new))

    return damage


def remove(name):
    return lambda run: (run / name).unlink()


def truncate(name):
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:200])


def empty(name):
    return lambda run: (run / name).write_bytes(b"")


def other_rows(run):
    with np.load(run / "rows.npz") as stored:
        arrays = dict(stored)
    np.savez(run / "rows.npz", **{**arrays, "x": 2 * arrays["x"]})


def half_written(run):
    """What a first save leaves behind if it is killed: files in a folder of their own, and none in their place."""
    beside = run / ".writing-abc"
    beside.mkdir()
    for name in store.FILES:
        (run / name).rename(beside / name)


CURRENT = f'"version": {store.VERSION}'
DAMAGES = {
    **{f"no {name}": (remove(name), f"is damaged (no {name}); fit again") for name in store.FILES},
    **{f"cut {name}": (truncate(name), "is damaged") for name in store.FILES},
    **{f"empty {name}": (empty(name), "is damaged") for name in store.FILES},
    "version 2": (edit(CURRENT, '"version": 2'), f"was written in format 2, this reads {store.VERSION}; fit again"),
    "version 99": (edit(CURRENT, '"version": 99'), f"was written in format 99, this reads {store.VERSION}"),
    "no version": (edit(CURRENT, '"edition": 1'), "is damaged (no 'version')"),
    "a list": (lambda run: (run / "fit.json").write_text("[]"), "is damaged"),
    "other rows": (other_rows, "rows.npz is not as it was written"),
    "other labels": (edit('"cat"', '"cow"'), "fit.json is not as it was written"),
    "other method": (edit('"mle"', '"map_estimate"'), "fit.json is not as it was written"),
    "half-written": (half_written, "is no run folder; make one with"),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_one_sentence_to_every_verb_and_stays_as_it_is(runs, tmp_path, ask, damage):
    harm, sentence = DAMAGES[damage]
    run, rows = tmp_path / "run", runs / "rows.csv"
    shutil.copytree(runs / "point", run)
    harm(run)
    before = contents(run)
    for words in (
        ("summary", run),
        ("report", run),
        ("report", run, "--force"),
        ("compare", run, runs / "joint"),
        ("predict", run, rows),
        ("generate", run),
    ):
        code, said = ask(*words)
        assert (code, said.out) == (2, ""), words
        assert said.err.startswith("error: ")
        assert sentence in said.err
        assert said.err.count("\n") == 1, said.err
    assert contents(run) == before


def test_a_run_without_its_notes_is_damaged(runs, tmp_path):
    shutil.copytree(runs / "point", tmp_path / "run")
    edit('"notes"', '"remarks"')(tmp_path / "run")
    with pytest.raises(DataError, match=r"is damaged \(no 'notes'\)"):
        store.load_origin(tmp_path / "run")


def test_what_an_interrupted_save_leaves_beside_a_whole_run_does_no_harm(runs, tmp_path, ask):
    run = tmp_path / "run"
    shutil.copytree(runs / "point", run)
    (run / ".writing-abc").mkdir()
    (run / ".writing-abc" / "posterior.nc").write_bytes(b"half")
    before = contents(run)
    code, said = ask("summary", run)
    assert (code, said.err) == (0, "")
    assert contents(run) == before


def test_files_of_two_fits_are_no_run(runs, tmp_path, monkeypatch):
    """Interrupted between its files, a save leaves no folder that reads as a run, and no report of the earlier fit."""
    shutil.copytree(runs / "point", tmp_path / "run")
    (tmp_path / "run" / "report.html").write_text("of the earlier fit")
    moved, replace = [], Path.replace

    def interrupt(path, target):
        if moved:
            raise KeyboardInterrupt
        moved.append(path.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.save(mle(gaussian_naive_bayes, X + 5, LABELS), tmp_path / "run")
    assert moved == ["posterior.nc"]
    assert not (tmp_path / "run" / "report.html").exists()
    with pytest.raises(DataError, match=r"no fit\.json"):
        store.load(tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("compare", "joint"), "compare takes two fits or more, got 1"),
        (("compare", "joint", "fewer"), "were fitted to other rows; fit them to the same table"),
        (("compare", "joint", "point"), "is a point estimate; compare fits by nuts, laplace or svi"),
        (("compare", "joint", "line"), "compare like fits"),
        (("compare", "joint", "nowhere"), "is no run folder; make one with"),
        (
            ("predict", "line", "rows.csv", "--error-rate", "0.1"),
            "has no labels, so --prior, --reject and --error-rate",
        ),
        (("predict", "point", "rows.csv", "--error-rate", "0.1"), "give --held-out labelled rows"),
        (("predict", "joint", "rows.csv", "--held-out", "rows.csv"), "--held-out serves --error-rate; give both"),
        (
            ("predict", "joint", "rows.csv", "--error-rate", "0.1", "--prior", "estimate"),
            "finds the cost for --reject under the fit's own label frequencies",
        ),
        (("predict", "same", "rows.csv", "--prior", "estimate"), "P(y | x) only"),
        (("uncertainty", "line", "rows.csv"), "has no label to be unsure about"),
        (("impute", "same", "rows.csv"), "P(y | x) only"),
        (("outliers", "same", "rows.csv"), "P(y | x) only"),
    ],
)
def test_what_a_run_cannot_answer_is_one_sentence(runs, ask, words, sentence):
    before = contents(runs)
    verb, *rest = words
    given = [runs / word if (runs / word).exists() or word == "nowhere" else word for word in rest]
    code, said = ask(verb, *given)
    assert (code, said.out) == (2, "")
    assert sentence in said.err
    assert said.err.count("\n") == 1, said.err
    assert contents(runs) == before


def test_runs_of_the_same_rows_are_compared(runs, tmp_path, ask):
    code, said = ask("compare", runs / "joint", runs / "same", "--out", tmp_path / "both.png")
    assert code == 0
    heading, *rows, written = said.out.splitlines()
    for word in ("rank", "elpd", "se", "weight"):
        assert word in heading.split()
    assert {row.split()[0] for row in rows if not row.startswith("note")} == {str(runs / n) for n in ("joint", "same")}
    assert written == f"written to {tmp_path / 'both.png'}"
    code, said = ask("compare", runs / "joint", runs / "same", "--out", tmp_path / "both.png")
    assert code == 2
    assert "both.png' is there already" in said.err


@pytest.mark.slow
def test_models_of_other_columns_do_not_compare_on_p_of_x():
    fits = {name: laplace(fixed_variance_mixture, X[list(name)], draws=50) for name in ("ab", "a")}
    with pytest.raises(DataError, match=r"ab and a are scored on log P\(x\), and 'b' is a column of one of them only"):
        compare(fits)


@pytest.mark.parametrize("mine", ["report.html", "generated.csv", "posterior.nc", "plots/forest.png"])
def test_files_in_a_run_folder_are_replaced_by_force_only(runs, tmp_path, ask, mine):
    (tmp_path / mine).parent.mkdir(exist_ok=True)
    (tmp_path / mine).write_text("mine")
    code, said = ask("fit", "gaussian_naive_bayes", runs / "rows.csv", "--target", "kind", "--out", tmp_path)
    assert code == 2
    assert f"{Path(mine).parts[0]}' is there already; give --force to replace it" in said.err
    assert contents(tmp_path) == {mine: b"mine"}


@pytest.mark.parametrize(
    ("place", "sentence"), [("nowhere/x.png", "as there is no folder"), ("a.png", "is a folder; --out")]
)
@pytest.mark.parametrize("verb", ["report", "learning-curve", "compare"])
def test_a_place_that_cannot_be_written_to_is_said_before_the_work(runs, tmp_path, ask, verb, place, sentence):
    words = {
        "report": (runs / "joint",),
        "learning-curve": (runs / "rows.csv", "--target", "kind"),
        "compare": (runs / "joint", runs / "same"),
    }
    (tmp_path / "a.png").mkdir()
    code, said = ask(verb, *words[verb], "--out", tmp_path / place, "--force")
    assert code == 2
    assert sentence in said.err
    assert contents(tmp_path) == {}


@pytest.mark.slow
def test_rows_that_miss_a_value_are_dropped_on_request(tmp_path, ask):
    """For a model without P(x); the joint model is fitted to the same rows, so that the two compare."""
    words = ("penguins", "--target", "species", "--by", "laplace", "--no-plots", "--no-report")
    code, said = ask("fit", "softmax_regression", *words, "--out", tmp_path / "c")
    assert code == 2
    assert "has no P(x) to integrate it out" in said.err
    for model, name in (("softmax_regression", "c"), ("gaussian_naive_bayes", "j")):
        code, said = ask("fit", model, *words, "--drop-missing", "--out", tmp_path / name)
        assert code == 0, said.err
        assert "note: 2 of 344 rows miss a value and are left out." in said.out
    both = [store.load(tmp_path / name) for name in "cj"]
    np.testing.assert_array_equal(both[0].x, both[1].x)
    whole = datasets.load("penguins")
    numbers = store.load_origin(tmp_path / "c").numbers
    np.testing.assert_array_equal(whole["year"].to_numpy()[numbers], both[0].x[:, -1])
    assert ask("compare", tmp_path / "c", tmp_path / "j")[0] == 0


@pytest.mark.slow
def test_names_that_only_held_out_rows_have_are_left_out_of_the_score(tmp_path, ask):
    table = X.assign(kind=KIND, colour=np.where(np.arange(40) % 3, "red", "blue"))
    held = np.sort(np.random.default_rng(0).permutation(40)[:8])  # as the verb chooses them
    table.loc[held[2], "colour"] = "green"
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ("fit", "mixed_naive_bayes", tmp_path / "t.csv", "--target", "kind", "--by", "map", "--no-report")
    code, said = ask(*words, "--no-plots", "--out", tmp_path / "run")
    assert code == 0, said.err
    assert "note: 1 held-out rows have a colour that no fitted row has." in said.out
    assert "held-out 7 rows" in said.out


@pytest.mark.slow
def test_a_report_of_a_point_says_which_sections_need_draws(runs, tmp_path, ask):
    code, said = ask("report", runs / "point", "--out", tmp_path / "page.html")
    assert code == 0, said.err
    page = (tmp_path / "page.html").read_text()
    for words in (
        "Of a point estimate, little can be checked: most checks need draws",
        "A point estimate has no intervals",
        "A point estimate leaves no row out",
        "A point estimate cannot say how much of it more rows would settle",
        "Leave-one-out needs draws",
    ):
        assert words in page


@pytest.mark.slow
def test_pictures_of_a_calibration_are_replaced_by_force_only(tmp_path, ask):
    (tmp_path / "laplace.png").write_bytes(b"mine")
    words = ("check", "linear_regression", "--by", "laplace", "--simulations", "20", "--rows", "10", "--out", tmp_path)
    code, said = ask(*words)
    assert (code, said.err.count("\n")) == (2, 1)
    assert "laplace.png' is there already; give --force to replace it" in said.err
    assert (tmp_path / "laplace.png").read_bytes() == b"mine"
    code, _ = ask(*words, "--force")
    assert code == 0
    assert (tmp_path / "laplace.png").read_bytes() != b"mine"


@pytest.mark.slow
def test_what_a_csv_holds_keeps_its_kind(tmp_path, ask):
    """None is a name, whole numbers with one missing are whole labels, and what was made of columns is said."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(size=48), "code": np.array(["1", "2", "x"])[np.arange(48) % 3]})
    table = table.assign(harm=np.where(np.arange(48) % 2, "None", "Mild"), grade=np.arange(48) % 3 + 1.0)
    table.loc[7, "grade"] = np.nan
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ("fit", "mixed_naive_bayes", tmp_path / "t.csv", "--by", "map", "--no-report", "--no-plots")
    code, said = ask(*words, "--target", "grade", "--labels", "1,2,3", "--out", tmp_path / "a")
    assert code == 0, said.err
    assert "note: columns are read as names: code (3 different), harm (2 different); numbers: size." in said.out
    assert store.load(tmp_path / "a").label_coordinate.tolist() == [1, 2, 3]
    code, said = ask(*words, "--target", "grade", "--drop-missing", "--out", tmp_path / "b")
    assert store.load(tmp_path / "b").label_coordinate.tolist() == [1, 2, 3]
    code, said = ask(*words, "--target", "harm", "--out", tmp_path / "c")
    assert store.load(tmp_path / "c").label_coordinate.tolist() == ["Mild", "None"]
    table[table["code"] != "x"].to_csv(tmp_path / "new.csv", index=False)  # of which codes look like numbers
    code, said = ask("predict", tmp_path / "c", tmp_path / "new.csv")
    assert code == 0, said.err
    assert len(said.out.splitlines()) == 33


def test_pictures_and_runs_to_compare_are_looked_at_first(runs, tmp_path, ask):
    code, said = ask("compare", runs / "joint", runs / "same", "--out", tmp_path / "p.xyz")
    assert (code, said.err.count("\n")) == (2, 1)
    assert "p.xyz' is no name of a picture; it ends in .png, .pdf, .svg" in said.err
    code, said = ask("compare", runs / "joint", runs / "joint")
    assert "is named twice; compare takes each run once" in said.err
    code, said = ask("compare", runs / "joint", runs / "same")
    assert "laplace" not in said.out  # rows are left out of the posterior, whatever the fitter
