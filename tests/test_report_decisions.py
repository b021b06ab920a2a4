"""The report's section on decisions, its numbers worked out another way, and its verbs."""

import io

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import cost_of_error, decide, estimate_label_prior, label_uncertainty, laplace
from bayeszoo.inference.queries import label_likelihood
from bayeszoo.models import gaussian_naive_bayes, mixed_naive_bayes
from bayeszoo.workflow import store
from bayeszoo.workflow.cli import main
from bayeszoo.workflow.left_out import Case, own_label_posterior
from bayeszoo.workflow.report_decisions import decisions
from scipy import stats

N = 800
RNG = np.random.default_rng(0)
CODE = (RNG.random(N) < 0.3).astype(int)
KIND = pd.Series(np.where(CODE, "dog", "cat"), name="kind")
X = pd.DataFrame(
    {
        "size": RNG.normal(1.5 * CODE),
        "weight": RNG.normal(4.0 - CODE, 0.5),
        "legs": RNG.poisson(3.0 + 2 * CODE),
        "colour": np.where(RNG.random(N) < np.where(CODE, 0.8, 0.3), "red", "blue"),
    }
)
X.loc[[3, 5], "weight"] = np.nan
X.loc[5, "colour"] = None


@pytest.fixture(scope="module")
def case():
    fit = laplace(mixed_naive_bayes, X, KIND, draws=200)
    return Case(fit, fit.to_arviz())


@pytest.fixture(scope="module")
def parts(case):
    return list(decisions(case))


def table(parts, column):
    (found,) = [part.frame for part in parts if part.frame is not None and column in part.frame]
    return found


@pytest.mark.slow
def test_the_section_has_a_part_for_each_question(parts):
    assert [part.heading for part in parts if part.heading] == [
        "Naming no label where it is not sure",
        "Decisions under costs",
        "What is unsure",
        "Were labels more or less frequent",
        "Missing cells, filled in",
    ]
    assert sum(bool(part.image) for part in parts) == 2


def test_rejection_holds_its_error_rates(case, parts):
    p, _ = own_label_posterior(case.fit, case.tree)
    top, right = p.max(axis=1), p.argmax(axis=1) == CODE
    for _, row in table(parts, "cost for reject").iterrows():
        kept = 1 - top <= float(row["cost for reject"]) + 1e-4  # it is printed with four digits
        assert f"{100 * kept.mean():.1f} %" == row["named"]
        assert f"{100 * right[kept].mean():.1f} %" == row["of those right"]
        assert 1 - right[kept].mean() <= float(row["wrong, at most"].split()[0]) / 100


def test_what_is_paid_is_what_is_expected(case, parts):
    """The model is right, so that they differ by Monte Carlo error: 4 standard errors of each (6 costs: 4e-4)."""
    p, _ = own_label_posterior(case.fit, case.tree)
    top = p.max(axis=1)
    found = table(parts, "paid a row")
    for _, row in found.iterrows():
        kept = 1 - top <= row["cost of none"]
        assert (row["named"], row["none"]) == (kept.sum(), (~kept).sum())
        paid = np.where(kept, p.argmax(axis=1) != CODE, row["cost of none"])
        assert row["paid a row"] == pytest.approx(paid.mean())
        error = np.sqrt((top * (1 - top))[kept].sum()) / N
        # And 2.4 of the 800 rows, as the number of few that are wrong is no normal.
        assert abs(row["paid a row"] - row["expected cost a row"]) < 4 * error + 0.003
    assert found["paid a row"].is_monotonic_increasing


def test_the_costly_mistake_is_avoided(case, parts):
    p, _ = own_label_posterior(case.fit, case.tree)
    (text,) = [part.text for part in parts if "mistake to expect most" in part.text]
    (code,) = [part.code for part in parts if part.code]
    called = p.argmax(axis=1)
    dogs_as_cats, cats_as_dogs = p[called == 0, 1].sum(), p[called == 1, 0].sum()
    assert dogs_as_cats > cats_as_dogs
    assert text.startswith("Taking dog for cat")
    changed = np.sum((10 * p[:, 1] > p[:, 0]) != called)
    assert f"{changed} of {N} rows" in text
    space = {"pd": pd, "np": np, "fit": case.fit, "x": X, "decide": decide}
    exec(code.replace('decide(fit, x, cost)["decision"]', 'answer = decide(fit, x, cost)["decision"]'), space)
    q = np.exp(case.fit.log_label_posterior(X).values)
    np.testing.assert_array_equal(space["answer"] == "dog", 10 * q[:, 1] > q[:, 0])


def test_uncertainty_is_that_of_the_function(case, parts):
    found = label_uncertainty(case.fit, X)
    (text,) = [part.text for part in parts if "would be no idea" in part.text]
    assert f"unsure by {float(found.total.mean()):.3g} nats" in text
    assert f"settle {100 * float(found.epistemic.mean() / found.total.mean()):.0f} % of it" in text


