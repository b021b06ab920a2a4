"""Data and model brought together once: what every fitter starts from."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .compress import Compressed, compress, row_without_density
from .declare import declare
from .devices import shared, spread
from .errors import DataError, FitWarning, ModelError
from .evidence import evidence
from .fit import Fit
from .joint import Rows, lay_out, padded, take
from .room import make_room
from .structure import structure
from .summary import Part, Summary, joined
from .support import refuse_missing, refuse_parts
from .table import Schema, nearly_counts
from .target import (
    constrain,
    likelihood_counts_rows,
    prior_vectors,
    reads_table,
    rows_apart_and_together,
    what_the_table_decides,
)

PROPOSAL = "log_prior_over_normal"  # in sample_stats, of fits that draw from a normal
CHECKS = 6  # parameters at which exactness is checked
LOOKS = 4  # places around the mode, likewise
HARMLESS = 1e-3  # nats a width of the posterior by which few rows may miss the slope of the log-likelihood there
TRIED_AT = 4  # draws of the prior, and as many places near 0 and FAR, at which rows are looked at
FAR = (4.0, 8.0)  # unconstrained values, of either sign
NEIGHBOURS = 1_000  # rows of a run that are looked at together, to see whether they see each other
MANY = 1_000_000  # rows up to which all are looked at together, where the likelihood of many may be another
PRIOR_DRAWS = 262  # for scales and starting points, CHECKS among them
LOADED = 1 << 31  # bytes up to which a table that was streamed is loaded, where its likelihood needs every row


class Problem:
    """Data, checked and laid out, beside the model's structure."""

    def __init__(
        self,
        model: Callable,
        x: Any,
        y: Any = None,
        *,
        target: str | None = None,
        labels: Sequence[Any] | None = None,
        weights: Any = None,
        compression: bool = True,
        sampled: bool = False,
    ) -> None:
        make_room()
        self._drawn: dict[int, np.ndarray] = {}
        self.model = declare(model)
        self.own, self.summary = shared(lambda: evidence(self.model, x, y, target, labels, weights), self.model)
        names = self.summary.labels
        self.schema = Schema(self.summary.columns, self.summary.target, names or None, self.summary.levels)
        self.spec = self.summary.units(len(names or ()))
        self.shape = structure(self.model, self.spec)
        self.reads_table = self._prior_hears(self.summary.rows, 1)
        self._set_up(compression, sampled)
        if not self.reads_table and self._prior_hears(self.rows.x.shape[0], self.few.x.shape[0]):
            self.reads_table = True  # of as many rows as stand for all, but not of all
            self._drawn.clear()
            self._set_up(compression, sampled)

    def _prior_hears(self, *rows: int) -> bool:
        """Whether priors look at the table, or at which of these numbers of rows it has."""
        return reads_table(self.model, self.shape, self.spec.features, self.spec.classes, self.spec.kinds, rows)

    def _set_up(self, compression: bool, sampled: bool) -> None:
        if self.reads_table and self.summary.weighted:
            raise ModelError(
                f"a prior or deterministic site of {self.model.name} looks at the table, where a row stands once and "
                "not as often as its weight says; repeat the rows, or use spec.loc and spec.scale."
            )
        few = self.summary.few
        every = self.own.parts() if self.own.sources is not None else [few]
        refuse_parts(self.model, self.shape, self.spec, every, self.schema)
        self._check_no_feature_is_missing(few)
        looked_at = self.own.parts() if self.model.takes_kinds and self.own.in_memory else ()
        each = (nearly_counts(part.x, self.schema.columns, self.schema.levels, part.name) for part in looked_at)
        self._notes = tuple(chain.from_iterable(each))
        self.rows = self.few = self.lay(replace(few, weights=_standing_for(few, self.summary)), coarse=True)
        # Priors need a table to run on; where they do not look at it, one row does for tables of any size.
        self.table = self.few if self.reads_table else take(self.few, np.arange(1))
        self._check_rows_independent(few)
        self._check_likelihood_of_many(few)
        self._check_nothing_looks_at_what_is_missing()
        self._sampled = sampled
        none = Compressed(None, self.summary, True, "all rows, as asked for")
        self._place(self._compressed() if compression else none)

    def _place(self, found: Compressed) -> None:
        """The rows that programs see: fewer with the same likelihood, a sample, or all, on all devices."""
        fewer, self.summary, self.needs_rows, self.compression, self._nats_off = found
        self.compressed = fewer is not None
        if fewer is not None:
            self.rows = self.lay(fewer)
            return
        if self.reads_table and (self._sampled or jax.process_count() > 1):
            raise ModelError(
                f"a prior or deterministic site of {self.model.name} looks at the table, of which each "
                f"{'batch' if self._sampled else 'process'} sees a part; take what it needs from spec, or as a number."
            )
        if self._sampled:
            self.rows = self.few
            return
        every = self.everything()
        if jax.device_count() > 1 and not self.reads_table:
            self.rows = spread(every)
            self.compression += f"; {self.summary.rows} rows spread over {self.rows.blocks} devices"
        else:
            self.rows = every if self.reads_table else padded(every)

    @property
    def rounds(self) -> bool:
        """Whether few rows stand for all that are not these themselves, so that arithmetic may tell them apart."""
        return self._nats_off is not None

    @property
    def at_hand(self) -> bool:
        """Whether all rows can come back, in a process alone."""
        return self.own.sources is not None and self._fits and jax.process_count() == 1

    @property
    def _fits(self) -> bool:
        """Whether all rows of this process are in memory, or may be."""
        return self.own.in_memory or self._bytes <= LOADED

    @property
    def _bytes(self) -> int:
        return 8 * self.own.rows * len(self.own.columns)

    def tells_apart_at(self, mode: np.ndarray, widths: np.ndarray) -> bool:
        """Whether the arithmetic tells the few rows, near the mode, from those they stand for, which then come back.

        widths: a matrix L, L L' about the posterior's covariance; some directions may be there twice. Slopes are looked
        at at the mode, and at others that are one and three widths away from it.
        """
        if self._nats_off is None:
            return False
        steps = np.random.default_rng(0).normal(size=(LOOKS, widths.shape[1])) * np.resize([1.0, 3.0], LOOKS)[:, None]
        off = self._nats_off(np.concatenate([mode[None], mode + steps @ widths.T]), widths)
        if off <= HARMLESS:
            return False
        self.bring_back(f"near the mode, fewer are {off:.1g} nats off in float64")
        return True

    def bring_back(self, why: str) -> None:
        """All rows in place of the few that stand for them."""
        self._place(Compressed(None, self.summary, True, f"all {self.summary.rows} rows: {why}"))

    def row_without_density(self, vector: np.ndarray) -> str | None:
        """The first row of this process that has no density at a vector, by the user's name of it."""
        values, *_ = constrain(vector[None], self.spec, self.table, **self.keywords)
        at = {name: value[0] for name, value in values.items()}
        return row_without_density(self.model, self.shape, self.spec, self.own, at)

    @property
    def keywords(self) -> dict[str, Any]:
        return {"model": self.model, "shape": self.shape}

    @property
    def misses_features(self) -> bool:
        """Whether some row misses a feature."""
        return not self.summary.seen[:, : len(self.schema.columns)].all()

    def prior_draws(self, seed: int) -> np.ndarray:
        """PRIOR_DRAWS draws from the prior as flat unconstrained vectors, (draws, size).

        Always as many, and of a prior that looks at the table with the same few rows, for one compiled program.
        """
        if seed not in self._drawn:
            key = jax.random.key(seed)
            drawn = prior_vectors(key, self.spec, self.table, draws=PRIOR_DRAWS, **self.keywords)
            self._drawn[seed] = np.asarray(drawn)
        return self._drawn[seed]

    def lay(self, part: Part, *, pad: bool = True, coarse: bool = False) -> Rows:
        """Rows as compiled programs take them; of a size that other tables share, unless the model looks at it."""
        rows = lay_out(part.x, part.y, self.shape, part.weights, np.asarray(self.spec.loc))
        return padded(rows, coarse=coarse) if pad and not self.reads_table else rows

    def _compressed(self) -> Compressed:
        if self.reads_table:
            said = f"all {self.summary.rows} rows: a prior or a deterministic site of {self.model.name} looks at them"
            return Compressed(None, self.summary, True, said)
        draws = self.prior_draws(0)
        # From the prior's centre out: far from it, functions of many shapes look like straight lines.
        centre = np.median(draws, axis=0)
        out = np.resize([0.03, 0.1, 0.3, 0.6, 1.0, 1.0], len(draws))
        vectors = centre + out[:, None] * (draws - centre)
        data = self.spec, self.summary, vectors[:CHECKS], partial(self.lay, coarse=True)
        return compress(self.model, self.shape, *data)

    def everything(self) -> Rows:
        """All rows of this process in memory. DataError where they are not at hand, or would not fit."""
        if self.own.sources is None:
            raise DataError(
                f"{self.model.name} needs every row, and what was summarised is no longer at hand; fit the table."
            )
        if not self._fits:
            raise DataError(
                f"{self.model.name} needs every row, and {self.own.rows} of them take {self._bytes / 1e9:.3g} GB; use "
                "svi with batch=, a sample of the rows, or load the table yourself."
            )
        return self.lay(joined(list(self.own.parts())), pad=False)

    def _check_no_feature_is_missing(self, few: Part) -> None:
        if self.misses_features:
            refuse_missing(self.model, self.shape, self.spec, chain(self.own.parts(), [few]), self.schema.columns)

    def _looked_at(self, sample: Part, times: int) -> list[tuple[Rows, np.ndarray]]:
        """Tables, and which of their rows are looked at together, to see whether they see each other.

        Spread ones, for tables sorted by label, and neighbours, for what looks back at earlier rows: from ``times``
        places of the table, as some persons may have many rows and most of them one.
        """
        spread = np.linspace(0, len(sample.x) - 1, 24).astype(int)
        # A sample's rows are no neighbours, but the first ones that are at hand.
        first = sample if self.reads_table else self._first_part() or sample
        starts = np.unique(np.linspace(0, max(0, len(first.x) - NEIGHBOURS), times).astype(int))
        runs = [np.arange(start, start + NEIGHBOURS) % len(first.x) for start in starts]
        if self.reads_table:
            return [(self.few, np.sort(np.concatenate([spread, run]))) for run in runs]
        # Tables of these rows alone, for a program that other tables share.
        both = [joined([sample.take(spread), first.take(run)]) for run in runs]
        return [(self.lay(replace(one, weights=None), pad=False), np.arange(len(one.x))) for one in both]

    def _check_rows_independent(self, sample: Part) -> None:
        """Every fit and query adds up single rows: refuse a model in which rows see each other."""
        # As far as a vague prior reaches, what one row sees of another is small beside what it is itself, and what a
        # parameter switches on may be off at most places.
        rng = np.random.default_rng(0)
        draws = self.prior_draws(0)[:TRIED_AT]
        # Of what a parameter switches on, one of two opposite places sees the one side and one the other.
        near_0, signs = rng.normal(size=draws.shape), rng.choice([-1.0, 1.0], size=(len(FAR), draws.shape[1]))
        far = np.array(FAR)[:, None] * signs
        vectors = np.concatenate([draws, near_0, far, -far])
        tables = self._looked_at(sample, len(vectors))
        stay = rng.random(len(tables[0][1])) < 0.5
        for place, vector in enumerate(vectors):
            rows, few = tables[place % len(tables)]
            terms = partial(rows_apart_and_together, spec=self.spec, rows=rows, **self.keywords)
            apart, together, same = terms(vector, few=few)
            if not (np.isfinite(apart).any() or np.isfinite(together).any()):
                continue
            if not same:
                raise ModelError(
                    f"a site of {self.model.name} observes a function of x or y, and not x or y as given; transform "
                    "the table first, or use a TransformedDistribution."
                )
            # Of the rows that stay where half are others, the same program says the same, to the last bit.
            moved = terms(vector, few=np.where(stay, few, few[0]))[1]
            alike = len(together) < len(few) or np.array_equal(together[stay], moved[stay], equal_nan=True)
            # Far out rounding errors may be large, and tables of one row and of many have others.
            near = place < 2 * len(draws)
            if not (alike and (not near or _close(apart, together))):
                raise ModelError(
                    f"the rows of {self.model.name} are not independent given its parameters (what it says of a row in "
                    f"a table of {len(few)} changes with the others); compute what rows share in advance, or pass it "
                    "in as a hyperparameter."
                )

    def _check_likelihood_of_many(self, sample: Part) -> None:
        """Refuse a likelihood that is another for as many rows as there are than for those that were looked at."""
        count = self.summary.rows
        sizes = self.spec.features, self.spec.classes, self.spec.kinds
        if count <= NEIGHBOURS or not likelihood_counts_rows(self.model, self.shape, *sizes, count):
            return
        every = np.arange(min(count, MANY))
        rows = self.lay(replace(sample.take(every % len(sample.x)), weights=None), pad=False)
        terms = partial(rows_apart_and_together, spec=self.spec, rows=rows, few=every, **self.keywords)
        for vector in self.prior_draws(0)[:TRIED_AT]:
            apart, together, _ = terms(vector)
            if not _close(apart, together):
                raise ModelError(
                    f"what {self.model.name} says of a row changes with how many there are (of {count} another than of "
                    "one); pass what depends on their number in as a hyperparameter."
                )

    def _first_part(self) -> Part | None:
        """The first rows as they stand in the table; None where they are no longer at hand."""
        if self.own.sources is None:
            return None
        try:
            return next((part for part in self.own.parts() if len(part.x)), None)
        except DataError:  # a file that was summarised and is gone; moments may do, and say so if not
            return None

    def _check_nothing_looks_at_what_is_missing(self) -> None:
        """A prior may look at the table, but not at cells and labels that nobody saw."""
        known = self.rows.y.shape[0]
        if not self.reads_table or (self.rows.seen is None and known == self.rows.x.shape[0]):
            return
        x, y = self.rows.table
        other = x if self.rows.seen is None else jnp.where(self.rows.seen, x, x + 1.0 + self.spec.scale)
        filled_otherwise = Rows(other, None, y.at[known:].set(1))
        vector = self.prior_draws(0)[0]
        one, two = (
            jax.tree.leaves(what_the_table_decides(vector, self.spec, rows, **self.keywords))
            for rows in (Rows(x, None, y), filled_otherwise)
        )
        if not all(np.allclose(a, b, equal_nan=True) for a, b in zip(one, two, strict=True)):
            raise ModelError(
                f"a prior or deterministic site of {self.model.name} looks at x or y where values are missing; "
                "use spec.loc and spec.scale there, or drop the rows that miss a value."
            )

    def fit(
        self,
        refit: Callable[..., Fit],
        vectors: np.ndarray,
        chains: int,
        diagnostics: dict[str, float],
        warning: Sequence[str] = (),
        sample_stats: dict[str, np.ndarray] | None = None,
        log_normal: np.ndarray | None = None,
    ) -> Fit:
        """The fit whose parameter draws are the flat ``vectors``; refit: the fitter with all but its data bound.

        log_normal: their log density where a normal that they were drawn from stands for the posterior.
        """
        *groups, log_prior = constrain(
            np.asarray(vectors), self.spec, self.rows if self.reads_table else self.table, **self.keywords
        )
        params, derived = (
            {k: np.asarray(group[k], dtype=np.float64).reshape(chains, -1, *site.shape) for k, site in sites}
            for group, sites in zip(groups, (self.shape.sites, self.shape.derived), strict=True)
        )
        stats = dict(sample_stats or {})
        if log_normal is not None:
            stats[PROPOSAL] = (np.asarray(log_prior) - log_normal).reshape(chains, -1)
        warning = (*self._notes, *warning)
        for sentence in warning:
            warnings.warn(sentence, FitWarning, stacklevel=5)
        return Fit(
            model=self.model,
            refit=refit,
            schema=self.schema,
            spec=self.spec,
            shape=self.shape,
            params=params,
            derived=derived,
            summary=replace(self.summary, sources=self.own.sources),
            sample_stats=stats,
            diagnostics=diagnostics,
            needs_rows=self.needs_rows,
            compression=self.compression,
            warnings=warning,
        )


def _standing_for(few: Part, summary: Summary) -> np.ndarray:
    """Weights with which a sample stands for all rows."""
    weights = np.ones(len(few.x)) if few.weights is None else few.weights
    return weights * (summary.rows / len(few.x))


def _close(apart: np.ndarray, together: np.ndarray) -> bool:
    """Whether rows have the log-likelihoods of tables of one row each in a table of all, but for rounding errors."""
    typical = np.median([1.0, *np.abs(together[np.isfinite(together)])])
    return np.allclose(apart, together, 1e-6, 1e-6 * max(1.0, typical), equal_nan=True)
