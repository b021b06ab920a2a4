"""What is wrong with a file is said with its name, row group, row and column, and never read as if it were right."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from bayeszoo.inference import DataError, map_estimate, mle, summarise
from bayeszoo.models import linear_regression, logistic_regression
from bayeszoo.workflow import datasets
from test_stream import FEATURES, ROWS, TABLE, written

RNG = np.random.default_rng(0)


def test_what_a_bad_part_is_told_by(tmp_path):
    paths = written(tmp_path, TABLE)
    TABLE.iloc[:10].rename(columns={"y": "why"}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"other.parquet': column 'y' is missing; the table has w, x, why, z"):
        summarise([*paths, tmp_path / "other.parquet"], target="kind")
    bad = TABLE.copy()
    bad.loc[8_765, "x"] = np.inf
    bad.to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"row 8765 of '.*bad.parquet', column 'x' is inf"):
        summarise(tmp_path / "bad.parquet", target="kind")
    TABLE.head(20_000).astype({"x": object}).assign(x="no").to_csv(tmp_path / "text.csv", index=False)
    with pytest.raises(DataError, match=r"column 'x' holds 'no' in row 0 of '.*text.csv', which is no number"):
        summarise(tmp_path / "text.csv", target="kind")
    TABLE.head(20).assign(x="1_000").to_csv(tmp_path / "python.csv", index=False)  # a number to Python alone
    with pytest.raises(DataError, match=r"column 'x' holds '1_000' in row 0 of '.*python.csv', which is no number"):
        summarise(tmp_path / "python.csv", target="kind", features=FEATURES)
    with pytest.raises(
        DataError, match=r"column 'kind' holds 'ant' in row 0 of '.*part-0.parquet', which is no number"
    ):
        summarise(paths[0])
    bad.loc[8_765, "x"] = np.nan
    bad.drop(columns="kind").to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"row 8765 of '.*bad.parquet', column 'x' is missing, and linear_regression"):
        mle(linear_regression, tmp_path / "bad.parquet", target="z")


def test_other_separators_are_told(tmp_path):
    """Whether or not the cells have commas of their own, as decimals do where columns are separated so."""
    for cells in ("1;2;3", "1,5;2,5;3"):
        path = tmp_path / "semicolons.csv"
        path.write_text(f"a;b;k\n{cells}\n")
        with pytest.raises(DataError, match=r"semicolons.csv' has one column, 'a;b;k'; separate columns by commas"):
            mle(linear_regression, path, target="k")
        with pytest.raises(DataError, match="separate columns by commas"):
            datasets.load(str(path))


def test_categories_of_numbers_that_parquet_keeps_as_numbers(tmp_path):
    """An order that is lost would be another model's, and categories that are would be counts."""
    grade, size = pd.Categorical([3, 1, 2, 3], [3, 1, 2], ordered=True), pd.Categorical([10, 20, 10, 30])
    path = tmp_path / "kinds.parquet"
    pd.DataFrame({"grade": grade, "size": size, "w": [1.0, 2.0, 3.0, 4.0]}).to_parquet(path)
    with pytest.raises(DataError, match="'grade': its categories are ordered, but were written as numbers; write them"):
        summarise(path, target="grade", features=["w"])
    told = summarise(path, target="grade", features=["w"], labels=[3, 1, 2])
    assert told.labels == (3, 1, 2)
    with pytest.raises(DataError, match="'size': its categories were written as numbers, and would be read as such"):
        summarise(path, features=["size", "w"], named=True)


def test_a_part_with_a_column_more_is_refused_in_any_order(tmp_path):
    paths = written(tmp_path, TABLE, parts=2)
    TABLE.iloc[:10].assign(extra=1.0).to_parquet(tmp_path / "more.parquet")
    with pytest.raises(DataError, match=r"more.parquet': column 'extra' is in no part before; leave it out, or name"):
        summarise([*paths, tmp_path / "more.parquet"], target="kind")
    with pytest.raises(DataError, match=r"part-0.parquet': column 'extra' is missing"):
        summarise([tmp_path / "more.parquet", *paths], target="kind")
    named = summarise([*paths, tmp_path / "more.parquet"], target="kind", features=FEATURES)
    assert named.rows == ROWS + 10


def test_a_damaged_page_is_told_by_its_checksum(tmp_path):
    """One byte within the numbers of a page, which decode as well as the right ones."""
    TABLE.to_parquet(tmp_path / "t.parquet", compression=None, use_dictionary=False, write_page_checksum=True)
    column = pq.ParquetFile(tmp_path / "t.parquet").metadata.row_group(0).column(1)
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 0x7F
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"t.parquet', row group 0, column 'x' cannot be read"):
        summarise(tmp_path / "t.parquet", target="kind")


