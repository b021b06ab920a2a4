"""New rows for an old fit: summaries merge, and the fitter runs again on what is left of the rows."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import DataError
from .evidence import read_weights
from .summary import Part, Summary, summary_of
from .table import read_labels, read_response, read_x, row_name

if TYPE_CHECKING:
    from .fit import Fit


def update(fit: "Fit", x: Any, y: Any, weights: Any) -> "Fit":
    """The fit of the old rows and of (x, y) together."""
    new = x if isinstance(x, Summary) else _read(fit, x, y, weights, full=fit.summary.full)
    total = fit.summary.merge(new)
    if not fit.compressed:
        return fit.refit(fit.model, total)
    return fit.refit(fit.model, replace(total, sources=tuple(s for s in total.sources if not isinstance(s, tuple))))


def _read(fit: "Fit", x: Any, y: Any, weights: Any, *, full: bool) -> Summary:
    values, columns = read_x(x, fit.schema, look=False)
    codes, names = np.full(len(values), -1), ()
    if y is not None and fit.shape.has_y:
        response = fit.shape.classes is None
        codes, names = (read_response(y, fit.schema.target), None) if response else read_labels(y)
    if len(codes) != len(values):
        raise DataError(f"x has {len(values)} rows but y has {len(codes)}; give one y for every row.")
    part = Part(values, codes, names, read_weights(weights, values, x), partial(row_name, x))
    return summary_of(part, columns, fit.schema.target, full=full)