def test_label_frequencies_from_x_alone_agree_with_those_of_labels(case, parts):
    """EM's share of dogs within 4 standard errors of their share (6e-5): sqrt(0.21 / 800) = 0.016, and more, unseen."""
    found = table(parts, "from x alone, by EM").set_index("label")
    assert found.loc["dog", "share of rows"] == pytest.approx(CODE.mean())
    assert abs(found.loc["dog", "from x alone, by EM"] - CODE.mean()) < 4 * 0.016
    np.testing.assert_allclose(found["from x alone, by EM"], estimate_label_prior(case.fit, X), rtol=1e-9)
    likelihood = label_likelihood(
        case.fit, case.fit.x
    ).values  # the mean of P(x | y) over draws, not E P(x, y) / E P(y)
    changed = likelihood.argmax(axis=1) != case.fit.log_label_posterior(case.fit.x).values.argmax(axis=1)
    (text,) = [part.text for part in parts if "equally frequent" in part.text]
    assert f"{changed.sum()} of {N} rows would be called otherwise" in text
    assert table(parts, "equally frequent")["row"].tolist() == np.flatnonzero(changed)[:5].tolist()


def test_missing_cells_are_filled_in(parts):
    found = table(parts, "filled in")
    cells = found[["row", "column"]].to_numpy().tolist()
    assert cells == [[3, "weight"], [5, "weight"], [5, "colour"]]
    for row, said in zip([3, 5], found["filled in"], strict=False):
        middle, low, high = (float(word.strip("()")) for word in said.replace(" to", "").split())
        sd = 0.5 / np.sqrt(200)
        assert abs(middle - (4.0 - CODE[row])) < 5 * np.hypot(sd, 0.5 / np.sqrt(200))
        assert abs(high - low - 2 * 1.645 * 0.5) < 0.4  # 5 errors of two quantiles of 200 draws: 0.5 x 2.1 / sqrt(200)
    assert found["filled in"].iloc[2].split()[0] == ("red" if CODE[5] else "blue")


