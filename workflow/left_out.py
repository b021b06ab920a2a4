"""What the rows but one say of that one, by importance sampling: no model is fitted again.

Draws of theta given all rows are weighted by 1 / P(row i | theta), Pareto-smoothed, and then stand for draws given the
others (Vehtari, Gelman and Gabry 2017; Vehtari et al. 2024).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr
from scipy.special import logsumexp, softmax
from scipy.stats import norm

from ..inference.decisions import label_uncertainty
from ..inference.errors import DataError
from ..inference.problem import PROPOSAL
from ..inference.queries import log_joint, log_label_posterior, log_marginal
from .seen import (
    by_label,
    by_weight,
    class_conditional,
    draws_of_x,
    known_or_assigned,
    label_posterior,
    log_label_prior,
    seen,
    telling_columns,
)
from .store import WHOLE, Origin

if TYPE_CHECKING:
    from ..inference.fit import Fit

CELLS = 4_000_000  # draws x rows x labels held at a time
ROUNDING = 1e-9  # nats between the draws' likelihoods of a row that are none
LEAST = 20  # rows of a label whose places are tested for uniformity
PLACED = 400  # rows a label that are placed, at most: where more are, these are chosen at random
AGAIN = 4  # draws of a normal for each that is taken for one of the posterior, none twice: a tail has no ties
AMONG = 10  # draws of x for each of them, at least: a test of uniformity hears how few there are, otherwise


def one_over_weights(tree: xr.DataTree) -> xr.DataArray:
    """log-likelihood of each row at each draw; where a normal stands for the posterior, less log posterior over normal.

    Leave-one-out weighs draws by one over this: draws of a normal are importance draws of the posterior as well
    (Magnusson et al. 2019). Raises DataError where there are no draws, or no log-likelihoods.
    """
    if tree["posterior"].sizes["chain"] * tree["posterior"].sizes["draw"] == 1:
        raise DataError("a point estimate leaves no row out; fit by nuts, laplace or svi.")
    if "log_likelihood" not in tree:
        raise DataError("no row is left out where rows have weights, or are not at hand; fit a table of single rows.")
    (each,) = tree["log_likelihood"].data_vars.values()
    return each - log_posterior_over_normal(tree)


def log_posterior_over_normal(tree: xr.DataTree) -> xr.DataArray | float:
    """But for a constant, (chain, draw); 0 where draws are the posterior's own."""
    if "sample_stats" not in tree or PROPOSAL not in tree["sample_stats"]:
        return 0.0
    (each,) = tree["log_likelihood"].data_vars.values()
    return tree["sample_stats"][PROPOSAL] + each.sum("row")


def posterior_weights(tree: xr.DataTree) -> np.ndarray | None:
    """Pareto-smoothed weights of draws of a normal that make them draws of the posterior, (draws,), adding up to 1.

    None where draws are the posterior's own.
    """
    from arviz_stats.base import array_stats

    ratio = log_posterior_over_normal(tree)
    if isinstance(ratio, float):
        return None
    flat = ratio.stack(s=("chain", "draw")).values
    # Of minus logarithms, whose signs it turns itself; where all are the same there is no tail.
    return softmax(array_stats.psislw(-flat)[0] if np.ptp(flat) > ROUNDING else np.zeros(len(flat)))


