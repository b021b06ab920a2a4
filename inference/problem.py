"""Data and model brought together once: what every fitter starts from."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .compress import POINTS, TRIED, compress, decide_alike
from .declare import Declared, declare
from .devices import agreed, as_one, everyone, sample, shared_labels, shared_spec, spread
from .errors import DataError, FitWarning, ModelError
from .fit import Fit
from .joint import Rows, lay_out
from .room import make_room
from .standin import take
from .structure import Structure, structure
from .table import (
    Schema,
    check_columns,
    make_spec,
    missing_feature,
    name_classes,
    read_labels,
    read_response,
    read_x,
    row_name,
)
from .target import constrain, prior_vectors, rows_apart_and_together, what_the_table_decides

CHECKS = 6  # parameters at which exactness is checked
PRIOR_DRAWS = CHECKS + POINTS


class Problem:
    """Data, checked and laid out, beside the model's structure."""

    def __init__(
        self,
        model: Callable,
        x: Any,
        y: Any,
        target: str | None,
        labels: Sequence[Any] | None,
        compression: bool = True,
        sampled: bool = False,
    ) -> None:
        make_room()
        self.model = declare(model)
        with as_one():
            self.x, columns = read_x(x)
            target = _target_name(y, target, columns)
        agreed((*columns, target), "the columns and the target")
        ends = np.stack([np.fmin.reduce(self.x), np.fmax.reduce(self.x)])
        check_columns(np.concatenate(everyone(ends)), columns)
        shape = structure(self.model, make_spec(self.x, None, 2))
        if shape.classes:
            labels = shared_labels(y, labels)
        with as_one():
            self.y, names = self._read_y(shape, x, y, target, labels, columns)
        numeric = self.y if shape.classes is None and y is not None else None
        self.spec = shared_spec(self.x, numeric, len(names or ()))
        self.shape = structure(self.model, self.spec)
        self.schema = Schema(columns, target, names)
        every = lay_out(self.x, self.y, self.shape, self.spec.loc)
        self.rows = self.few = sample(every, TRIED)
        self._check_rows_independent()
        self._check_nothing_looks_at_what_is_missing()
        self._place(every, compression, sampled)

    def _read_y(
        self, shape: Structure, x: Any, y: Any, target: str, labels: Sequence[Any] | None, columns: tuple[str, ...]
    ) -> tuple[np.ndarray, tuple[Any, ...] | None]:
        """Codes of the labels and the names of all classes, or responses and None."""
        if y is None and shape.has_y and not (shape.generative and shape.classes):
            raise DataError(f"{self.model.name} has no hidden label to sum out and needs y; give one for every row.")
        if shape.classes is None and labels is not None:
            raise DataError(f"{self.model.name} has no label, so labels name nothing; leave them out.")
        if shape.classes:
            codes, names = _codes(self.model, self.x, y, target, labels)
        elif y is None:
            codes, names = np.full(len(self.x), -1), None
        else:
            codes, names = read_response(y, target), None
            _same_length(self.x, codes)
        if not shape.generative and np.isnan(self.x).any():
            i, j = np.argwhere(np.isnan(self.x))[0]
            raise missing_feature(self.model.name, row_name(x, i), columns[j])
        return codes, names

    def _place(self, every: Rows, compression: bool, sampled: bool) -> None:
        """The rows that fits run on: fewer with the same likelihood, or all on all devices, or a sample of them.

        every: the rows in this process's memory; rows: those that compiled programs see.
        """
        self.every, self.compression = every, "all rows, as asked for"
        if compression and jax.process_count() == 1:
            self.every, self.compression = self._compressed(every)
        if self.every is not every:
            self.rows = self.every
        elif sampled or jax.device_count() > 1:
            read = self._table_is_read()
            if read and (sampled or jax.process_count() > 1):
                raise ModelError(
                    f"a prior or deterministic site of {self.model.name} looks at the table, of which each "
                    f"{'batch' if sampled else 'process'} sees a part; take what it needs from spec, or as a number."
                )
            self.rows = self.few if sampled else spread(every, table_is_read=read)
        else:
            self.rows = every
        if self.rows.blocks > 1:
            self.compression += f"; {self.spec.rows} rows spread over {self.rows.blocks} devices"

    def _table_is_read(self) -> bool:
        """Whether priors, parameters or deterministic sites change with the table."""
        half = take(self.few, np.arange(0, self.few.x.shape[0], 2))
        y = (half.y + 1) % self.shape.classes if self.shape.classes else half.y + self.spec.y_scale
        other = replace(half, x=half.x + self.spec.scale, y=y)
        return not decide_alike(self.few, other, self.spec, self.prior_draws(0)[0], **self.keywords)

    @property
    def keywords(self) -> dict[str, Any]:
        return {"model": self.model, "shape": self.shape}

    def prior_draws(self, seed: int) -> np.ndarray:
        """PRIOR_DRAWS draws from the prior as flat unconstrained vectors, (draws, size).

        Always as many, and of a prior that looks at the table with the same few rows, for one compiled program.
        """
        key = jax.random.key(seed)
        return np.asarray(prior_vectors(key, self.spec, self.few, draws=PRIOR_DRAWS, **self.keywords))

    def _compressed(self, every: Rows) -> tuple[Rows, str]:
        draws = self.prior_draws(0)
        # From the prior's centre out: far from it, functions of many shapes look like straight lines.
        centre = np.median(draws, axis=0)
        out = np.resize([0.03, 0.1, 0.3, 0.6, 1.0, 1.0], len(draws))
        vectors = centre + out[:, None] * (draws - centre)
        return compress(self.model, self.shape, self.spec, every, vectors[:CHECKS], vectors[CHECKS:])

    def _check_rows_independent(self) -> None:
        """Every fit and query adds up single rows: refuse a model in which rows see each other."""
        count = self.rows.x.shape[0]
        few = np.unique(np.linspace(0, count - 1, 6).astype(int))  # spread, for tables sorted by label
        for vector in self.prior_draws(0)[:8]:
            apart, together, same = rows_apart_and_together(vector, self.spec, self.rows, few, **self.keywords)
            if np.isfinite(apart) or np.isfinite(together):
                break
        if not same:
            raise ModelError(
                f"a site of {self.model.name} observes a function of x or y, and not x or y as given; transform the "
                "table first, or use a TransformedDistribution."
            )
        if not np.isclose(apart, together, rtol=1e-6, atol=1e-6, equal_nan=True):
            raise ModelError(
                f"the rows of {self.model.name} are not independent given its parameters (the log-likelihood of "
                f"{len(few)} rows is {float(together):.6g} in one table but {float(apart):.6g} row by row); "
                "compute what rows share in advance, or pass it in as a hyperparameter."
            )

    def _check_nothing_looks_at_what_is_missing(self) -> None:
        """A prior may look at the table, but not at cells and labels that nobody saw."""
        x, y = self.rows.table
        known = self.rows.y.shape[0]
        if self.rows.seen is None and known == self.rows.x.shape[0]:
            return
        other = x if self.rows.seen is None else jnp.where(self.rows.seen, x, x + self.spec.scale)
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
        method: str,
        vectors: np.ndarray,
        chains: int,
        diagnostics: dict[str, float],
        warning: Sequence[str] = (),
        sample_stats: dict[str, np.ndarray] | None = None,
    ) -> Fit:
        groups = constrain(jnp.asarray(vectors), self.spec, self.rows, **self.keywords)
        params, derived = (
            {k: np.asarray(group[k], dtype=np.float64).reshape(chains, -1, *site.shape) for k, site in sites}
            for group, sites in zip(groups, (self.shape.sites, self.shape.derived), strict=True)
        )
        for sentence in warning:
            warnings.warn(sentence, FitWarning, stacklevel=4)
        return Fit(
            model=self.model,
            method=method,
            schema=self.schema,
            spec=self.spec,
            shape=self.shape,
            params=params,
            derived=derived,
            x=self.x,
            y=self.y,
            sample_stats=sample_stats or {},
            diagnostics=diagnostics,
            compression=self.compression,
            warnings=tuple(warning),
        )


