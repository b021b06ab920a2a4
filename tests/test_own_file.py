"""A model of the user's own from a Python file: every verb takes its run as one of the zoo's."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, ModelError
from bayeszoo.workflow import store
from bayeszoo.workflow.cli import main
from bayeszoo.workflow.own import read_model, source_of

WAITING = '''
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

SLOWEST = 2.0


def waiting(x, y=None, *, shape=1.0):
    """P(y | x) = Gamma(y; shape, rate exp(a + b x)): times between buses, and how they shorten by day."""
    a = numpyro.sample("a", dist.Normal(0.0, SLOWEST))
    b = numpyro.sample("b", dist.Normal(0.0, 1.0))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Gamma(shape, helper(a, b, x)), obs=y)


def helper(a, b, x):
    return jnp.exp(a + b * x[:, 0])
'''


@pytest.fixture
def ask(monkeypatch, capsys):
    def asked(*words):
        monkeypatch.setattr("sys.argv", ["bayeszoo", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, capsys.readouterr()

    return asked


@pytest.fixture
def file(tmp_path):
    (tmp_path / "buses.py").write_text(WAITING)
    rng = np.random.default_rng(0)
    hour = rng.uniform(0, 1, 200)
    pd.DataFrame({"hour": hour, "wait": rng.gamma(2.0, 1 / np.exp(1.0 + hour))}).to_csv(
        tmp_path / "waits.csv", index=False
    )
    return tmp_path / "buses.py"


@pytest.mark.slow
def test_every_verb_takes_a_model_of_ones_own(file, tmp_path, ask):
    run, data = tmp_path / "run", tmp_path / "waits.csv"
    words = "fit", f"{file}:waiting", data, "--target", "wait", "--by", "laplace", "--set", "shape=2.0", "--out", run
    code, said = ask(*words)
    assert code == 0, said.err
    file.write_text("raise SystemError('the run has a copy of its own')")
    page = (run / "report.html").read_text()
    assert "times between buses" in page
    assert "<td>shape</td>" in page
    fit = store.load(run)
    assert fit.model.name == "waiting"
    np.testing.assert_allclose(fit.params["b"].mean(), 1.0, atol=5 * fit.params["b"].std())
    for verb in (("predict", run, data), ("report", run, "--force"), ("summary", run)):
        code, said = ask(*verb)
        assert code == 0, said.err
    (run / store.MODEL).unlink()
    with pytest.raises(DataError, match=r"is damaged \(no model\.py\); fit again"):
        store.load(run)
    code, said = ask("fit", "softmax_regression", "iris", "--target", "target", "--by", "map", "--out", run, "--force")
    assert not (run / store.MODEL).exists()
    assert json.loads((run / "fit.json").read_text())["own"] is False


@pytest.mark.slow
def test_a_model_of_ones_own_is_calibrated(file, tmp_path, ask):
    """By NUTS, which is right, on tables of one column; one seed, 1 false alarm in 100."""
    words = ("--by", "nuts", "--simulations", "100", "--rows", "20", "--columns", "1", "--out", tmp_path / "told")
    code, said = ask("check", f"{file}:waiting", *words)
    assert code == 0, said.err
    assert "nuts     calibrated; of 4 quantities" in said.out  # a, b, the log-likelihood, the first row's density
    assert (tmp_path / "told" / "nuts.png").exists()


def test_what_is_no_model_in_a_file_is_said(file, tmp_path, ask):
    (tmp_path / "broken.py").write_text("import a_package_that_is_not_there\n")
    for reference, words in (
        (f"{file}:wating", r"has no function 'wating'; it has waiting, helper"),
        (f"{file}:SLOWEST", "has no function 'SLOWEST'"),
        (f"{tmp_path / 'absent.py'}:waiting", "is no Python file; a model of your own is named FILE.py:FUNCTION"),
        (f"{tmp_path / 'broken.py'}:waiting", "could not be run: ModuleNotFoundError"),
    ):
        code, said = ask("fit", reference, tmp_path / "waits.csv", "--target", "wait", "--out", tmp_path / "run")
        assert code == 2
        assert words in said.err
        assert said.err.count("\n") == 1
        assert not (tmp_path / "run").exists()
    with pytest.raises(ModelError, match="has no function"):
        read_model(file, "other")
    assert source_of(read_model(file, "waiting")) == file.read_text()
    assert source_of(lambda x: x) is None


@pytest.mark.slow
def test_a_run_knows_the_modules_that_its_model_imports(file, tmp_path, ask, monkeypatch):
    """Its own copy is of the model's file; what that imports is read anew, and may be another by then."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "timetable.py").write_text("FASTER = 1.0\n")
    file.write_text(f"import timetable\n{WAITING}".replace("b * x[:, 0]", "timetable.FASTER * b * x[:, 0]"))
    run, data = tmp_path / "run", tmp_path / "waits.csv"
    words = "fit", f"{file}:waiting", data, "--target", "wait", "--by", "mle", "--no-report", "--no-plots", "--out", run
    assert ask(*words)[0] == 0
    assert store.load(run).model.name == "waiting"
    (tmp_path / "timetable.py").write_text("FASTER = -1.0\n")
    with pytest.raises(ModelError, match="'timetable', which its model imports, has changed since the fit"):
        store.load(run)
    code, said = ask("predict", run, data)
    assert code != 0
    assert "has changed since the fit" in said.err
    monkeypatch.delitem(sys.modules, "timetable")
