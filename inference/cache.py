"""Compiled programs on disk, for the next process."""

import os
import warnings
from pathlib import Path

import jax

from .errors import DataError, FitWarning

LEAST = 0.1  # seconds of compilation from which on a program is worth its file


def keep_compiled_programs(folder: str | Path | None = None) -> Path | None:
    """Keep compiled programs in ``folder``, by default XDG_CACHE_HOME/bayeszoo (~/.cache/bayeszoo); the folder.

    A later process finds them there, and traces but does not compile. The key is JAX's: a hash of the program with its
    shapes and constants, of the compiler's options and version, and of the device. So another model, prior, shape
    or release of JAX is another file, and none is ever wrong; an old one is only left over, and the folder may be
    deleted at any time. The command line calls this; from Python, call it once before the first fit.

    Raises DataError for a folder that cannot be one; of the default one, it warns, and None is returned.
    """
    named = folder is not None
    try:
        if not named:
            folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bayeszoo"
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"nothing can be written to '{folder}'")
    except (TypeError, OSError, RuntimeError) as error:  # RuntimeError: there is no home
        if named:
            raise DataError(f"{folder!r} cannot be a folder for programs: {error}; name another one.") from error
        warnings.warn(
            f"compiled programs are not kept for the next process ({error}); name a folder that can be written by "
            "the environment variable XDG_CACHE_HOME.",
            FitWarning,
            stacklevel=2,
        )
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST)
    return folder
