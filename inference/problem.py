"""Data and model brought together once: what every fitter starts from."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .declare import declare
from .errors import DataError, FitWarning, ModelError, NoMaximumError
from .fit import Fit
from .joint import structure
from .progress import bar
from .table import Schema, check_columns, make_spec, missing_feature, name_classes, read_labels, read_response, read_x
from .target import Mode, Rows, climb, constrain, find_mode, hessian_at, prior_vectors, rows_apart_and_together


class Problem:
    """Data, checked and laid out, beside the model's structure: what each fitter starts from."""

    def __init__(self, model: Callable, x: Any, y: Any, target: str | None, labels: Sequence[Any] | None) -> None:
        self.model = declare(model)
        values, columns = read_x(x)
        check_columns(values, columns)
        target = target or getattr(y, "name", None)
        target = str(target) if target is not None else next(n for n in ("y", "label", "class_") if n not in columns)
        if target in columns:
            raise DataError(f"'{target}' is the target and a column of x, too; take it out of x.")
        # A model that follows the number of labels in the data has another number where the data have another.
        two, three = (structure(self.model, make_spec(values, None, k)).classes for k in (2, 3))
        codes, response, names = np.full(len(values), -1), None, ()
        if two is None:
            response = None if y is None else read_response(y, target)
        elif y is not None or labels is not None:
            codes, names = read_labels([None] * len(values) if y is None else y, labels)
        known = codes if response is None else response
        if len(known) != len(values):
            raise DataError(f"x has {len(values)} rows but y has {len(known)}; give one y for every row.")
        self.spec = make_spec(values, response, len(names))
        self.shape = structure(self.model, self.spec)
        if y is None and not self.shape.generative:
            raise DataError(f"{self.model.name} declares P(y | x) and needs y; give one for every row.")
        if two is not None:
            if len(names) == 1 and np.all(codes >= 0):
                raise DataError(f"every row has the label {names[0]!r}; a model of labels needs at least two.")
            if len(names) > 20 and len(names) > len(values) / 2:
                raise DataError(
                    f"'{target}' has {len(names)} different labels in {len(values)} rows; for a numeric response use a "
                    "model of one, such as linear_regression."
                )
            named = name_classes(names, self.shape.classes, fixed=two == three)
            order = np.array([named.index(name) for name in names] + [-1])
            codes = known = order[codes]
            names = named
            if self.shape.classes > len(values):
                raise DataError(f"{self.shape.classes} components need as many rows, got {len(values)}.")
        self.schema = Schema(columns, target, names if two is not None else None)
        self.x, self.y = values, known
        self.rows = self._lay_out(values, codes, response)
        self._check_rows_independent()

    def _check_rows_independent(self, few: int = 4) -> None:
        """Every fit and query adds up single rows: refuse a model in which rows see each other."""
        x = self.rows.x[:few]
        y = self.rows.y[:few] if self.rows.y.shape[0] >= x.shape[0] else jnp.zeros(x.shape[0], dtype=int)
        vector = prior_vectors(jax.random.key(0), self.spec, draws=1, **self.keywords)[0]
        apart, together = rows_apart_and_together(vector, self.spec, x, y, **self.keywords)
        if not np.isclose(apart, together, rtol=1e-6, atol=1e-6, equal_nan=True):
            raise ModelError(
                f"the rows of {self.model.name} are not independent given its parameters (the log-likelihood of "
                f"{x.shape[0]} rows is {float(together):.6g} in one table but {float(apart):.6g} row by row); "
                "use no statistic of the whole table inside the model, and put what rows share into parameters."
            )

    def _lay_out(self, x: np.ndarray, codes: np.ndarray, response: np.ndarray | None) -> Rows:
        missing = np.isnan(x)
        if missing.any() and not self.shape.generative:
            i, j = np.argwhere(missing)[0]
            raise missing_feature(self.model.name, i, self.schema.columns[j])
        order = np.arange(len(x)) if response is not None else np.argsort(codes < 0, kind="stable")
        y = response if response is not None else codes[order][codes[order] >= 0]
        filled = np.where(missing, np.nanmean(x, axis=0), x)[order]
        return Rows(jnp.asarray(filled), jnp.asarray(~missing[order]) if missing.any() else None, jnp.asarray(y))

    @property
    def keywords(self) -> dict[str, Any]:
        return {"model": self.model, "shape": self.shape}

    def mode(self, seed: int, *, prior: bool, jacobian: bool) -> Mode:
        prior_draws = np.asarray(prior_vectors(jax.random.key(seed), self.spec, draws=64, **self.keywords))
        scale = _scale(prior_draws)
        hidden = self.rows.y.shape[0] < self.rows.x.shape[0]
        # Hidden labels make several modes and a saddle where all classes agree: climb from several pretended labelings.
        starts = self._pretended(scale, seed) if hidden and self.shape.classes else []
        starts = starts or [np.median(prior_draws, axis=0) + 0.1 * (prior_draws[0] - prior_draws.mean(axis=0))]
        target = {"prior": prior, "jacobian": jacobian, **self.keywords}
        # Several starts are only ranked here, and Newton's steps from the best one do the rest.
        ftol = 1e-15 if len(starts) == 1 else 1e-8
        shown = bar(starts, desc="climbs", leave=False)
        climbs = [climb(start, scale, self.spec, self.rows, ftol=ftol, **target) for start in shown]
        best, _ = max(climbs, key=lambda place: place[1] if np.isfinite(place[1]) else -np.inf)
        return find_mode(best, scale, self.spec, self.rows, **target)

    def whitening(self, mode: Mode) -> np.ndarray:
        """A matrix L with L L' the inverse Hessian of minus the log posterior at its mode."""
        hessian = hessian_at(mode.vector, self.spec, self.rows, prior=True, jacobian=True, **self.keywords)
        spread = np.sqrt(np.abs(np.diag(hessian)))
        if spread.min() == 0:
            raise NoMaximumError("a parameter has no curvature at the mode; give it a narrower prior.")
        # Scaled to a unit diagonal first: parameters in grams and in millimetres differ by many orders.
        curvature, axes = np.linalg.eigh(hessian / np.outer(spread, spread))
        if curvature.min() <= 1e-12:
            raise NoMaximumError(
                "the curvature at the mode is not positive in every direction, so no normal fits there; use nuts."
            )
        return axes / np.sqrt(curvature) / spread[:, None]

    def precondition(self, seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
        """Centre and matrix L for NUTS: mode and inverse root Hessian, or the prior's own where no mode will do."""
        try:
            mode = self.mode(seed, prior=True, jacobian=True)
            return mode.vector, self.whitening(mode), True
        except NoMaximumError:
            draws = np.asarray(prior_vectors(jax.random.key(seed), self.spec, draws=64, **self.keywords))
            return np.median(draws, axis=0), np.diag(_scale(draws)), False

    def _pretended(self, scale: np.ndarray, seed: int, starts: int = 10) -> list[np.ndarray]:
        from sklearn.cluster import KMeans

        x = np.asarray(self.rows.x)
        found = []
        for i in bar(range(starts), desc="starts", leave=False):
            # Half of the starts see the columns in their own units, half standardised.
            view = x if i % 2 else x / x.std(axis=0)
            labels = KMeans(self.shape.classes, n_init=1, random_state=seed + i).fit_predict(view)
            known = self.rows.y.shape[0]
            labels[:known] = np.asarray(self.rows.y)
            rows = Rows(self.rows.x, self.rows.seen, jnp.asarray(labels, dtype=int))
            centre = np.zeros_like(scale)
            found.append(climb(centre, scale, self.spec, rows, prior=True, jacobian=True, **self.keywords)[0])
        return found

    def fit(
        self,
        method: str,
        vectors: np.ndarray,
        chains: int,
        diagnostics: dict[str, float],
        warning: Sequence[str] = (),
        sample_stats: dict[str, np.ndarray] | None = None,
    ) -> Fit:
        params, derived = (
            {k: np.asarray(v, dtype=np.float64).reshape(chains, -1, *v.shape[1:]) for k, v in group.items()}
            for group in constrain(jnp.asarray(vectors), self.spec, **self.keywords)
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
            warnings=tuple(warning),
        )


def _scale(draws: np.ndarray) -> np.ndarray:
    """The width of each unconstrained parameter under its prior; 1 where it has none. Robust to heavy tails."""
    low, high = np.quantile(draws, [0.25, 0.75], axis=0)
    return np.where(high > low, (high - low) / 1.349, 1.0)
