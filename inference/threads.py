"""One thread at a time: NumPyro keeps what its handlers see in one stack for the whole process, which two would mix."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import RLock, local
from typing import ParamSpec, TypeVar

_LOCK, _HELD = RLock(), local()
Given, Answer = ParamSpec("Given"), TypeVar("Answer")


@contextmanager
def alone() -> Iterator[None]:
    """While no other thread runs a model."""
    with _LOCK:
        _HELD.times = getattr(_HELD, "times", 0) + 1
        try:
            yield
        finally:
            _HELD.times -= 1


@contextmanager
def others_first() -> Iterator[None]:
    """While other threads may, as they work on what this one waits for; not while it traces a model itself."""
    times, _HELD.times = getattr(_HELD, "times", 0), 0
    for _ in range(times):
        _LOCK.release()
    try:
        yield
    finally:
        for _ in range(times):
            _LOCK.acquire()
        _HELD.times = times


def one_at_a_time(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The function, which waits while another thread runs a model."""

    @wraps(function)
    def waiting(*positional: Given.args, **keywords: Given.kwargs) -> Answer:
        with alone():
            return function(*positional, **keywords)

    return waiting
