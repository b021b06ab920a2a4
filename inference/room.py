"""Room for compiled programs: each is some tens of memory maps, and a process may have only so many of these."""

import gc
from pathlib import Path

import jax

SHARE = 0.5  # of the maps that Linux allows a process
MAPS, LIMIT = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")


def make_room() -> None:
    """Forget all compiled programs where they fill half of the memory maps that this process may have.

    Past the limit (65,530 by default, some hundred different fits) the compiler dies of a segmentation fault. Systems
    without these files have no such limit.
    """
    if MAPS.exists() and LIMIT.exists():
        with MAPS.open("rb") as maps:
            count = sum(1 for _ in maps)
        if count > SHARE * int(LIMIT.read_text()):
            jax.clear_caches()
            gc.collect()
