"""Labels that are ordered categories keep their order, wherever they are read from and whatever is added later."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bayeszoo.inference import DataError, map_estimate, mle, summarise
from bayeszoo.inference.labels import Ordered, union_of_names
from bayeszoo.models import gaussian_naive_bayes, mixed_naive_bayes, ordinal_regression
from bayeszoo.workflow import store

RNG = np.random.default_rng(0)
NAMES = ["low", "mid", "high"]
X = pd.DataFrame({"a": RNG.normal(size=600)})
CODES = np.digitize(2 * X["a"] + RNG.logistic(size=600), [-1, 1])
Y = pd.Series(pd.Categorical.from_codes(CODES, NAMES, ordered=True), name="grade")
TABLE = X.assign(grade=Y)


@pytest.fixture(scope="module")
def whole():
    return map_estimate(ordinal_regression, X, Y)


def same(fit, other):
    assert fit.schema.labels == other.schema.labels == tuple(NAMES)
    np.testing.assert_allclose(fit.params["w"], other.params["w"], rtol=1e-6)


def from_parquet(folder):
    TABLE.to_parquet(folder / "t.parquet", row_group_size=100)
    return folder / "t.parquet"


def from_polars(folder):
    order = pl.Series("grade", Y.astype(str).tolist(), dtype=pl.Enum(NAMES))
    pl.DataFrame({"a": X["a"].to_numpy(), "grade": order}).write_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def from_dask(folder):
    return pytest.importorskip("dask.dataframe").from_pandas(TABLE, npartitions=3)


@pytest.mark.parametrize("of", [from_parquet, from_polars, from_dask])
def test_files_and_dask_frames(whole, tmp_path, of):
    same(map_estimate(ordinal_regression, of(tmp_path), target="grade"), whole)


def test_pyarrow_in_memory(whole):
    table = pa.Table.from_pandas(TABLE)
    same(map_estimate(ordinal_regression, table.select(["a"]), table["grade"]), whole)


def test_parts_that_lack_a_category(whole, tmp_path):
    """The order is known where each part knows all categories, or one does; else it is asked for."""
    without = (Y != "mid").to_numpy()
    for name, rows in (("1", without), ("2", ~without)):
        TABLE[rows].to_parquet(tmp_path / f"{name}.parquet")
    same(map_estimate(ordinal_regression, tmp_path, target="grade"), whole)
    for name, rows in (("1", without), ("2", ~without)):
        part = TABLE[rows]
        part.assign(grade=part["grade"].cat.remove_unused_categories()).to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match="labels are low, high in one part and mid in another, and where 'mid' stands"):
        map_estimate(ordinal_regression, tmp_path, target="grade")
    same(map_estimate(ordinal_regression, tmp_path, target="grade", labels=NAMES), whole)


@pytest.mark.slow
def test_a_category_in_no_row_is_no_label(tmp_path):
    TABLE[Y != "mid"].to_parquet(tmp_path / "t.parquet")
    for fit in (
        mle(gaussian_naive_bayes, tmp_path / "t.parquet", target="grade"),
        mle(gaussian_naive_bayes, X[:9], pd.Categorical(["low", "high", "high"] * 3, NAMES)).update(
            X[Y != "mid"], Y[Y != "mid"]
        ),
    ):
        assert fit.schema.labels == ("low", "high")
        assert np.isfinite(fit.params["mu"]).all()


def test_new_labels_of_an_update_stand_where_their_categories_say(whole):
    some = (Y != "mid").to_numpy() & (np.arange(600) < 300)
    first = map_estimate(ordinal_regression, X[some], Y[some])
    assert first.schema.labels == ("low", "high")
    same(first.update(X[~some], Y[~some]), whole)
    with pytest.raises(DataError, match="where 'mid' stands among the others is not said; give all names in their"):
        first.update(X[~some], Y[~some].astype(str))
    same(whole.update(X, Y.astype(str)), whole.update(X, Y))


def test_orders_that_differ_are_refused(whole, tmp_path):
    """Names that stand in the order of the alphabet may have been given in it, too."""
    for name, order in (("1", NAMES), ("2", NAMES[::-1])):
        part = TABLE.assign(grade=pd.Categorical(Y.astype(str), order, ordered=True))
        part.to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match="in the order low, mid, high in one part and high, mid, low in another"):
        map_estimate(ordinal_regression, tmp_path, target="grade")
    with pytest.raises(DataError, match="in the order low, mid, high in one part and high, mid, low in another"):
        whole.update(X, pd.Categorical(Y.astype(str), NAMES[::-1], ordered=True))
    sizes = pd.Series(Y).cat.rename_categories(["poor", "fair", "good"])
    upper = (sizes != "poor").to_numpy()
    first = map_estimate(ordinal_regression, X[upper], sizes[upper].cat.remove_unused_categories())
    assert first.schema.labels == ("fair", "good")
    with pytest.raises(DataError, match="where 'poor' stands among the others is not said"):
        first.update(X[~upper], sizes[~upper].astype(str))
    later = first.update(X[~upper], sizes[~upper])
    np.testing.assert_allclose(later.params["w"], whole.params["w"], rtol=1e-6)


def test_an_order_that_a_file_has_lost(whole, tmp_path):
    pq.write_table(pa.Table.from_pandas(TABLE), tmp_path / "t.parquet", use_dictionary=False)
    with pytest.raises(DataError, match="'grade': its categories are ordered, but were written without their order"):
        map_estimate(ordinal_regression, tmp_path / "t.parquet", target="grade")
    same(map_estimate(ordinal_regression, tmp_path / "t.parquet", target="grade", labels=NAMES), whole)


@pytest.mark.slow
def test_categories_without_an_order_take_new_names(tmp_path):
    """As pandas' categories are, unless they are told to be ordered: they stay in theirs, in files, too."""
    names = pd.Series(pd.Categorical(Y.astype(str), NAMES), name="grade")
    X.assign(grade=names).to_parquet(tmp_path / "t.parquet")
    for fit in (
        mle(gaussian_naive_bayes, X, names),
        mle(gaussian_naive_bayes, tmp_path / "t.parquet", target="grade"),
    ):
        assert fit.schema.labels == tuple(NAMES)
        assert fit.update(X[:9], ["new"] * 9).schema.labels == (*NAMES, "new")
        other = pd.Categorical(["new", "high"] * 4, ["new", "high"])
        assert fit.update(X[:8], other).schema.labels == (*NAMES, "new")


