"""New rows for an old fit: summaries merge, and the fitter runs again on what is left of the rows."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .frame import frame_summary
from .structure import Structure
from .summary import Summary
from .table import read_labels, read_response

if TYPE_CHECKING:
    from .fit import Fit


def update(fit: "Fit", x: Any, y: Any, weights: Any) -> "Fit":
    """The fit of the old rows and of (x, y) together."""
    new = x
    if not isinstance(x, Summary):
        read_y = partial(_read_y, fit.shape)
        new = frame_summary(x, y, read_y, weights, schema=fit.schema, full=fit.summary.full)
    total = fit.summary.merge(new)
    # Rows in memory are left behind; without them, what files hold would not be all rows either.
    left = () if any(isinstance(source, tuple) for source in total.sources) else total.sources
    return fit.refit(fit.model, total if fit.needs_rows else replace(total, sources=left))


def _read_y(shape: Structure, y: Any, target: str, columns: int) -> tuple[np.ndarray, tuple[Any, ...] | None]:
    if y is None or not shape.has_y:
        return np.full(0 if y is None else len(y), -1), ()
    return read_labels(y) if shape.classes else (read_response(y, target), None)
