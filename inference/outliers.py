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

ROUNDING = 1e-10  # of a log density, and of one of a row with no feature seen, which is 0
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
    return improbable(fit, values, held_out=held_out, seed=seed)


def improbable(
    fit: "Fit", values: np.ndarray, score: np.ndarray | None = None, *, held_out: Any, seed: int = 0
) -> xr.Dataset:
    """``outliers`` of rows; score: their log P(x_i), where it is another than the fit's, as a row was left out of it.

    A row of reference that is as probable to the fit as row i, as where both have the same names, is as improbable as
    that: it would have been scored likewise.
    """
    by_fit = log_marginal(fit, values).values
    score = by_fit if score is None else score
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
        less = np.searchsorted(theirs, _above(score[mine]), side="right")
        alike = np.searchsorted(theirs, _above(by_fit[mine]), side="right")
        alike -= np.maximum(less, np.searchsorted(theirs, -_above(-by_fit[mine]), side="left"))
        tail[mine] = (1 + less + np.maximum(alike, 0)) / (1 + len(theirs))
    return xr.Dataset(
        {"log_marginal": ("row", score), "tail_probability": ("row", tail)}, {"row": np.arange(len(values))}
    )


def _above(score: np.ndarray) -> np.ndarray:
    """What is no more than rounding errors above a log density."""
    return score + ROUNDING * (1 + np.abs(score))
