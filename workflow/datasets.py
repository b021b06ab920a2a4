"""Tables by name or path; nothing is downloaded."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from ..inference.errors import DataError

SKLEARN = ("iris", "wine", "breast_cancer", "digits", "diabetes")
BUNDLED = ("penguins", *SKLEARN)


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
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if path.suffix.lower() not in readers:
        raise DataError(f"'{data}' ends in '{path.suffix}'; a .csv or .parquet file is read.")
    try:
        if path.suffix.lower() == ".csv":
            # pandas renames the second of two equal names without a word.
            header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].dropna()
            if header.duplicated().any():
                raise DataError(f"'{data}' has two columns '{header[header.duplicated()].iloc[0]}'; rename one.")
        return readers[path.suffix.lower()](path)
    except DataError:
        raise
    except (ValueError, OSError) as error:
        raise DataError(f"'{data}' cannot be read as a table: {' '.join(str(error).split())}") from error


def choose_columns(
    table: pd.DataFrame, target: str | None, features: list[str] | None
) -> tuple[pd.DataFrame, pd.Series | None, list[str]]:
    """x, y, and one note for each column left out unasked: without numbers, or with one value only.

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
    if y is not None and pd.api.types.is_float_dtype(y) and y.isna().any() and (y.dropna() % 1 == 0).all():
        y = y.astype("Int64")  # whole numbers that pandas made floats of, for want of a missing integer
    if features:
        return table[features], y, []
    notes, kept = [], []
    for name in table.columns:
        column = table[name]
        if name == target:
            continue
        if column.isna().all():
            notes.append(f"column '{name}' has no value and is left out.")
        elif not pd.api.types.is_numeric_dtype(column):
            row, value = _first_without_number(column)
            notes.append(f"column '{name}' is not numeric ({value!r} in row {row}) and is left out.")
        elif column.nunique() < 2:
            notes.append(f"column '{name}' is constant and is left out.")
        else:
            kept.append(name)
    if not kept:
        raise DataError(f"no numeric column with two values or more is left ({len(table)} rows). {' '.join(notes)}")
    return table[kept], y, notes


def _first_without_number(column: pd.Series) -> tuple[int, str]:
    """Row and text of the first value that is no number, the first value of all where dates or other types are."""
    strange = column.notna() & pd.to_numeric(column.astype(str), errors="coerce").isna()
    row = int(np.argmax(strange if strange.any() else column.notna()))
    return row, str(column.iloc[row])
