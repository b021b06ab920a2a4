"""What speaks for and against a fit: each check a number, its threshold, and what to do."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from ..inference.cells import few
from ..inference.importance import FAR
from .check import FALSE_ALARM, inside
from .left_out import LEAST, Case
from .neighbours import AROUND, ENOUGH, p_of_generated, p_of_labels, p_of_scores, rounded_like
from .seen import by_label, generated

if TYPE_CHECKING:
    from ..inference.fit import Fit

# Power-scaling sensitivity from which on prior and data are said to conflict. Kallioinen et al. (2024) look from 0.05
# on, where the zoo's weak priors, scaled all together, are with nothing wrong: 0.06 to 0.08 by a hundred rows, 0.12 by
# sixty. A normal prior whose centre is three of its widths from what as precise data say has 0.17.
SENSITIVE = 0.15
COMPARED = 1_000  # real rows of a label that are compared with generated ones, at most
GENERATED = 3  # generated rows for each of them
WHOLE_ROWS = 0.95  # share of rows without a missing cell from which on these stand for all


class Check(NamedTuple):
    """One check. passed: whether ``value`` is on the right side of ``threshold``; advice: what it means, what to do."""

    name: str
    value: float
    threshold: str
    passed: bool
    advice: str


def check(fit: "Fit", tree: xr.DataTree | None = None) -> pd.DataFrame:
    """The checks an experienced Bayesian would run, a row each: name, value, threshold, passed, advice.

    Of NUTS: R-hat, effective sample sizes, divergences, E-BFMI, modes visited. Of any posterior: Pareto k of
    leave-one-out, calibration of leave-one-out predictions and of columns, whether rows that are alike in x err alike,
    whether generated rows lie among real ones, conflict of prior and data; or why no row is left out. Of Laplace and
    SVI: how near to a normal it is, and where it is far nothing that rests on draws. Of a point fit: its gap. Of any:
    whether the fitter warned, as where an ELBO was still rising.
    tree: the fit's ``to_arviz()``, where it is at hand. Checks that need rows or draws are left out where none are.
    """
    return pd.DataFrame(checks(Case(fit, fit.to_arviz() if tree is None else tree)), columns=Check._fields)


def checks(case: Case) -> list[Check]:
    """The checks of ``check``, one by one."""
    fit = case.fit
    said = " ".join(fit.warnings) or "the fitter had nothing to warn of."
    warned = Check("warnings of the fitter", float(len(fit.warnings)), "0", not fit.warnings, said)
    normal = list(_normal(fit))
    rest = [*_left_out(case), *_prior(case)] if all(one.passed for one in normal) else []
    return [*_point(fit), *normal, *_sampling(fit, case.tree), *rest, warned]


def _point(fit: "Fit") -> Iterator[Check]:
    if "gap" in fit.diagnostics:
        gap = fit.diagnostics["gap"]
        advice = "the optimiser is at the mode." if gap <= 1e-6 else "the optimiser stopped early; scale the columns."
        yield Check("nats to the mode", gap, "at most 1e-06", gap <= 1e-6, advice)


def _normal(fit: "Fit") -> Iterator[Check]:
    if "normal_k" in fit.diagnostics:
        k = fit.diagnostics["normal_k"]
        advice = (
            "a normal stands for the posterior."
            if k <= FAR
            else "the posterior is far from a normal: use nuts. What else would be looked at rests on these draws."
        )
        yield Check("Pareto k of the normal", k, f"at most {FAR:g}", k <= FAR, advice)


def _sampling(fit: "Fit", tree: xr.DataTree) -> Iterator[Check]:
    told, chains = fit.diagnostics, fit.draws_shape[0]
    if "max_rhat" in told:
        good = told["max_rhat"] < 1.01
        advice = "the chains agree." if good else "the chains disagree: run longer, or look for several modes."
        yield Check("R-hat, the largest", told["max_rhat"], "below 1.01", good, advice)
    if "max_rhat_raw" in told:
        good = told["max_rhat_raw"] < 1.01
        advice = (
            "no chain renamed its labels." if good else "chains name hidden labels differently; read the other one."
        )
        yield Check("R-hat before relabelling", told["max_rhat_raw"], "for information", True, advice)
    for kind in ("bulk", "tail"):
        if f"min_ess_{kind}" in told:
            value, least = told[f"min_ess_{kind}"], 100 * chains
            advice = "enough independent draws." if value > least else "too few independent draws: run longer."
            yield Check(f"{kind} ESS, the smallest", value, f"above {least}", value > least, advice)
    if "divergences" in told:
        good = told["divergences"] == 0
        corners = "the posterior has corners: reparametrise, raise target_accept, or tighten priors."
        advice = "no trajectory diverged." if good else corners
        yield Check("divergences", told["divergences"], "0", good, advice)
    if "energy" in fit.sample_stats:
        from arviz_stats import bfmi

        value = float(bfmi(tree)["energy"].min())
        advice = "energies are explored." if value > 0.3 else "heavy tails are explored slowly: reparametrise."
        yield Check("E-BFMI, the smallest", value, "above 0.3", value > 0.3, advice)
    if told.get("modes", 1) > 1:
        advice = "draws are at several modes: read each for itself, by sample_stats['mode']."
        yield Check("modes visited", told["modes"], "1", False, advice)


def _left_out(case: Case) -> Iterator[Check]:
    """Leave-one-out by importance sampling, and whether what it predicts is calibrated."""
    if not case.leaves_out:
        if not case.point:
            why = (
                "the sampler stood still at one draw, run longer"
                if case.stands_still
                else "rows are weighted"
                if case.fit.summary.weighted
                else "the rows are not at hand"
            )
            said = (
                f"{why}, so that none is left out: calibration, and what else rests on single rows, was not looked at."
            )
            yield Check("rows left out", 0.0, "for information", not case.stands_still, said)
        return
    from arviz_stats.base import array_stats

    fit, (weights, k), pit = case.fit, case.weights, case.pit
    limit = min(1 - 1 / np.log10(weights.shape[0]), 0.7)
    far = case.row(np.flatnonzero(k > limit))
    bad = len(far)
    advice = (
        "leaving one row out hardly moves the posterior."
        if bad == 0
        else f"{bad} of {len(k)} rows move the posterior much, so LOO is too hopeful of them: look at "
        f"rows {few(far.tolist(), 5)}."
    )
    yield Check("Pareto k, the largest", float(k.max()), f"at most {limit:.2f}", bad == 0, advice)
    if pit is not None and len(pit) >= 20:
        there = np.isfinite(pit)
        p = float(array_stats.uniformity_test(inside(pit[there]))[0])
        good = p > FALSE_ALARM and bool(there.all())
        what = "label probabilities" if fit.shape.classes else "predictive distributions"
        advice = (
            f"{what} of rows left out are as often right as they say."
            if good
            else f"draws of y are no numbers for {np.sum(~there)} rows: the posterior has far too wide tails."
            if not there.all()
            else f"{what} of rows left out are too sure, or not sure enough: let the model be wider, or richer."
        )
        yield Check("calibration, p of uniform ranks", p, f"above {FALSE_ALARM}", good, advice)
    yield from _neighbours(case)
    yield from _columns(case)
    yield from _generated(case)


def _neighbours(case: Case) -> Iterator[Check]:
    """Whether rows that are alike in x err alike, which ranks of all rows together do not show."""
    fit, pit = case.fit, case.pit
    if pit is None or len(pit) < ENOUGH or not np.isfinite(pit).all():
        return
    if fit.shape.classes:
        p = p_of_labels(fit.x[case.known], case.label_posterior[0][case.known], fit.y[case.known])
    else:
        p = p_of_scores(fit.x, case.errors)
    good = p > FALSE_ALARM
    more = (
        "let columns depend on one another, as a full covariance or a mixture does."
        if fit.shape.generative
        else "let the hypothesis bend, as a spline or a gaussian_process does, or give it products of columns."
    )
    advice = (
        "rows that are alike do not err alike."
        if good
        else f"rows that are alike in x err alike, so x tells more: {more}"
    )
    yield Check("neighbours, p of errors that are unlike", p, f"above {FALSE_ALARM}", good, advice)


def _columns(case: Case) -> Iterator[Check]:
    """Whether cells lie where the other rows predict: the least p of uniform places, times how many are looked at."""
    from arviz_stats.base import array_stats

    fit, found = case.fit, []
    names = [f"'{fit.schema.columns[j]}'" for j in (case.places[0].columns if case.places else ())]
    for one in case.places:
        for j, pit in zip(one.columns, one.pit.T, strict=True):
            there = pit[~np.isnan(pit)]
            if len(there) >= LEAST:
                found.append((float(array_stats.uniformity_test(there)[0]), fit.schema.columns[j], one.name))
    if not found:
        return
    least, column, label = min(found)
    p = min(1.0, len(found) * least)
    good = p > FALSE_ALARM
    advice = (
        f"what was looked at is spread as the fit says: {few(names)}."
        if good
        else f"column '{column}' is not spread as the fit says, most of all in {label}: see its picture; transform it, "
        "or let the model be richer."
    )
    yield Check("calibration of columns, p of uniform places", p, f"above {FALSE_ALARM}", good, advice)


def _generated(case: Case) -> Iterator[Check]:
    """Whether generated rows of a label lie among its real ones, however columns depend on one another there.

    Of rows without a missing cell, where nearly all are: which cells are missing, nothing generates.
    """
    fit = case.fit
    whole = ~np.isnan(fit.x).any(axis=1)
    if not case.answers_x or np.mean(whole) < WHOLE_ROWS:
        return
    rng = np.random.default_rng(0)
    groups = []
    for _, members, code in by_label(case.tree):
        rows = rng.permutation(np.flatnonzero(members & whole))[:COMPARED]
        if len(rows) > AROUND:
            drawn = generated(case.tree, code, GENERATED * len(rows), rng)
            drawn = drawn[np.isfinite(drawn).all(axis=1)]  # tails may be beyond all numbers
            groups.append((fit.x[rows], rounded_like(fit.x[rows], drawn)))
    groups = [(real, drawn) for real, drawn in groups if len(drawn) > AROUND]
    if sum(len(real) for real, _ in groups) < ENOUGH:
        return
    p, share, expected = p_of_generated(groups)
    more = "let columns depend on one another, as a full covariance does, or " if fit.x.shape[1] > 1 else ""
    good = p > FALSE_ALARM
    advice = (
        "generated rows lie among the real ones."
        if good
        else f"{share:.1%} of the rows around a real one are real, and {expected:.1%} where generated ones lie among "
        f"them: {more}let the model be richer."
    )
    yield Check("real among generated rows, p", p, f"above {FALSE_ALARM}", good, advice)


def _prior(case: Case) -> Iterator[Check]:
    tree = case.tree
    if "log_prior" not in tree or not case.leaves_out:
        return
    together = sum(value.values for value in tree["log_prior"].data_vars.values())
    if np.ptp(together) < 1e-9:  # a flat prior, which pulls at nothing
        return
    from arviz_stats import psense

    with np.errstate(invalid="ignore"):  # of a parameter that never varies it makes 0 / 0
        by_prior, by_data = (psense(tree, group=group) for group in ("prior", "likelihood"))
    conflict = {}
    for name in by_prior.data_vars:
        value = np.minimum(by_prior[name].values, by_data[name].values)
        if np.size(value) and np.isfinite(value).any():
            conflict[name] = float(np.nanmax(value))
    if not conflict:
        return
    worst = max(conflict, key=conflict.get)
    good = conflict[worst] < SENSITIVE
    advice = (
        "prior and data do not pull against each other."
        if good
        else f"prior and data both pull at {worst}: see whether its prior says what you know."
    )
    yield Check("prior-data conflict, power scaling", conflict[worst], f"below {SENSITIVE}", good, advice)
