"""New rows for an old fit: summaries merge, and the fitter runs again on what is left of the rows."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .arithmetic import arithmetic
from .compress import may_exclude_rows, row_without_density
from .errors import DataError
from .frame import frame_summary
from .labels import categories_of, read_labels, read_response
from .stream import is_stream, streamed
from .structure import Structure
from .summary import Summary
from .support import refuse_missing, refuse_parts
from .table import Schema
from .threads import one_at_a_time

if TYPE_CHECKING:
    from .fit import Fit


@one_at_a_time
def update(fit: "Fit", x: Any, y: Any, weights: Any) -> "Fit":
    """The fit of the old rows and of (x, y) together."""
    if isinstance(x, Summary):
        if y is not None or weights is not None:
            raise DataError("a Summary holds y and weights; give them to summarise instead.")
        new = x
    elif is_stream(x):
        target, labelled = fit.schema.target if fit.shape.has_y else None, bool(fit.shape.classes)
        if y is not None:
            raise DataError(f"y is a column of the files, which is called '{target}'; leave y out.")
        names = {"labelled": labelled, "known": fit.schema.labels or (), "levels": fit.schema.levels}
        new = streamed(x, None, target, fit.schema.columns, weights, **names)
    else:
        read_y = partial(_read_y, fit.shape)
        new = frame_summary(x, y, read_y, weights, schema=fit.schema, full=fit.summary.full, named=True)
    total = fit.summary.merge(new.with_covariances() if fit.summary.full else new)
    total = total.occurring(fit.schema.labels or ())
    if fit.needs_rows:
        return fit.refit(fit.model, total)
    if total.hidden:
        raise DataError(
            "rows with a hidden label cannot be added to moments, as each of them counts for itself; name their labels "
            "or fit all rows together."
        )
    _look_at_each_row(fit, new)
    # Rows in memory are left behind; without them, what files hold would not be all rows either.
    in_files = total.sources is not None and not any(isinstance(source, tuple) for source in total.sources)
    return fit.refit(fit.model, total if in_files else replace(total, sources=None))


def _look_at_each_row(fit: "Fit", new: Summary) -> None:
    """DataError for a new row that the model has no place for, which would go unseen in moments."""
    if new.sources is None:
        return
    refuse_parts(fit.model, fit.shape, fit.spec, new.parts(), fit.schema)
    refuse_missing(fit.model, fit.shape, fit.spec, new.parts(), fit.schema.columns)
    with arithmetic():
        if not may_exclude_rows(fit.model, fit.shape, fit.spec, new):
            return
        values = {name: draws[0, 0] for name, draws in fit.params.items()}
        row = row_without_density(fit.model, fit.shape, fit.spec, new, values)
    if row is not None:
        raise DataError(f"row {row} cannot be under {fit.model.name}, whose density is 0 there; correct it or drop it.")


def _read_y(shape: Structure, y: Any, schema: Schema) -> tuple[np.ndarray, tuple | None]:
    if y is None or not shape.has_y:
        return np.full(0 if y is None else len(y), -1), ()
    if not shape.classes:
        return read_response(y, schema.target), None
    known = categories_of(y)
    codes, names = read_labels(y, known)
    # All categories, as those that do not occur tell where new ones stand among the old.
    return codes, names if known is None else known