@pytest.mark.slow
def test_a_run_remembers_that_its_labels_are_ordered(whole, tmp_path):
    store.save(whole, tmp_path / "run")
    with pytest.raises(DataError, match="where 'none' stands among the others is not said"):
        store.load(tmp_path / "run").update(X[:9], ["none"] * 9)


def test_a_label_that_is_not_among_those_given_is_named_by_row(tmp_path):
    path = from_parquet(tmp_path)
    row = int(np.flatnonzero(Y == "mid")[0])
    with pytest.raises(DataError, match=f"label 'mid' of row {row} of '.*t.parquet' is not one of low, high"):
        map_estimate(ordinal_regression, path, target="grade", labels=["low", "high"])


def test_names_that_look_like_missing_values(tmp_path):
    """NA is missing in a CSV, but for a fit that knows it as a name, or where it is among the labels."""
    codes = np.array(["NA", "ok"])[CODES % 2]
    TABLE.assign(grade=codes).to_csv(tmp_path / "t.csv", index=False)
    fit = mle(gaussian_naive_bayes, X, pd.Series(codes, name="grade"))
    named = mle(gaussian_naive_bayes, tmp_path / "t.csv", target="grade", labels=["NA", "ok"])
    later = fit.update(tmp_path / "t.csv")
    for other in (named, later):
        assert other.schema.labels == ("NA", "ok")
        np.testing.assert_allclose(other.params["mu"], fit.params["mu"], rtol=1e-6)


@pytest.mark.slow
def test_a_name_of_one_column_is_a_missing_value_of_others(tmp_path):
    """NA: a name of column c, and what numbers, other names and labels that are missing are written as."""
    table = pd.DataFrame({"a": X["a"], "c": np.array(["NA", "EU", "AS"])[CODES], "e": np.array(["p", "q"])[CODES % 2]})
    label = pd.Series(np.array(["x", "y"])[RNG.integers(2, size=600)], name="grade")
    fit = mle(mixed_naive_bayes, table, label)
    table, label = table.astype({"a": object}), label.copy()
    table.loc[::7, "a"] = table.loc[::5, "e"] = label[::3] = None
    table.assign(grade=label).to_csv(tmp_path / "t.csv", index=False, na_rep="NA")
    table["a"] = table["a"].astype(float)
    from_file, from_memory = fit.update(tmp_path / "t.csv"), fit.update(table, label)
    assert from_file.schema.labels == from_memory.schema.labels == ("x", "y")
    for name, value in from_memory.params.items():
        np.testing.assert_allclose(from_file.params[name], value, rtol=1e-6, atol=1e-9)


def test_a_file_whose_labels_all_look_missing(tmp_path):
    """Two files, of which one has NA alone: a label where it is told, and none where it is not."""
    for name, code in (("EU", 0), ("NA", 1)):
        X[code == (CODES % 2)].assign(grade=name).to_csv(tmp_path / f"{name}.csv", index=False)
    summary = summarise(tmp_path, target="grade", labels=["EU", "NA"])
    assert summary.labels == ("EU", "NA")
    assert not summary.hidden
    assert summarise(tmp_path, target="grade").hidden


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ((), ("b", "a"), ("b", "a")),
        (Ordered(), ("a", "b"), ("a", "b")),
        (("high", "low", "mid"), Ordered(NAMES), tuple(NAMES)),
        (Ordered(NAMES), ("high", "low"), tuple(NAMES)),
        (("a", "b", "c"), Ordered(("a", "c")), ("a", "b", "c")),
        (("a", "b", "c"), Ordered(("c", "a")), "use one order"),
        (("a", "b"), Ordered(("b", "c")), "where 'a' stands"),
        (Ordered(("a", "b")), ("c",), "where 'c' stands"),
        (("b", "a"), ("c", "a"), ("b", "a", "c")),
        (("b", "a"), ("a",), ("b", "a")),
        (("b", "d"), ("a", "c"), ("a", "b", "c", "d")),
    ],
)
def test_names_of_two_parts(a, b, want):
    if isinstance(want, str):
        with pytest.raises(DataError, match=want):
            union_of_names(a, b, "labels")
    else:
        assert union_of_names(a, b, "labels") == want
