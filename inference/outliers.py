"""Rows that the model finds improbable."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .cells import few
from .errors import QueryError
from .generate import generate
from .queries import log_marginal, needs_joint, rows_of
from .table import read_x

if TYPE_CHECKING:
    from .fit import Fit

GENERATED = 1000  # rows of the model's own that others are compared with, where none are given


def outliers(fit: "Fit", x: Any, *, held_out: Any = None, seed: int = 0) -> xr.Dataset:
    """log P(x_i) of each row, and how rarely one is as improbable: ``log_marginal``, ``tail_probability``, dims (row).

    The tail probability is (1 + #{r : log P(x_r) <= log P(x_i)}) / (1 + R) over R rows of reference. Of a row that
    comes from where they come from, it is at most a with probability a, however wrong the model (conformal p-value:
    Bates et al. 2023).
    held_out: the reference, rows that the fit has not seen. None: 1,000 rows that the model generates, and tails are
    those of its own posterior predictive, right only as far as the model is.
    Of counts whose total the model takes as given, rows of all totals that occur are compared with one another.
    Where a row misses features, references that have the others are looked at in those alone.
    """
    needs_joint(fit, "outliers, P(x)")
    values = rows_of(fit, x)
    return improbable(fit, values, log_marginal(fit, values).values, held_out=held_out, seed=seed)


def improbable(fit: "Fit", values: np.ndarray, score: np.ndarray, *, held_out: Any, seed: int = 0) -> xr.Dataset:
    """``outliers`` of rows whose log P(x_i) is ``score``, as where a row of the fit was left out of it."""
    if held_out is None:
        own = generate(fit, GENERATED, seed=seed)
        reference = read_x(own.to_pandas()[list(fit.schema.columns)], fit.schema)[0]
    else:
        reference = rows_of(fit, held_out)
    tail = np.empty(len(values))
    seen, of = np.unique(~np.isnan(values), axis=0, return_inverse=True)
    for pattern, features in enumerate(seen):
        mine, whole = of == pattern, ~np.isnan(reference[:, features]).any(axis=1)
        if not whole.any():
            columns = [column for column, there in zip(fit.schema.columns, features, strict=True) if there]
            raise QueryError(
                f"no row of reference has all of {few(columns)}, as some row of x has; hold out more rows."
            )
        theirs = np.sort(log_marginal(fit, np.where(features, reference[whole], np.nan)).values)
        tail[mine] = (1 + np.searchsorted(theirs, score[mine], side="right")) / (1 + len(theirs))
    return xr.Dataset(
        {"log_marginal": ("row", score), "tail_probability": ("row", tail)}, {"row": np.arange(len(values))}
    )
