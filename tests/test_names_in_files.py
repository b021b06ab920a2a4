"""Names, counts and truth values in files and Dask frames, as a model of names takes them: as of a frame in memory."""

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, map_estimate, summarise
from bayeszoo.models import gaussian_naive_bayes, mixed_naive_bayes

RNG = np.random.default_rng(0)
ROWS = 3_000
KIND = RNG.choice(["ant", "bee"], ROWS)
TABLE = pd.DataFrame(
    {
        "island": RNG.choice(["Rum", "Eigg", "Muck"], ROWS),
        "winged": RNG.random(ROWS) < np.where(KIND == "bee", 0.9, 0.4),
        "visits": RNG.poisson(np.where(KIND == "bee", 9, 3)),
        "mass": RNG.normal(size=ROWS) + (KIND == "bee"),
        "change": RNG.integers(-3, 4, ROWS),
    }
)
LEVELS = (("Eigg", "Muck", "Rum"), (False, True), "counts", None, None)


def written(folder, table, kind, parts=3):
    paths = [folder / f"{i}.{kind}" for i in range(parts)]
    for path, rows in zip(paths, np.array_split(np.arange(len(table)), parts), strict=True):
        part = table.iloc[rows]
        part.to_parquet(path, index=False) if kind == "parquet" else part.to_csv(path, index=False)
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_fit_of_files_is_that_of_the_frame(tmp_path, kind):
    """Also where a part has not all of the names, and others are missing."""
    table = TABLE.assign(island=TABLE["island"].where(np.arange(ROWS) > 1_200, "Rum").mask(RNG.random(ROWS) < 0.02))
    paths = written(tmp_path, table.assign(kind=KIND), kind)
    streamed = map_estimate(mixed_naive_bayes, paths, target="kind")
    at_once = map_estimate(mixed_naive_bayes, table, pd.Series(KIND, name="kind"))
    assert streamed.schema == at_once.schema
    assert streamed.schema.levels == LEVELS
    for name, value in at_once.params.items():
        np.testing.assert_allclose(streamed.params[name], value, rtol=1e-6, err_msg=name)
    assert set(streamed.generate(50).to_pandas()["island"]) <= set(LEVELS[0])


@pytest.mark.slow
def test_more_files_have_the_names_of_the_first(tmp_path):
    paths = written(tmp_path, TABLE.assign(kind=KIND), "parquet")
    fit = map_estimate(mixed_naive_bayes, paths[:2], target="kind").update(paths[2])
    whole = map_estimate(mixed_naive_bayes, TABLE, KIND)
    for name, value in whole.params.items():
        np.testing.assert_allclose(fit.params[name], value, rtol=1e-6, err_msg=name)
    for column, value, said in (
        ("island", "Skye", "row 0 of .*column 'island' is 'Skye', which is not one of Eigg, Muck, Rum"),
        ("visits", -1, "row 0, column 'visits'|row 0 of .*column 'visits' is -1, but it held counts"),
    ):
        other = TABLE.iloc[:5].assign(kind=KIND[:5])
        other.loc[0, column] = value
        other.to_parquet(tmp_path / "other.parquet")
        with pytest.raises(DataError, match=said):
            fit.update(tmp_path / "other.parquet")


def test_a_dask_frame_keeps_the_order_of_categories():
    dd = pytest.importorskip("dask.dataframe")
    table = TABLE[["island", "visits"]].assign(
        island=pd.Categorical(TABLE["island"], ["Rum", "Eigg", "Muck"]), kind=KIND
    )
    summary = summarise(dd.from_pandas(table, npartitions=3), target="kind", named=True)
    assert summary.levels == (("Rum", "Eigg", "Muck"), "counts")
    assert summary.ends[1][0] == 2.0


def test_a_column_is_of_one_kind_in_all_files(tmp_path):
    paths = written(tmp_path, TABLE.assign(kind=KIND), "parquet")
    for column, values, said in (
        ("island", np.arange(len(TABLE)), "column 'island' holds text in one part and numbers in another"),
        ("winged", TABLE["island"], "column 'winged' holds True or False in one part and text in another"),
        ("island", [f"row {i}" for i in range(len(TABLE))], "column 'island' has more than 1,000 different names"),
    ):
        TABLE.assign(kind=KIND, **{column: values}).to_parquet(tmp_path / "other.parquet")
        with pytest.raises(DataError, match=said):
            map_estimate(mixed_naive_bayes, [*paths, tmp_path / "other.parquet"], target="kind")
    with pytest.raises(DataError, match=r"column 'island' holds '.*' in row 0 of .* which is no number"):
        map_estimate(gaussian_naive_bayes, paths, target="kind")


def test_whole_numbers_that_are_not_all_so_are_numbers(tmp_path):
    """A CSV whose first block of several megabytes holds whole numbers alone, and the last cell another."""
    rows = 400_000
    table = pd.DataFrame({"a": np.arange(rows) % 50, "b": np.arange(rows) % 7, "kind": np.arange(rows) % 2})
    text = table.to_csv(index=False).rsplit("\n", 2)[0] + "\n3.5,1,0\n"
    (tmp_path / "t.csv").write_text(text)
    assert summarise(tmp_path / "t.csv", target="kind", named=True).levels == (None, "counts")


def test_labels_of_two_kinds_are_not_mixed(tmp_path):
    table = TABLE[["mass", "change"]].iloc[:300]
    for name, label in (("a", 1), ("b", "1"), ("c", True)):
        table.assign(kind=[label] * 300).to_parquet(tmp_path / f"{name}.parquet")
    for name, other in (("b", "text"), ("c", "True or False")):
        with pytest.raises(DataError, match=f"labels are a number in one part .1., {other} in another"):
            summarise([tmp_path / "a.parquet", tmp_path / f"{name}.parquet"], target="kind")
    with pytest.raises(DataError, match="the targets differ"):
        summarise(table, [1] * 300).merge(summarise(table, [1] * 300, target="other"))
