"""Another label prior after the fit: P'(y | x) from P'(y) and the P(x | y) that was learnt."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.special import log_softmax, logsumexp

from .errors import DataError, QueryError
from .progress import bar
from .queries import label_likelihood, needs_joint

if TYPE_CHECKING:
    from .fit import Fit

ROUNDS = 10_000
GAIN = 1e-12  # nats a row that end the search


def label_posterior_under(fit: "Fit", x: Any, prior: Mapping[Any, float] | xr.DataArray) -> xr.DataArray:
    """log P'(y = k | x_i) where labels are as frequent as ``prior`` says, dims (row, label).

    P'(k | x) is proportional to P'(k) E[P(x | k, theta) | D]: what was learnt of P(x | y) stays, only P(y) is another
    (prior shift; Saerens, Latinne and Decaestecker 2002, eq. 2.4). All draws count alike in E, where
    ``log_label_posterior`` averages P(k | theta) P(x | k, theta): the two differ by as much as the draws of P(y) and
    those of P(x | y) go together, so even P' = P(y) answers a little otherwise. prior: {label: probability}, each at
    least 0 and 1 together, or what ``estimate_label_prior`` gave.
    """
    needs_joint(fit, "another label prior")
    log_prior = np.log(_shares(fit, prior))
    answer = label_likelihood(fit, x)
    return answer.copy(data=log_softmax(answer.values + log_prior, axis=1))


def estimate_label_prior(fit: "Fit", x: Any) -> xr.DataArray:
    """How frequent labels are among rows whose labels nobody knows, dims (label).

    argmax over pi of sum_i log sum_k pi_k P(x_i | k), whose P(x | k) stay as they were learnt, by EM (Saerens, Latinne
    and Decaestecker 2002, section 2.2). The objective is concave, so it has one maximum, and EM's gains end there.
    """
    needs_joint(fit, "another label prior")
    answer = label_likelihood(fit, x)
    log_x = answer.values
    if len(log_x) == 0:
        raise QueryError("no row was given; give those of the new population.")
    pi, before = np.full(log_x.shape[1], 1 / log_x.shape[1]), -np.inf
    for _ in bar(range(ROUNDS), desc="EM, at most"):
        with np.errstate(divide="ignore"):
            joint = log_x + np.log(pi)
        each = logsumexp(joint, axis=1)
        pi = np.exp(joint - each[:, None]).mean(axis=0)
        if each.mean() - before < GAIN:
            break
        before = each.mean()
    return xr.DataArray(pi, {"label": answer.label}, ("label",), name="prior")


def _shares(fit: "Fit", prior: Mapping[Any, float] | xr.DataArray) -> np.ndarray:
    labels = fit.label_coordinate.tolist()
    if isinstance(prior, xr.DataArray):
        prior = dict(zip(prior.label.values.tolist(), prior.values.tolist(), strict=True))
    if not isinstance(prior, Mapping) or set(prior) != set(labels):
        raise DataError(f"a label prior is {{label: probability}} for each of {labels}, got {prior!r}.")
    strange = next((prior[label] for label in labels if not isinstance(prior[label], int | float | np.number)), None)
    if strange is not None:
        raise DataError(f"a label prior has a probability for each label, got {strange!r}.")
    shares = np.array([prior[label] for label in labels], dtype=float)
    if not np.all(shares >= 0) or abs(shares.sum() - 1) > 1e-6:
        raise DataError(f"a label prior has probabilities of at least 0 that add up to 1, got {prior!r}.")
    return np.maximum(shares, np.finfo(float).tiny)
