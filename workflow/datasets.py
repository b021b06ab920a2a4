"""Tables by name or path; nothing is downloaded."""

import csv
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..inference.cells import first_without_number
from ..inference.errors import DataError
from ..inference.files import refuse_other_separators
from ..inference.labels import categories_of
from ..inference.table import COUNTS, read_x

SKLEARN = ("iris", "wine", "breast_cancer", "digits", "diabetes")
NAMES = 50  # different names a column may hold
BUNDLED = ("penguins", *SKLEARN)
MISSING = (
    "",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "NULL",
    "null",
    "NaN",
    "nan",
)  # in CSV; None is a name, as of no harm


def load(data: str) -> pd.DataFrame:
    """A bundled table by name, or a CSV or Parquet file by path.

    Tables of labels that come from scikit-learn hold the label names in the column ``target``.
    Raises DataError for a name that is neither, or a file that cannot be read.
    """
    if data == "penguins":
        return pd.read_csv(str(files("bayeszoo.workflow") / "data" / "penguins.csv"))
    if data in SKLEARN:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{data}")(as_frame=True)
        table = bunch.frame.copy()
        if "target_names" in bunch:
            table["target"] = [bunch.target_names[code].item() for code in bunch.target]
        return table
    path = Path(data)
    if not path.is_file():
        raise DataError(f"'{data}' is no file and no bundled table ({', '.join(BUNDLED)}); give a CSV or Parquet path.")
    csv = partial(pd.read_csv, keep_default_na=False, na_values=MISSING)
    readers = {".csv": csv, ".parquet": pd.read_parquet}
    if path.suffix.lower() not in readers:
        raise DataError(f"'{data}' ends in '{path.suffix}'; a .csv or .parquet file is read.")
    try:
        if path.suffix.lower() == ".csv":
            # pandas renames the second of two equal names without a word.
            header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].dropna()
            if header.duplicated().any():
                raise DataError(f"'{data}' has two columns '{header[header.duplicated()].iloc[0]}'; rename one.")
            refuse_other_separators(path)
        return readers[path.suffix.lower()](path)
    except DataError:
        raise
    except (ValueError, OSError) as error:
        raise DataError(f"'{data}' cannot be read as a table: {' '.join(str(error).split())}") from error


class Rows(NamedTuple):
    """What of a table is fitted and what is held out.

    x, y: columns of the rows that are fitted, with their index in the table. kept, held: places in the table of these
    rows, and of those that are held out. notes: what was left out, and how columns are read, as sentences.
    """

    x: pd.DataFrame
    y: pd.Series | None
    kept: np.ndarray
    held: np.ndarray
    notes: tuple[str, ...]


def choose_rows(
    table: pd.DataFrame,
    target: str | None,
    features: list[str] | None,
    *,
    named: bool,
    share: float,
    seed: int,
    drop_missing: bool,
) -> Rows:
    """Hold a random share of rows out, choose columns by the others, and leave out rows that miss a value if asked to.

    named: as in ``choose_columns``. Raises DataError for a cell that no model could read.
    """
    held = np.sort(np.random.default_rng(seed).permutation(len(table))[: round(share * len(table))])
    # Columns are chosen by the rows that are fitted: one may be constant there and not in the whole table.
    x, y, notes = choose_columns(table.drop(index=table.index[held]), target, features, named)
    # All rows now, so that an error names a row of the file.
    _, used, levels = read_x(table[list(x.columns)], named=named)
    notes += [said_of_kinds(used, levels)] if named else []
    kept = np.setdiff1d(np.arange(len(table)), held)
    if drop_missing:
        whole = table[[*x.columns, *([] if target is None else [target])]].notna().all(axis=1).to_numpy()
        kept, held = kept[whole[kept]], held[whole[held]]
        x, y = table[list(x.columns)].iloc[kept], None if y is None else y.dropna().loc[table.index[kept]]
        notes.append(f"{int((~whole).sum())} of {len(table)} rows miss a value and are left out.")
    return Rows(x, y, kept, held, tuple(notes))


