"""Fits side by side on equal terms: how well each predicts a row that is left out."""

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from ..inference.errors import DataError
from .left_out import Case, left_out_label_posterior, posterior_weights, telling
from .seen import label_posterior

if TYPE_CHECKING:
    from ..inference.fit import Fit


def compare(fits: Mapping[str, "Fit"], trees: Mapping[str, xr.DataTree] | None = None) -> pd.DataFrame:
    """Expected log predictive density of each fit by leave-one-out, differences with standard errors, stacking weights.

    By ArviZ's ``compare``, a row a fit, the best first. Fits with a label or response are scored on log P(y_i | x_i),
    generative ones too, so that a joint and a conditional model compare on equal terms: of a joint model, leaving row i
    out leaves out x_i and y_i, and P(y_i | x_i) follows by Bayes' rule from what is left. Fits of P(x) alone are scored
    on log P(x_i). trees: the fits' ``to_arviz()``, where they are at hand. Raises DataError for fits of other rows, of
    point estimates, or of different questions.
    """
    import arviz_stats

    if len(fits) < 2:
        raise DataError(f"compare takes two fits or more, got {len(fits)}.")
    (first, one), *others = fits.items()
    for name, fit in fits.items():
        if fit.draws_shape == (1, 1):
            raise DataError(f"{name} is a point estimate; compare fits by nuts, laplace or svi.")
        if not len(fit.x) or fit.summary.weighted:
            raise DataError(f"{name} has no rows at hand, or weighted ones; compare fits of tables in memory.")
    for name, fit in others:
        if question(fit) != question(one):
            raise DataError(f"{first} is scored on {question(one)} and {name} on {question(fit)}; compare like fits.")
        apart = set(one.schema.columns) ^ set(fit.schema.columns)
        if question(one) == "log P(x)" and apart:
            raise DataError(
                f"{first} and {name} are scored on log P(x), and '{min(apart)}' is a column of one of them only; fit "
                "both to the same columns."
            )
        if not _same_rows(one, fit):
            raise DataError(f"{first} and {name} were fitted to other rows; fit them to the same table and --holdout.")
    cases = {}
    for name, fit in fits.items():
        cases[name] = Case(fit, fit.to_arviz() if trees is None else trees[name])
        if cases[name].stands_still:
            raise DataError(
                f"the sampler of {name} stood still at one draw, so that no row can be left out; run longer."
            )
    return arviz_stats.compare({name: left_out(fits[name], case) for name, case in cases.items()}, round_to="none")


def question(fit: "Fit") -> str:
    if not fit.shape.has_y or (fit.shape.classes and np.all(fit.y < 0)):
        return "log P(x)"
    return "log P(y | x) of labels" if fit.shape.classes else "log P(y | x) of numbers"


def _same_rows(one: "Fit", other: "Fit") -> bool:
    if len(one.x) != len(other.x) or one.schema.target != other.schema.target:
        return False
    if one.shape.has_y and (one.schema.labels != other.schema.labels or not np.array_equal(one.y, other.y)):
        return False
    shared = [column for column in one.schema.columns if column in other.schema.columns]
    a, b = (fit.x[:, [fit.schema.columns.index(column) for column in shared]] for fit in (one, other))
    return np.array_equal(a, b, equal_nan=True)


def left_out(fit: "Fit", case: Case | None = None) -> object:
    """ArviZ's ELPDData of log P(y_i | x_i), or log P(x_i) where there is no y, each row left out.

    case: the fit's, where what it works out is at hand.
    """
    case = Case(fit, fit.to_arviz()) if case is None else case
    known = case.known
    found = case.loo
    if not (fit.shape.generative and known.any()):
        return found
    p = case.label_posterior[0][known, fit.y[known]]
    with np.errstate(divide="ignore"):
        each = np.log(p)
    of_posterior, rows = posterior_weights(case.tree), len(known)
    inside = label_posterior(case.tree)
    if of_posterior is not None:
        inside = left_out_label_posterior(fit, np.broadcast_to(of_posterior[:, None], (len(of_posterior), rows)))
    inside = np.log(inside[known, fit.y[known]])
    found, k = copy(found), np.zeros(len(known))
    k[telling(case.tree)] = found.pareto_k.values
    found.elpd_i = xr.DataArray(each, {"row": np.flatnonzero(known)}, ("row",), name="y")
    found.pareto_k = xr.DataArray(k[known], {"row": np.flatnonzero(known)}, ("row",))
    found.elpd, found.se = float(each.sum()), float(np.sqrt(len(each) * each.var()))
    found.p, found.n_data_points = float(inside.sum() - each.sum()), len(each)
    return found