@pytest.mark.slow
def test_hidden_cells_are_where_they_are_filled_in(parts):
    """90 % intervals cover, names are right as often as expected: by binomial tests at 1e-4, of counts one-sided."""
    numbers = table(parts, "inside 90 %").set_index("column")
    names = table(parts, "right").set_index("column")
    assert set(numbers.index) == {"size", "weight", "legs"}
    for column, row in numbers.iterrows():
        side = "less" if column == "legs" else "two-sided"
        inside = round(row["inside 90 %"] * row["hidden"])
        assert stats.binomtest(inside, int(row["hidden"]), 0.9, side).pvalue > 1e-4
    row = names.loc["colour"]
    assert stats.binomtest(round(row["right"] * row["hidden"]), int(row["hidden"]), row["expected"]).pvalue > 1e-4
    assert numbers["hidden"].sum() + names["hidden"].sum() == 500
    sd = X["weight"].std()
    assert numbers.loc["weight", "error"] == pytest.approx(
        0.5 / sd, rel=4 / np.sqrt(2 * numbers.loc["weight", "hidden"])
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the half of the rows; the other half is a table."""
    folder = tmp_path_factory.mktemp("run")
    numbers = X[["size", "weight"]]
    fit = laplace(gaussian_naive_bayes, numbers[: N // 2], KIND[: N // 2], draws=200)
    store.save(fit, folder)
    numbers.assign(kind=KIND)[N // 2 :].to_csv(folder / "new.csv", index=False)
    return folder


def ask(monkeypatch, capsys, *words):
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["bayeszoo", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert not ended.value.code, said.err
    return pd.read_csv(io.StringIO(said.out), keep_default_na=False), said.err


@pytest.mark.slow
def test_labels_at_an_error_rate(monkeypatch, capsys, run):
    """At most 5 % of the named are wrong among the run's own rows, left out; of new ones, within 4 standard errors."""
    new = pd.read_csv(run / "new.csv")
    table, said = ask(monkeypatch, capsys, "predict", run, run / "new.csv", "--error-rate", "0.05")
    named = (table["kind"] != "").to_numpy()
    assert 0.2 < named.mean() < 1.0
    wrong = np.mean(table["kind"][named] != new["kind"][named])
    assert wrong < 0.05 + 4 * np.sqrt(0.05 / named.sum())
    cost = float(said.split()[1].rstrip(":"))
    assert ": of rows left out " in said
    np.testing.assert_array_equal(named, 1 - table[["P(cat)", "P(dog)"]].max(axis=1) <= cost + 5e-5)
    fit = store.load(run)
    p, of = own_label_posterior(fit, fit.to_arviz())
    assert of == "rows left out"
    own = 1 - p.max(axis=1) <= cost + 5e-5
    assert np.mean(p.argmax(axis=1)[own] != fit.y[own]) <= 0.05
    words = ("predict", run, run / "new.csv", "--error-rate", "0.05", "--held-out", run / "new.csv")
    table, said = ask(monkeypatch, capsys, *words)
    named = (table["kind"] != "").to_numpy()
    assert np.mean(table["kind"][named] != new["kind"][named]) <= 0.05
    kept, wrong = named.sum(), np.sum(table["kind"][named] != new["kind"][named])
    cost = cost_of_error(fit, new, new["kind"], error=0.05)
    assert (
        f"--reject {cost:.4g}: of rows held out {kept} of {len(new)} keep a label, of which {wrong} are wrong" in said
    )


def test_labels_at_a_cost_and_under_other_frequencies(monkeypatch, capsys, run):
    """A label is kept where its chance of being wrong is at most the cost; new odds are the old times their ratio, but
    for what the 200 draws of P(y) and P(x | y) have in common."""
    new, fit = pd.read_csv(run / "new.csv"), store.load(run)
    p = fit.assign(new, soft=True).values
    table, _ = ask(monkeypatch, capsys, "predict", run, run / "new.csv", "--reject", "0.2")
    assert 0 < np.sum(table["kind"] == "") < len(new)
    np.testing.assert_array_equal(table["kind"] == "", 1 - p.max(axis=1) > 0.2)
    words = ("predict", run, run / "new.csv", "--prior", '{"cat": 0.9, "dog": 0.1}')
    under, _ = ask(monkeypatch, capsys, *words)
    own = np.exp(fit.log_label_prior()).sel(label=["cat", "dog"]).values
    want = p * np.array([0.9, 0.1]) / own
    np.testing.assert_allclose(under[["P(cat)", "P(dog)"]], want / want.sum(axis=1, keepdims=True), atol=1e-3)
    assert (under["kind"] == np.where(under["P(cat)"] >= under["P(dog)"], "cat", "dog")).all()
    both, _ = ask(monkeypatch, capsys, *words, "--reject", "0.2")
    np.testing.assert_array_equal(both["kind"] == "", 1 - under[["P(cat)", "P(dog)"]].max(axis=1) > 0.2)


def test_the_curve_and_the_uncertainty_as_tables(monkeypatch, capsys, run):
    new, fit = pd.read_csv(run / "new.csv"), store.load(run)
    curve, _ = ask(monkeypatch, capsys, "coverage", run, run / "new.csv")
    assert list(curve) == ["kept", "coverage", "accuracy", "cost"]
    assert curve["coverage"].iloc[-1] == 1
    assert curve["accuracy"].iloc[-1] == pytest.approx(np.mean(fit.assign(new).values == new["kind"]))
    unsure, _ = ask(monkeypatch, capsys, "uncertainty", run, run / "new.csv")
    np.testing.assert_allclose(unsure["total"], unsure["aleatoric"] + unsure["epistemic"], atol=1e-9)
    np.testing.assert_allclose(unsure["total"], label_uncertainty(fit, new)["total"], rtol=1e-6)


def test_decisions_outliers_and_missing_cells_as_tables(monkeypatch, capsys, run, tmp_path):
    new, fit = pd.read_csv(run / "new.csv"), store.load(run)
    p = fit.assign(new, soft=True).values
    (tmp_path / "costs.csv").write_text("label,feed,run\ncat,0,5\ndog,9,0\n")
    found, _ = ask(monkeypatch, capsys, "decide", run, run / "new.csv", tmp_path / "costs.csv")
    np.testing.assert_allclose(found["cost(feed)"], 9 * p[:, 1], rtol=1e-9)
    assert (found["decision"] == np.where(9 * p[:, 1] <= 5 * p[:, 0], "feed", "run")).all()
    held, _ = ask(monkeypatch, capsys, "outliers", run, run / "new.csv", "--held-out", run / "new.csv")
    np.testing.assert_allclose(held["log_marginal"], fit.log_marginal(new), rtol=1e-9)
    np.testing.assert_allclose(held["tail_probability"], (1 + stats.rankdata(held["log_marginal"], "max")) / 401)
    holes, rows = new.copy(), [int(np.flatnonzero(new["kind"] == kind)[0]) for kind in ("cat", "dog")]
    holes.loc[rows, "size"] = np.nan
    holes.to_csv(tmp_path / "holes.csv", index=False)
    filled, _ = ask(monkeypatch, capsys, "impute", run, tmp_path / "holes.csv")
    assert filled["size"].notna().all()
    own = fit.posterior()["mu"].mean(("chain", "draw")).sel(feature="size", label=["cat", "dog"]).values
    assert np.all(np.abs(filled["size"][rows] - own) < 5 / np.sqrt(200))  # of 200 draws with sd 1, given the label
    shifted, said = ask(monkeypatch, capsys, "predict", run, run / "new.csv", "--prior", "estimate")
    assert "P(dog) = 0." in said
    # 4 standard errors of a share among 400, sqrt(0.21 / 400) = 0.023, nearly doubled as labels are not seen.
    assert abs(float(said.split("P(dog) = ")[1].split()[0]) - np.mean(new["kind"] == "dog")) < 4 * 0.04
    assert len(shifted) == len(new)
