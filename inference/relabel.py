"""Hidden labels switch: give every draw's labels the order of one pivot draw.

Renaming the labels of a mixture changes neither its likelihood nor an exchangeable prior, so chains and draws may
disagree in names alone, and a raw R-hat says nothing. Each draw is renamed by the assignment that brings its label
posteriors closest, in Kullback-Leibler divergence, to the pivot's (Stephens 2000, algorithm 2, with one pivot).
"""

from dataclasses import replace
from itertools import chain, combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from .fit import Fit
from .priors import log_prior, with_params
from .queries import log_joint, log_label_posterior, log_marginal

ROWS = 200  # enough rows to tell components apart; more cost time
AXES = 8  # axes as long as there are labels that are tried in all combinations

Axes = tuple[tuple[str, int], ...]


def relabel(fit: Fit) -> Fit:
    """The fit with every draw's labels renamed, and how many draws had other names in diagnostics ``renamed_draws``.

    Labels that some row shows keep their names. A model without a label, or that tells its labels apart, is returned
    as it came, without that diagnostic.
    """
    free = np.setdiff1d(np.arange(fit.shape.classes or 0), fit.summary.label)
    if len(free) < 2 or not fit.shape.generative:
        return fit
    x = fit.summary.few.x
    rows = x[np.linspace(0, len(x) - 1, min(ROWS, len(x))).astype(int)]
    axes = _label_axes(fit, rows[:20], free)
    if axes is None:
        return fit
    log_p = log_label_posterior(fit, rows, draws=True).stack(s=("chain", "draw")).transpose("s", "row", "label").values
    pivot = int(log_marginal(fit, rows, draws=True).sum("row").values.argmax())
    cost = -np.einsum("ik,sij->skj", np.exp(log_p[pivot][:, free]), np.maximum(log_p[..., free], -1e3))
    order = np.tile(np.arange(fit.shape.classes), (len(cost), 1))
    order[:, free] = free[[linear_sum_assignment(one)[1] for one in cost]]
    renamed = int(np.any(order != np.arange(fit.shape.classes), axis=1).sum())
    after = with_params(fit, _renamed(fit.flat_params, order, axes)) if renamed else fit
    return replace(after, diagnostics={**fit.diagnostics, "renamed_draws": float(renamed)})


def _renamed(params: dict[str, np.ndarray], order: np.ndarray, axes: Axes) -> dict[str, np.ndarray]:
    """Parameters, each (draws, *shape), with label order[s, k] of draw s as its label k along ``axes``."""
    params = dict(params)
    for name, axis in axes:
        value = params[name]
        index = order.reshape(len(order), *[-1 if i == axis else 1 for i in range(1, value.ndim)])
        params[name] = np.take_along_axis(value, index, axis=axis)
    return params


def _label_axes(fit: Fit, rows: np.ndarray, free: np.ndarray) -> Axes | None:
    """The axes of parameters that hold one value a label; None where the model tells labels apart.

    Found by trial: renaming labels along them must rename the columns of log P(x, y) and leave the prior density as it
    is. A cycle and a swap make all renamings. Tried are the axes called label, and then the fewest of any name.
    """
    classes, draws = (
        fit.shape.classes,
        np.unique(np.linspace(0, len(next(iter(fit.flat_params.values()))) - 1, 3, dtype=int)),
    )
    candidates = [
        (name, i + 1) for name, site in fit.shape.sites for i, size in enumerate(site.shape) if size == classes
    ]
    dims = dict(fit.shape.sites)
    called = tuple((name, axis) for name, axis in candidates if dims[name].dims[axis - 1] == "label")
    candidates = candidates[:AXES]
    few = {name: value[draws] for name, value in fit.flat_params.items()}
    prior = log_prior(_with(fit, few))
    joint = log_joint(_with(fit, few), rows, draws=True).values[0]
    cycle, swap = np.arange(classes), np.arange(classes)
    cycle[free], swap[free[:2]] = np.roll(free, 1), free[1::-1]
    fewest_first = chain.from_iterable(combinations(candidates, n) for n in range(1, len(candidates) + 1))
    for axes in chain([called] if called else [], fewest_first):
        for names in (cycle, swap):
            other = _with(fit, _renamed(few, np.tile(names, (len(draws), 1)), axes))
            if not np.allclose(log_prior(other), prior, rtol=1e-8):
                break
            if not np.allclose(log_joint(other, rows, draws=True).values[0], joint[..., names], rtol=1e-8, atol=1e-8):
                break
        else:
            return axes
    return None


def _with(fit: Fit, params: dict[str, np.ndarray]) -> Fit:
    return replace(fit, params={name: value[None] for name, value in params.items()})
