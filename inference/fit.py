"""What a fit is: the model, the user's names, and parameter draws with leading (chain, draw) axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ..models.spec import Spec
from . import arviz as tree
from . import generate as generation
from . import predict as prediction
from . import queries
from . import update as updating
from .cells import few
from .declare import Declared
from .structure import Structure
from .summary import Part, Summary, joined
from .table import COUNTS, Schema


@dataclass(frozen=True)
class Fit:
    """An immutable answer of a fitter; every query is a pure function of it.

    params: parameter draws as float64, name -> (chain, draw, *shape); (1, 1, *shape) for a point estimate.
    derived: the model's deterministic sites, likewise.
    summary: of the table it was fitted to. sample_stats: name -> (chain, draw), of NUTS; of laplace and svi,
    ``log_prior_over_normal``, the log prior density of each draw less that of the normal it was drawn from.
    refit: the fitter with all but model and data bound, as ``update`` runs it again.
    diagnostics: numbers by name. needs_rows: whether moments alone would not do.
    compression: which rows the fit ran on, and why.
    warnings: whole sentences, empty where nothing speaks against the fit.
    """

    model: Declared
    refit: Callable[..., "Fit"]
    schema: Schema
    spec: Spec
    shape: Structure
    params: dict[str, np.ndarray]
    derived: dict[str, np.ndarray]
    summary: Summary
    sample_stats: dict[str, np.ndarray]
    diagnostics: dict[str, float]
    needs_rows: bool
    compression: str
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        chains, draws = self.draws_shape
        labels = "" if self.schema.labels is None else f", labels {few(self.schema.labels)}"
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in self.diagnostics.items())
        return (
            f"<Fit: {self.model.name} by {self.method}; {self.summary.rows} rows of {few(self.schema.columns)}"
            f"{labels}; {chains} x {draws} draws of {', '.join(self.params)}; {numbers}>"
        )

    @property
    def method(self) -> str:
        """The fitter's name."""
        return self.refit.func.__name__

    @property
    def x(self) -> np.ndarray:
        """The rows that it was fitted to, (rows, features), NaN where a value is missing; none where they were
        streamed, or left behind by ``update``."""
        return self._rows.x

    @property
    def y(self) -> np.ndarray:
        """Their labels, as codes in the order of the label names, -1 where one is hidden, or responses."""
        return self._rows.y

    @property
    def table(self) -> Part:
        """What a prior that looks at the table sees: all rows, or a sample where they are not at hand."""
        return self._rows if len(self._rows.x) else self.summary.few

    @cached_property
    def _rows(self) -> Part:
        if not self.summary.in_memory:
            return self.summary.sample.take(np.zeros(0, dtype=int))
        parts = list(self.summary.parts())
        return parts[0] if len(parts) == 1 else joined(parts)

    @property
    def draws_shape(self) -> tuple[int, int]:
        return next(iter(self.params.values())).shape[:2]

    @property
    def flat_params(self) -> dict[str, np.ndarray]:
        """Draws with chain and draw merged."""
        return {name: value.reshape(-1, *value.shape[2:]) for name, value in self.params.items()}

    @property
    def label_coordinate(self) -> np.ndarray:
        labels = self.schema.labels or (0,)
        array = np.asarray(labels)
        if array.ndim == 1 and array.tolist() == list(labels):
            return array
        array = np.empty(len(labels), dtype=object)
        array[:] = labels
        return array

    def posterior(self) -> xr.Dataset:
        """Parameters and deterministic sites as a Dataset with the user's names as coordinates."""
        return self.labelled({**self.params, **self.derived})

    def labelled(self, values: dict[str, np.ndarray]) -> xr.Dataset:
        """Values of sites, each (chain, draw, *shape), with the user's names as coordinates."""
        known, dims, coords = self._known_dims, {}, {}
        for name, site in self.shape.sites + self.shape.derived:
            own = []
            for i, (dim, size) in enumerate(zip(site.dims, site.shape, strict=True)):
                called, names = known.get(dim, (dim, None))
                if names is not None and len(names) != size:  # a plate of the model's own, which has the same name
                    called, names = f"{name}_dim_{i}", None
                own.append(called)
                coords |= {} if names is None else {called: names}
            dims[name] = ("chain", "draw", *own)
        chains, draws = next(iter(values.values())).shape[:2]
        coords |= {"chain": np.arange(chains), "draw": np.arange(draws)}
        return xr.Dataset({name: (dims[name], value) for name, value in values.items()}, coords)

    @property
    def _known_dims(self) -> dict[str, tuple[str, Any]]:
        """Dims that a model may name: what they are called in answers, and their coordinates.

        feature, number, count: columns, of all kinds or of one. label. name_j: what column j says, called as the column
        is unless something else is called that. A second dim of a kind, as of a matrix, has _2 behind its name.
        """
        columns, levels = self.schema.columns, self.schema.each_levels
        found = {
            "feature": list(columns),
            "label": self.label_coordinate,
            "number": [column for column, names in zip(columns, levels, strict=True) if names is None],
            "count": [column for column, names in zip(columns, levels, strict=True) if names == COUNTS],
        }
        known = {dim + more: (dim + more, names) for dim, names in found.items() for more in ("", "_2")}
        taken = {
            *known,
            "chain",
            "draw",
            "class",
            "class_2",
            *(name for name, _ in self.shape.sites + self.shape.derived),
        }
        for j, (column, names) in enumerate(zip(columns, levels, strict=True)):
            if names is not None and names != COUNTS:
                own = column in taken or "/" in column  # which parts groups in a file
                known[f"name_{j}"] = f"name_{j}" if own else column, list(names)
        return known

    def update(self, x: Any, y: Any = None, *, weights: Any = None) -> "Fit":
        """The fit of the old rows and new ones together, by the same method and settings.

        Where the likelihood sees only moments of the rows, the old ones are not needed: their moments merge with those
        of the new ones, and rows are not kept. Otherwise all rows are fitted again.
        x: a frame or array with the same columns, to which y and weights belong; files or a Dask frame, of which y is
        the column of its name and weights names one; or a Summary. Raises DataError for rows with other columns.
        """
        return updating.update(self, x, y, weights)

    def to_arviz(self, *, seed: int = 0) -> xr.DataTree:
        """An xarray.DataTree of ArviZ's groups; see bayeszoo.inference.arviz."""
        return tree.to_arviz(self, seed=seed)

    def log_joint(self, x: Any, *, draws: bool = False) -> xr.DataArray:
        """log P(x_i, y = k), dims ([chain, draw,] row, label); ``draws`` keeps the posterior draws apart."""
        return queries.log_joint(self, x, draws=draws)

    def log_marginal(self, x: Any, *, draws: bool = False) -> xr.DataArray:
        """log P(x_i) = log sum_k P(x_i, k), dims ([chain, draw,] row)."""
        return queries.log_marginal(self, x, draws=draws)

    def log_label_prior(self, *, draws: bool = False) -> xr.DataArray:
        """log P(y = k), dims ([chain, draw,] label)."""
        return queries.log_label_prior(self, draws=draws)

    def log_class_conditional(self, x: Any, *, draws: bool = False) -> xr.DataArray:
        """log P(x_i | y = k) = log P(x_i, k) - log P(k), dims ([chain, draw,] row, label)."""
        return queries.log_class_conditional(self, x, draws=draws)

    def log_label_posterior(self, x: Any, *, draws: bool = False) -> xr.DataArray:
        """log P(y = k | x_i), dims ([chain, draw,] row, label): the ratio of averaged joints."""
        return queries.log_label_posterior(self, x, draws=draws)

    def log_conditional(self, x: Any, y: Any) -> xr.DataArray:
        """log P(y_i | x_i) of the labels or responses given, dims (row); for every model that has a y."""
        return queries.log_conditional(self, x, y)

    def assign(self, x: Any, *, soft: bool = False) -> xr.DataArray:
        """The most probable label of each row, dims (row), or with ``soft`` P(y = k | x_i), dims (row, label)."""
        return queries.assign(self, x, soft=soft)

    def predict(
        self, x: Any, *, draws: bool = False, interval: float = 0.9, seed: int = 0
    ) -> xr.Dataset | xr.DataArray:
        """P(y_i | x_i, D) summarised, or drawn from with ``draws``; see bayeszoo.inference.predict."""
        return prediction.predict(self, x, draws=draws, interval=interval, seed=seed)

    def generate(self, n: int, *, label: Any | Sequence[Any] | None = None, seed: int = 0) -> xr.Dataset:
        """n rows x ~ P(x | y = label, D) for each label named, else (x, y) ~ P(x, y | D); one variable a column."""
        return generation.generate(self, n, label=label, seed=seed)
