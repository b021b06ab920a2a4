"""Run folders that are none, and questions a run cannot answer: one sentence, exit code 2, nothing touched."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, laplace, mle
from bayeszoo.models import gaussian_naive_bayes, linear_regression, softmax_regression
from bayeszoo.workflow import store
from bayeszoo.workflow.cli import main

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
    "half-written": (half_written, "is no run folder; make one with"),
}


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
    """Interrupted between its files, a save leaves no folder that reads as a run."""
    shutil.copytree(runs / "point", tmp_path / "run")
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


def test_runs_of_the_same_rows_are_compared(runs, ask):
    code, said = ask("compare", runs / "joint", runs / "same")
    assert code == 0
    assert "elpd" in said.out


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
