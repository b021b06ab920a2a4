"""Compiled programs on disk, for the next process."""

import os
from pathlib import Path

import jax

from .errors import DataError

LEAST = 0.1  # seconds of compilation from which on a program is worth its file


def keep_compiled_programs(folder: str | Path | None = None) -> Path:
    """Keep compiled programs in ``folder``, by default XDG_CACHE_HOME/bayeszoo (~/.cache/bayeszoo); the folder.

    A later process finds them there, and traces but does not compile. The key is JAX's: a hash of the program with its
    shapes and constants, of the compiler's options and version, and of the device. So another model, prior, shape
    or release of JAX is another file, and none is ever wrong; an old one is only left over, and the folder may be
    deleted at any time. The command line calls this; from Python, call it once before the first fit.
    """
    if folder is None:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bayeszoo"
    try:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except (TypeError, OSError) as error:
        raise DataError(f"{folder!r} cannot be a folder for programs: {error}; name another one.") from error
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST)
    return folder
