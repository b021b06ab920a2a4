"""Numbers beside their names: in ArviZ's tables, in run folders, in pictures of awkward names, in the report's rows."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from arviz_base import dataset_to_dataframe
from arviz_stats import summary
from bayeszoo.inference import ModelError, laplace, map_estimate
from bayeszoo.models import dawid_skene, gaussian_naive_bayes, linear_regression, ordinal_regression
from bayeszoo.workflow import store
from bayeszoo.workflow.cli import app
from bayeszoo.workflow.report import report
from typer.testing import CliRunner

RNG = np.random.default_rng(0)


def votes(rows=120):
    truth = RNG.integers(3, size=rows)
    seen = np.where(RNG.random((rows, 4)) < 0.85, truth[:, None], RNG.integers(3, size=(rows, 4)))
    return pd.DataFrame(np.array(["bad", "fair", "good"])[seen], columns=[f"rater {j}" for j in range(4)])


@pytest.mark.slow
def test_a_table_names_each_number_as_the_array_does(tmp_path):
    """theta of dawid_skene has dims in another order than the sites before it, which ArviZ names wrongly."""
    fit = laplace(dawid_skene, votes(), draws=100, chains=2)
    draws, posterior = fit.posterior(), fit.to_arviz()["posterior"].to_dataset()
    frame = dataset_to_dataframe(posterior)
    means = summary(posterior, round_to="none", kind="stats")["mean"]
    for rater in draws.feature.values:
        for truth in draws.label.values:
            for said in draws.label.values:
                own = draws.theta.sel(feature=rater, label=truth, label_2=said).values
                shown = next(
                    name
                    for name in means.index
                    if name.startswith("theta")
                    and set(re.split(r"\[|, |\]", name)) >= {rater, truth, said}
                    and name.index(truth) <= name.rindex(said)
                    and (truth == said) == (name.count(truth) == 2)
                )
                np.testing.assert_allclose(frame[shown], own.ravel())
                np.testing.assert_allclose(means[shown], own.mean())
    store.save(fit, tmp_path)
    again = store.load(tmp_path)
    np.testing.assert_array_equal(again.params["theta"], fit.params["theta"])
    rows = votes()
    np.testing.assert_array_equal(again.log_label_posterior(rows), fit.log_label_posterior(rows))


def cars():
    kind = RNG.choice(["up to 50 km/h", "more"], 60)
    speed = np.where(kind == "more", 80, 40) + RNG.normal(size=60)
    return pd.DataFrame({"km/h": speed, "l/100 km": RNG.normal(7, 1, 60), "kind": kind})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # ArviZ says that a hundred draws are few
def test_slashes_in_names_of_columns_labels_and_responses():
    table = cars()
    page = report(laplace(gaussian_naive_bayes, table[["km/h", "l/100 km"]], table["kind"], draws=100, chains=2))
    assert "up to 50 km/h" in page
    page = report(laplace(linear_regression, table[["l/100 km"]], table["km/h"], target="km/h", draws=100, chains=2))
    assert "km/h" in page


@pytest.mark.slow
def test_the_report_numbers_rows_as_the_file_does(tmp_path):
    table = cars()
    table.loc[37, "l/100 km"] = 40.0  # the outlier
    table.loc[22, "km/h"] = np.nan
    table.to_csv(tmp_path / "cars.csv", index=False)
    fit = ["fit", "gaussian_naive_bayes", str(tmp_path / "cars.csv"), "--target", "kind", "--by", "map"]
    found = CliRunner().invoke(app, [*fit, "--seed", "0", "--no-plots", "--out", str(tmp_path / "run")])
    assert found.exit_code == 0, found.output
    page = (tmp_path / "run" / "report.html").read_text()
    held = np.random.default_rng(0).permutation(60)[:12]
    assert not {22, 37} & set(held.tolist())
    assert (np.sort(held) < 22).any()  # otherwise, numbers could not differ
    again = tmp_path / "again.html"
    CliRunner().invoke(app, ["report", str(tmp_path / "run"), "--out", str(again)], catch_exceptions=False)
    for text in (page, again.read_text()):
        cells = [re.findall(r"<td[^>]*>\s*(.*?)\s*</td>", row, re.S) for row in re.findall(r"<tr>.*?</tr>", text, re.S)]
        assert any(row[0] == "37" and "40" in row[-1] for row in cells if row), "the outlier"
        assert any(row[:2] == ["22", "km/h"] for row in cells if row), "the missing cell"


@pytest.mark.slow
def test_labels_in_the_order_given(tmp_path):
    grade = RNG.integers(3, size=80)
    table = pd.DataFrame({"x": grade + RNG.normal(0, 0.7, 80), "grade": np.array(["low", "mid", "high"])[grade]})
    table.to_csv(tmp_path / "grades.csv", index=False)
    run = ["fit", "ordinal_regression", str(tmp_path / "grades.csv"), "--target", "grade", "--by", "map", "--no-report"]
    run += ["--no-plots", "--out", str(tmp_path / "run")]
    found = CliRunner().invoke(app, run, catch_exceptions=False)
    assert "in the order high,low,mid; --labels gives another" in found.output
    loss = float(re.search(r"log loss ([\d.]+)", found.output).group(1))
    found = CliRunner().invoke(app, [*run, "--labels", "low,mid,high", "--force"], catch_exceptions=False)
    assert "in the order" not in found.output
    assert store.load(tmp_path / "run").schema.labels == ("low", "mid", "high")
    assert float(re.search(r"log loss ([\d.]+)", found.output).group(1)) < loss
    found = CliRunner().invoke(app, [*run, "--labels", "low,mid", "--force"])
    assert "is without 'high'" in str(found.exception)


def test_a_saved_index_is_no_feature(tmp_path):
    cars().to_csv(tmp_path / "cars.csv")
    fit = ["fit", "gaussian_naive_bayes", str(tmp_path / "cars.csv"), "--target", "kind", "--by", "mle", "--no-report"]
    found = CliRunner().invoke(app, [*fit, "--no-plots", "--out", str(tmp_path / "run")], catch_exceptions=False)
    assert "column 'Unnamed: 0' counts rows" in found.output
    assert store.load(tmp_path / "run").schema.columns == ("km/h", "l/100 km")


def test_text_where_a_function_is_meant():
    table = cars()
    with pytest.raises(ModelError, match="'hypothesis' is a function, such as linear of"):
        map_estimate(partial(ordinal_regression, hypothesis="spline"), table[["km/h"]], table["kind"])