def _target_name(y: Any, target: str | None, columns: Sequence[str]) -> str:
    target = target or getattr(y, "name", None)
    target = str(target) if target is not None else next(n for n in ("y", "label", "class_") if n not in columns)
    if target in columns:
        raise DataError(f"'{target}' is the target and a column of x, too; take it out of x.")
    if target == "row":
        raise DataError("the target is named 'row', as the rows of every answer are; rename it.")
    return target


def _same_length(x: np.ndarray, y: np.ndarray) -> None:
    if len(y) != len(x):
        raise DataError(f"x has {len(x)} rows but y has {len(y)}; give one y for every row.")


def _codes(
    model: Declared, x: np.ndarray, y: Any, target: str, labels: Sequence[Any] | None
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Codes of the labels, -1 where one is hidden, and the names of all classes of the model."""
    codes, names = np.full(len(x), -1), ()
    if y is not None or labels is not None:
        codes, names = read_labels([None] * len(x) if y is None else y, labels)
    _same_length(x, codes)
    if len(names) == 1 and np.all(codes >= 0):
        raise DataError(f"every row has the label {names[0]!r}; a model of labels needs at least two.")
    if len(names) > 20 and len(names) > len(x) / 2:
        raise DataError(
            f"'{target}' has {len(names)} different labels in {len(x)} rows; for a numeric response use a "
            "model of one, such as linear_regression."
        )
    # A model that follows the number of labels in the data has another number where the data have another.
    own, two, three = (structure(model, make_spec(x, None, k)).classes for k in (len(names), 2, 3))
    if own > len(x):
        raise DataError(f"{own} components need as many rows, got {len(x)}.")
    named = name_classes(names, own, fixed=two == three)
    order = np.array([named.index(name) for name in names] + [-1])
    return order[codes], named
