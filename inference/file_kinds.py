"""What columns of files hold, names, counts or numbers: found by a look at all parts before they are read."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import Columns, labels_of
from .errors import DataError
from .labels import union_of_names
from .table import COUNTS

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = 1_000  # different names up to which a column may hold names
NOTHING = ()  # what a column without a value holds


def levels_of_piece(piece: Any, columns: Columns) -> tuple[Any, ...]:
    """Of each feature the names in a piece, COUNTS for whole numbers of at least 0, None, or NOTHING."""
    features, found = columns.features, (NOTHING,) * len(columns.features)
    for batch, whole in piece.cells(columns):
        new = (_held(batch.column(name), name in whole, name, piece.name) for name in features)
        found = tuple(map(_both, found, new, features))
    return found


def levels_of_all(each: Iterable[tuple[Any, ...]], features: Sequence[str]) -> tuple[Any, ...]:
    """The levels of all pieces together, as in Schema. DataError for names in one and numbers in another."""
    found = reduce(lambda one, other: tuple(map(_both, one, other, features)), each)
    levels = tuple(None if held == NOTHING else held for held in found)
    return levels if any(held is not None for held in levels) else ()


def _both(one: Any, other: Any, feature: str) -> Any:
    if other in (NOTHING, one):
        return one
    if one == NOTHING:
        return other
    named = [isinstance(held, tuple) for held in (one, other)]
    if not any(named):
        return None  # counts here, and other numbers there
    kinds = [_said(held) for held in (one, other)]
    if kinds[0] != kinds[1]:
        raise DataError(f"column '{feature}' holds {kinds[0]} in one part and {kinds[1]} in another; use one kind.")
    return _few_enough(union_of_names(one, other, f"the names of column '{feature}'"), feature)


def _said(held: Any) -> str:
    return {str: "text", bool: "True or False"}.get(type(held[0]), "names") if isinstance(held, tuple) else "numbers"


def _few_enough(names: tuple[Any, ...], feature: str) -> tuple[Any, ...]:
    if len(names) > NAMES:
        raise DataError(f"column '{feature}' has more than {NAMES:,} different names; leave it out (features=).")
    return names


def _held(column: "pa.Array", whole: bool, feature: str, where: str) -> Any:
    import pyarrow as pa

    kind = column.type
    if column.null_count == len(column):
        return NOTHING
    if pa.types.is_dictionary(kind):  # categories, in their order
        return _few_enough(tuple(column.dictionary.to_pylist()), feature)
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _few_enough(labels_of(column, feature, where)[1], feature)
    if not whole:
        return None
    values = column.drop_null().to_numpy(zero_copy_only=False)
    return COUNTS if np.all((values >= 0) & (np.floor(values) == values)) else None