def test_rows_without_a_response_or_with_another_label_are_named(tmp_path):
    table = pd.DataFrame({"x": RNG.normal(size=60), "y": np.arange(60) % 4 / 2, "kind": ["a", "b"] * 30})
    table.loc[41, ["y", "kind"]] = np.nan, "c"
    paths = written(tmp_path, table, parts=3)
    with pytest.raises(DataError, match=r"the response 'y' is missing in row 1 of '.*part-2.parquet'; drop the row"):
        mle(linear_regression, summarise(paths, target="y", features=["x"]))
    with pytest.raises(DataError, match=r"label 'c' of row 1 of '.*part-2.parquet' is not one of a, b"):
        summarise(paths, target="kind", features=["x"], labels=["a", "b"])


def test_a_corrupt_row_group_is_named(tmp_path):
    """Bytes of the data of one column of the fourth row group are changed."""
    (path,) = written(tmp_path, TABLE, parts=1)
    column = pq.ParquetFile(path).metadata.row_group(3).column(2)
    data = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\x07" * column.total_compressed_size
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"part-0.parquet', row group 3, column 'y' cannot be read"):
        summarise(path, target="kind")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_file_that_has_changed_since_is_not_read_as_the_same(tmp_path, kind):
    """Rows that are appended to it would count again where an update adds them; moments know the old ones alone."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=600), "y": rng.integers(2, size=600)})
    file = tmp_path / f"days.{kind}"
    write = {"parquet": pd.DataFrame.to_parquet, "csv": pd.DataFrame.to_csv}[kind]
    write(table[:400], file, index=False)
    fit = map_estimate(logistic_regression, file, target="y")
    write(table, file, index=False)
    with pytest.raises(DataError, match=f"days.{kind}' has changed since it was first read; summarise it again"):
        fit.update(table[["a"]][400:], table["y"][400:])
    assert map_estimate(logistic_regression, file, target="y").summary.rows == 600


@pytest.mark.slow
def test_the_first_block_of_a_csv_does_not_say_what_a_column_holds(tmp_path):
    """Of 100,000 rows the last ones tell: a decimal, a label after numbers, a label and a name after empty cells."""
    rng, n = np.random.default_rng(0), 100_000
    table = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    whole, late = np.round(1_000 * table["a"]).astype(int).astype(str), np.arange(n) >= n - 50
    columns = {
        "number": np.where(late, "1.5", whole),
        "label": np.where(late, "other", (np.arange(n) % 3).astype(str)),
        "hidden": np.where(late, np.where(np.arange(n) % 2, "u", "v"), ""),
    }
    for name, target in columns.items():
        table.assign(y=target).to_csv(tmp_path / f"{name}.csv", index=False)
    numbers = summarise(tmp_path / "number.csv", target="y")
    spread = numbers.units(2)
    assert float(spread.y_loc) == pytest.approx(columns["number"].astype(float).mean(), rel=1e-5)
    assert summarise(tmp_path / "label.csv", target="y").labels == ("0", "1", "2", "other")
    assert summarise(tmp_path / "hidden.csv", target="y").labels == ("u", "v")
    both = summarise([tmp_path / "hidden.csv", tmp_path / "label.csv"], target="y")
    assert both.labels == ("0", "1", "2", "other", "u", "v")
    table.assign(c=columns["hidden"], y=rng.normal(size=n)).to_csv(tmp_path / "named.csv", index=False)
    assert summarise(tmp_path / "named.csv", target="y", named=True).levels[2] == ("u", "v")


def test_a_quote_that_nothing_closes_takes_no_rows_with_it(tmp_path):
    """An inch mark inside a cell opens nothing, and one that is closed may hold commas and quotes of its own."""
    start, end = "a,b,k,note\n" + "1,2,x,ok\n3,4,y,ok\n" * 5, "1.5,2.5,x,ok\n" * 100
    path = tmp_path / "notes.csv"
    path.write_text(start + '1,2,x,"5 ft\n' + end)
    with pytest.raises(DataError, match=r"notes.csv' has 1 quotes: one opens a cell, and none closes it"):
        summarise(path, target="k", features=["a", "b"])
    path.write_text(start.replace("3,4,y,ok", '3,4,y,"ok') + end)
    with pytest.raises(DataError, match=r"notes.csv' has 5 quotes"):
        summarise(path, target="k", features=["a", "b"])
    path.write_text(start + '1,2,x,5"\n\n' + end)
    assert summarise(path, target="k", features=["a", "b"]).rows == 111
    path.write_text(start + '1,2,x,"5 "" ft, or so"\n' + end)
    assert summarise(path, target="k", features=["a", "b"]).rows == 111


def test_a_part_may_hold_rows_of_no_weight_alone(tmp_path):
    table = TABLE.assign(weight=(np.arange(ROWS) >= ROWS / 3) * 2.0)
    whole = summarise(table[FEATURES], table["kind"], weights=table["weight"])
    for kind in ("parquet", "csv"):
        found = summarise(written(tmp_path, table, kind=kind), target="kind", weights="weight", features=FEATURES)
        assert found.moments.count.sum() == whole.moments.count.sum() == 2 * (ROWS - ROWS // 3)
    with pytest.raises(DataError, match="the weights add up to 0, less than one row"):
        summarise(written(tmp_path, table.head(300)), target="kind", weights="weight", features=FEATURES)
