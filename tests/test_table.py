"""Tables of other kinds, and labels of other types."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from bayeszoo.inference import DataError, mle
from bayeszoo.models import gaussian_naive_bayes, linear_regression, softmax_regression
from bayeszoo.workflow import datasets
from sklearn.datasets import load_iris

IRIS = load_iris(as_frame=True)


def test_a_polars_frame_answers_as_a_pandas_frame():
    want = mle(gaussian_naive_bayes, IRIS.data, IRIS.target).log_joint(IRIS.data)
    frame = pl.from_pandas(IRIS.data)
    got = mle(gaussian_naive_bayes, frame, IRIS.target.to_numpy()).log_joint(frame)
    np.testing.assert_array_equal(got, want)


@pytest.mark.slow
def test_boolean_labels_come_back_boolean():
    y = IRIS.target.to_numpy() == 0
    fit = mle(gaussian_naive_bayes, IRIS.data, y)
    assert fit.assign(IRIS.data).dtype == bool
    np.testing.assert_array_equal(fit.assign(IRIS.data), y)
    assert fit.generate(5, label=True).to_pandas()["y"].all()


def test_generated_moments_are_the_class_conditionals():
    """Means and sds of 20,000 rows within 5 Monte Carlo errors of 4 columns (false-alarm rate under 5e-6)."""
    fit = mle(gaussian_naive_bayes, IRIS.data, IRIS.target)
    rows = fit.generate(20_000, label=1).to_pandas()[IRIS.data.columns]
    p = fit.posterior().isel(chain=0, draw=0).sel(label=1)
    error = p["sigma"].values / np.sqrt(len(rows))
    assert np.all(np.abs(rows.mean() - p["mu"].values) < 5 * error)
    assert np.all(np.abs(rows.std() - p["sigma"].values) < 5 * error / np.sqrt(2))


def test_a_parquet_file_is_read_as_a_csv_file(tmp_path):
    IRIS.frame.to_parquet(tmp_path / "t.parquet")
    IRIS.frame.to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(
        datasets.load(str(tmp_path / "t.parquet")), datasets.load(str(tmp_path / "t.csv")), check_exact=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "y",
    [
        pd.array([None, 5, 6] * 50, dtype="Int64"),
        pd.Series([None, 5, 6] * 50, dtype="Int64"),
        [None, 5, 6] * 50,
        np.array([np.nan, 5, 6] * 50),
    ],
    ids=["nullable array", "nullable series", "list", "floats"],
)
def test_integer_labels_stay_integers_where_some_are_missing(y):
    fit = mle(gaussian_naive_bayes, IRIS.data, y)
    assert fit.schema.labels == (5, 6)
    assert fit.generate(1, label=6).to_pandas()["y"].dtype == int
    assert (fit.y < 0).sum() == 50


def test_errors_name_rows_as_the_index_does():
    x = IRIS.data.set_axis([f"flower {i}" for i in range(150)])
    hole = x.copy()
    hole.iloc[3, 1] = np.nan
    with pytest.raises(DataError, match=r"row flower 3, column 'sepal width \(cm\)' is missing"):
        mle(softmax_regression, hole, IRIS.target.to_numpy())
    with pytest.raises(DataError, match="row flower 3: the response 'w' is missing"):
        mle(linear_regression, x, x.iloc[:, 0].where(x.index != "flower 3").rename("w"))
    with pytest.raises(DataError, match="column 'bad' holds 'abc' in row flower 3"):
        mle(gaussian_naive_bayes, x.assign(bad=["1", "2", "3", "abc", "5"] * 30), IRIS.target.to_numpy())
    with pytest.raises(DataError, match="must be numeric, got 'abc' in row flower 3"):
        mle(linear_regression, x, pd.Series(["1", "2", "3", "abc", "5"] * 30, index=x.index))