def smoothed_weights(tree: xr.DataTree) -> tuple[np.ndarray, np.ndarray]:
    """Pareto-smoothed leave-one-out weights of each draw, (draws, rows), adding up to 1, and each row's k.

    k says how far leaving the row out moves the posterior. Where a normal stands for that, it is of a quarter of the
    draws, drawn by ``posterior_weights``, so that it does not say how far the normal is from the posterior.
    """
    from arviz_stats.base import array_stats

    flat = one_over_weights(tree).stack(s=("chain", "draw")).transpose("row", "s").values
    moving, log_weights, k = np.ptp(flat, axis=1) > ROUNDING, np.zeros(flat.shape), np.zeros(len(flat))
    # Of log-likelihoods, whose signs it turns itself.
    log_weights[moving], k[moving] = array_stats.psislw(flat[moving], axis=-1)
    of_posterior = posterior_weights(tree)
    if of_posterior is not None:
        (each,) = tree["log_likelihood"].data_vars.values()
        some = by_weight(of_posterior, len(of_posterior) // AGAIN, np.random.default_rng(0))
        drawn = each.stack(s=("chain", "draw")).transpose("row", "s").values[:, some]
        moving, k = np.ptp(drawn, axis=1) > ROUNDING, np.zeros(len(flat))
        _, k[moving] = array_stats.psislw(drawn[moving], axis=-1)
    return softmax(log_weights.T, axis=0), k


def telling(tree: xr.DataTree) -> np.ndarray:
    """Which rows are more likely at some draws than at others: not those of which nothing at all was seen."""
    (each,) = tree["log_likelihood"].data_vars.values()
    return (each.max(("chain", "draw")) - each.min(("chain", "draw")) > ROUNDING).values


def loo(tree: xr.DataTree) -> object:
    """ArviZ's ``loo`` of the rows that tell anything, pointwise; it fails at others.

    ``loo_approximate_posterior`` where a normal stands for the posterior.
    """
    import arviz_stats

    each = tree["log_likelihood"].to_dataset().isel(row=np.flatnonzero(telling(tree)))
    groups = {"posterior": tree["posterior"].to_dataset(), "log_likelihood": each}
    ratio, tree = log_posterior_over_normal(tree), xr.DataTree.from_dict(groups)
    if isinstance(ratio, float):
        return arviz_stats.loo(tree, pointwise=True)
    return arviz_stats.loo_approximate_posterior(tree, ratio, xr.zeros_like(ratio), pointwise=True)


def left_out_label_posterior(fit: "Fit", weights: np.ndarray) -> np.ndarray:
    """P(y = k | x_i, all rows but i), (rows, label): the draws weighted by what leaving row i out makes of them."""
    rows, draws = len(fit.x), weights.shape[0]
    answer = np.empty((rows, fit.shape.classes))
    size = max(1, CELLS // (draws * fit.shape.classes))
    for start in range(0, rows, size):
        part = slice(start, start + size)
        ask = log_joint if fit.shape.generative else log_label_posterior
        log_p = ask(fit, fit.x[part], draws=True).stack(s=("chain", "draw")).transpose("s", "row", "label").values
        p = np.exp(log_p - log_p.max(axis=(0, 2), keepdims=True))
        answer[part] = np.einsum("sr,srk->rk", weights[:, part], p)
    return answer / answer.sum(axis=1, keepdims=True)


def left_out_log_marginal(fit: "Fit", weights: np.ndarray) -> np.ndarray:
    """log P(x_i | all rows but i), (rows,), by the same weights."""
    rows, answer = len(fit.x), np.empty(len(fit.x))
    size = max(1, CELLS // (weights.shape[0] * (fit.shape.classes or 1)))
    for start in range(0, rows, size):
        part = slice(start, start + size)
        log_p = log_marginal(fit, fit.x[part], draws=True).stack(s=("chain", "draw")).transpose("s", "row").values
        answer[part] = logsumexp(log_p, axis=0, b=weights[:, part])
    return answer


def pit_of_labels(fit: "Fit", probability: np.ndarray) -> np.ndarray | None:
    """The place of each row's label among the less probable ones, a random part of its own probability added.

    probability: P(y = k) of each row, (rows, labels), the row left out.
    """
    known = fit.y >= 0
    if not known.any():
        return None
    p = probability[known]
    own = p[np.arange(len(p)), fit.y[known]]
    tie = np.random.default_rng(0).random(len(p))
    return np.where(p < own[:, None], p, 0.0).sum(axis=1) + tie * own


def pit_of_response(tree: xr.DataTree) -> np.ndarray:
    """The place of each response among draws of what the other rows predict of it; between two, chance says where.

    PIT_i = sum_s w_is 1[y_s <= y_i], of S draws, is 0 or 1 where y_i is beyond them all, once in (S + 1) / 2 rows of a
    right model, which no test of uniformity forgives. y_i is one of S + 1 that are alike then, so that, with
    u ~ Uniform(0, 1), (S PIT_i + u) / (S + 1) is uniform.
    """
    from arviz_stats import loo_pit

    draws = tree["posterior_predictive"].sizes["chain"] * tree["posterior_predictive"].sizes["draw"]
    pit = loo_pit(for_loo_pit(tree))["y"].values
    return (draws * pit + np.random.default_rng(0).random(len(pit))) / (draws + 1)


def for_loo_pit(tree: xr.DataTree) -> xr.DataTree:
    """What ArviZ's ``loo_pit`` takes: draws of y, the weights that leaving a row out gives them, and what was seen."""
    groups = {name: tree[name].to_dataset()[["y"]] for name in ("posterior_predictive", "observed_data")}
    draws = groups["posterior_predictive"].draw
    groups["log_likelihood"] = one_over_weights(tree).sel(draw=draws).to_dataset(name="y")
    return xr.DataTree.from_dict({"posterior": tree["posterior"].to_dataset().sel(draw=draws), **groups})


@dataclass(frozen=True)
class Case:
    """What checks and sections look at: a fit, its ``to_arviz()``, and what several of them need, worked out once."""

    fit: "Fit"
    tree: xr.DataTree
    origin: Origin = WHOLE

    @property
    def point(self) -> bool:
        """Whether the fit is one point, without draws."""
        return self.fit.draws_shape == (1, 1)

    def row(self, rows: np.ndarray) -> np.ndarray:
        """What the user's table calls these rows of the fit."""
        return rows if self.origin.numbers is None else self.origin.numbers[rows]

    @property
    def leaves_out(self) -> bool:
        """Whether there are draws that moved, and the log-likelihood of each row at these."""
        return "log_likelihood" in self.tree and not self.point and not self.stands_still

    @cached_property
    def stands_still(self) -> bool:
        """Whether one draw is there so often that weights have no tail to be smoothed: the sampler did not move."""
        if "log_likelihood" not in self.tree or self.point:
            return False
        times = np.unique(one_over_weights(self.tree).sum("row"), return_counts=True)[1].max()
        draws = np.prod(self.fit.draws_shape)
        return bool(times >= min(draws / 5, 3 * draws**0.5))  # as many are a tail (Vehtari et al. 2024)

    @cached_property
    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Of ``smoothed_weights``."""
        return smoothed_weights(self.tree)

    @cached_property
    def loo(self) -> object:
        """Of ``loo``, whose k is of all that draws are weighted by: of posterior over normal, too."""
        return loo(self.tree)

    @cached_property
    def label_posterior(self) -> tuple[np.ndarray, str]:
        """Of ``own_label_posterior``."""
        if self.leaves_out:
            return left_out_label_posterior(self.fit, self.weights[0]), "rows left out"
        return label_posterior(self.tree), "the rows it was fitted to"

    @cached_property
    def places(self) -> tuple["Places", ...]:
        """``pit_of_columns`` of the columns that tell labels apart best, or the first; labels of LEAST rows or more."""
        return places_of_columns(self.tree) if self.leaves_out and self.answers_x else ()

    @cached_property
    def pit(self) -> np.ndarray | None:
        """Places of labels, or of responses, in what the other rows predict of them; None where there are none."""
        if not self.leaves_out:
            return None
        if self.fit.shape.classes:
            return pit_of_labels(self.fit, self.label_posterior[0])
        return pit_of_response(self.tree) if self.fit.shape.has_y else None

    @property
    def errors(self) -> np.ndarray | None:
        """Of a response, its place as a standard normal's value: what it is off by, in units of what it may be."""
        if self.pit is None or self.fit.shape.classes or not np.isfinite(self.pit).all():
            return None
        return norm.ppf(self.pit)

    @cached_property
    def unsure(self) -> xr.Dataset:
        """``label_uncertainty`` of the fit's rows."""
        return label_uncertainty(self.fit, self.fit.x)

    @property
    def answers_x(self) -> bool:
        """Whether the model answers P(x)."""
        return self.fit.shape.generative and bool(self.fit.shape.classes or not self.fit.shape.has_y)

    @property
    def known(self) -> np.ndarray:
        """Which rows have a label that is known."""
        labelled = self.fit.shape.has_y and self.fit.shape.classes
        return self.fit.y >= 0 if labelled else np.zeros(len(self.fit.x), dtype=bool)


def own_label_posterior(fit: "Fit", tree: xr.DataTree) -> tuple[np.ndarray, str]:
    """P(y = k) of each row of the fit, (rows, labels), and of which rows in words: left out, where draws allow it."""
    return Case(fit, tree).label_posterior


class Places(NamedTuple):
    """Of rows with one label, ``name``: ``pit``, (rows, columns), NaN where a cell is missing; of which ``columns``."""

    name: str
    pit: np.ndarray
    columns: np.ndarray


def places_of_columns(tree: xr.DataTree) -> tuple[Places, ...]:
    """``pit_of_columns`` of the columns that tell labels apart best, or the first; of labels of LEAST rows or more."""
    columns = telling_columns(seen(tree).x, known_or_assigned(tree))
    return tuple(one for one in pit_of_columns(tree, columns) if len(one.pit) >= LEAST)


def pit_of_columns(tree: xr.DataTree, columns: np.ndarray, *, seed: int = 0) -> Iterator[Places]:
    """Where the cells of each row lie in what the other rows, and its own label, predict of them; by label.

    PIT_ij = P(x_j <= x_ij | y_i, all rows but i) = sum_s w_is P(x_j <= x_ij | y_i, theta_s), where the weights w_is are
    1 / P(x_i | y_i, theta_s), smoothed and adding up to 1 (times posterior over normal, as in ``one_over_weights``):
    uniform for each label and column where the model is right (Dawid 1984). Where the label is hidden, y_i is left out
    of both. In place of the distribution function stand the 4,000 draws of x or so of ``draws_of_x``, the same for all
    rows of a label. Of a tie, a random part counts, so that places among counts and names are uniform, too (Czado,
    Gneiting and Held 2009). Places of 0 and 1 are moved inside by half a draw.
    tree: a fit's ``to_arviz()``. columns: numbers of the columns. At most 400 rows of a label are placed, and no more
    than a tenth of the draws.
    """
    from arviz_stats.base import array_stats

    rng, cells = np.random.default_rng(seed), seen(tree).x
    used = class_conditional(tree)["draw"]
    each = one_over_weights(tree).sel(draw=used).stack(s=("chain", "draw")).transpose("row", "s").values
    some = ~np.isnan(cells).all(axis=1)
    for name, members, code in by_label(tree):
        drawn, draw = draws_of_x(tree, code)
        rows = rng.permutation(np.flatnonzero(members & some))[: min(PLACED, len(drawn) // AMONG)]
        if not len(rows):
            continue
        of_label = log_label_prior(tree)[:, code] if code >= 0 else 0.0
        log_weights, _ = array_stats.psislw(each[rows] - of_label, axis=-1)
        log_weights, x = log_weights[:, draw], cells[rows][:, columns]
        pit = np.empty(x.shape)
        for at, j in enumerate(columns):
            among = np.broadcast_to(drawn[:, j], log_weights.shape)
            pit[:, at] = array_stats.loo_pit(among, x[:, at], log_weights, chain_axis=None, random_state=rng)
        half = 0.5 / len(drawn)
        yield Places(name, np.where(np.isnan(x), np.nan, np.clip(pit, half, 1 - half)), columns)
