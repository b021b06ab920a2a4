"""The arithmetic of a fit: float64, and NumPy's linear algebra on one thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import jax
from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # finding them takes milliseconds


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """For matrices of a model's size, whose threads wait for each other longer than they work."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@contextmanager
def arithmetic() -> Iterator[None]:
    """What every fitter runs in. JAX arrays that leave it are cut to float32 by what is done to them next."""
    with jax.enable_x64(True), one_blas_thread():
        yield
