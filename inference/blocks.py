"""Rows in blocks of few sizes: a compiled program serves tables of any length, in memory that does not grow."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .progress import bar
from .threads import alone

BLOCK = 4096  # rows a compiled program sees at once: some ten columns of them stay in a core's cache
WIDER = 64  # times as large are blocks on an accelerator, which a core's cacheful would leave idle


def wider() -> int:
    """How many times larger a block may be here, of programs that make a few numbers of each row."""
    return 1 if jax.default_backend() == "cpu" else WIDER


def room_for(rows: int, most: int = BLOCK) -> int:
    """How many rows a program that holds them all is compiled for: 64, 512, 4096 ..., so that like tables share one."""
    size = 64
    while size < min(rows, most):
        size *= 8
    return min(size, most)


def block_size(rows: int, most: int = BLOCK) -> int:
    """How many rows of them a program sees at once: room for all, or, where less than half were full, an eighth."""
    size = room_for(rows, most)
    return size // 8 if 2 * rows < size > 64 else size


def in_blocks(program: Callable, *tables: np.ndarray, most: int = BLOCK) -> Iterator[Any]:
    """Answers of ``program`` on a block of all tables' rows at a time, NumPy arrays with a leading axis of rows.

    Its last block is filled up with copies of the last row, whose answers are dropped.
    """
    rows = len(tables[0])
    size = block_size(rows, most)
    for start in bar(range(0, rows, size), desc="rows", unit_scale=size, unit=" rows"):
        block = [table[start : start + size] for table in tables]
        count = len(block[0])
        if count < size:
            block = [np.pad(part, [(0, size - count)] + [(0, 0)] * (part.ndim - 1), mode="edge") for part in block]
        with alone(), jax.enable_x64(True):
            answer = jax.tree.map(np.asarray, program(*map(jnp.asarray, block)))
        yield jax.tree.map(lambda part, count=count: part[:count], answer)
