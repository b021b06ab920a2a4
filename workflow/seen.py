"""What a fit's ``to_arviz()`` says of the rows that were seen, without the fit."""

import json
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..inference.errors import DataError


@dataclass(frozen=True)
class Seen:
    """The user's rows and names.

    x: (rows, columns), NaN where a cell is missing. y: of each row a number, or a code, -1 where its label is hidden;
    None where the model has none. levels: of each column the names of its codes, COUNTS, or None. labels: in the order
    of their codes.
    """

    x: np.ndarray
    y: np.ndarray | None
    columns: list[str]
    levels: list[tuple[str, ...] | str | None]
    labels: list[str]
    target: str


def seen(tree: xr.DataTree) -> Seen:
    """From the groups ``observed_data`` and ``constant_data`` that ``to_arviz()`` makes of a fit that has its rows.

    Raises DataError for any other tree.
    """
    if "observed_data" not in tree:
        raise DataError("the tree has no rows (no group observed_data), as of a fit to files; fit rows of a table.")
    observed = tree["observed_data"].to_dataset()
    given = tree["constant_data"].to_dataset() if "constant_data" in tree else xr.Dataset()
    x, y = (next((rows[name] for rows in (observed, given) if name in rows), None) for name in ("x", "y"))
    if x is None or "levels" not in x.attrs:
        raise DataError("the tree does not say what its columns are; take what to_arviz() makes, as it is.")
    levels = [tuple(one) if isinstance(one, list) else one for one in json.loads(x.attrs["levels"])]
    return Seen(
        x=x.values,
        y=None if y is None else y.values,
        columns=[str(name) for name in x.feature.values],
        levels=levels,
        labels=[str(label) for label in observed["class"].values] if "class" in observed.coords else [],
        target="" if y is None else y.attrs["long_name"],
    )