def choose_columns(
    table: pd.DataFrame, target: str | None, features: list[str] | None, named: bool = False
) -> tuple[pd.DataFrame, pd.Series | None, list[str]]:
    """x, y, and one note for each column left out unasked: without numbers, or with one value only.

    named: whether a column may hold names, NAMES different ones at most.

    Raises DataError for a target that the table lacks, or that is among the features.
    """
    if len(table) == 0:
        raise DataError("the table has no rows; give one with at least a row.")
    for name in [*([target] if target is not None else []), *(features or [])]:
        if name not in table.columns:
            raise DataError(f"there is no column '{name}'; the table has {', '.join(map(str, table.columns))}.")
    if target in (features or []):
        raise DataError(f"'{target}' is the target and among the features, too; take it out of --features.")
    y = None if target is None else table[target]
    if y is not None and y.isna().any() and pd.api.types.is_float_dtype(y) and (y.dropna() % 1 == 0).all():
        y = y.astype("Int64")  # whole numbers, which were made floats for want of a missing integer
    if features:
        twice = next((name for name in features if features.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"column '{twice}' is asked for twice; name it once.")
        return table[features], y, []
    notes, kept = [], []
    for name in table.columns:
        column = table[name]
        if name == target:
            continue
        if column.isna().all():
            notes.append(f"column '{name}' has no value and is left out.")
        elif named and not pd.api.types.is_numeric_dtype(column) and 1 < column.nunique() <= NAMES:
            kept.append(name)
        elif not pd.api.types.is_numeric_dtype(column):
            row = first_without_number(column.tolist()) or 0
            value, where = str(column.iloc[row]), column.index[row]
            notes.append(f"column '{name}' is not numeric ({value!r} in row {where}) and is left out.")
        elif str(name).startswith("Unnamed:") and column.diff().iloc[1:].gt(0).all():
            notes.append(f"column '{name}' counts rows, as a saved index does, and is left out; --features takes it.")
        elif column.nunique() < 2:
            notes.append(f"column '{name}' is constant and is left out.")
        else:
            kept.append(name)
    if not kept:
        raise DataError(f"no numeric column with two values or more is left ({len(table)} rows). {' '.join(notes)}")
    return table[kept], y, notes


def said_of_kinds(columns: tuple[str, ...], levels: tuple[Any, ...]) -> str:
    """What a model that takes names and counts makes of each column, as a sentence."""
    kinds: dict[str, list[str]] = {"names": [], "counts": [], "numbers": []}
    for column, names in zip(columns, levels or (None,) * len(columns), strict=True):
        if isinstance(names, tuple):
            kinds["names"].append(f"{column} ({len(names)} different)")
        else:
            kinds["counts" if names == COUNTS else "numbers"].append(column)
    return f"columns are read as {'; '.join(f'{kind}: {", ".join(of)}' for kind, of in kinds.items() if of)}."


def said_of_order(y: pd.Series | None) -> list[str]:
    """In which order labels that are text are taken to be, as a sentence; none where there is nothing to say."""
    if y is None or pd.api.types.is_numeric_dtype(y):
        return []
    known = categories_of(y)
    if known is not None and y.dtype.ordered:
        return []
    there = y.dropna().unique()
    found = ",".join(sorted(map(str, there)) if known is None else [str(name) for name in known if name in set(there)])
    return [f"labels are taken to be in the order {found}; --labels gives another."]


def in_order(y: pd.Series | None, order: str) -> pd.Series:
    """Labels as categories in the order that is given, by commas. Raises DataError where it lacks one of them."""
    if y is None:
        raise DataError("--labels orders the labels of --target, which is not given.")
    try:
        (names,) = csv.reader([order], skipinitialspace=True)  # a label with a comma in quotes
    except (csv.Error, ValueError) as error:
        raise DataError(f"--labels takes labels by commas, got {order!r}: {error}.") from None
    names = [name.strip() for name in names]
    text = y.map(str, na_action="ignore")
    other = next((one for one in text.dropna() if one not in names), None)
    if other is not None:
        raise DataError(f"--labels takes all labels of '{y.name}', by commas; '{order}' is without '{other}'.")
    if len(set(names)) < len(names):
        raise DataError(f"--labels takes each label once, by commas, got '{order}'.")
    own = dict(zip(text.dropna(), y.dropna(), strict=True))  # labels that are numbers stay numbers
    return pd.Series(
        pd.Categorical(y, [own[name] for name in names if name in own], ordered=True), y.index, name=y.name
    )
