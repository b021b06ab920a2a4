"""One thread at a time: NumPyro keeps what its handlers see in one stack for the whole process, which two would mix."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

LOCK = RLock()
Given, Answer = ParamSpec("Given"), TypeVar("Answer")


def one_at_a_time(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The function, which waits while another thread runs a model."""

    @wraps(function)
    def alone(*positional: Given.args, **keywords: Given.kwargs) -> Answer:
        with LOCK:
            return function(*positional, **keywords)

    return alone
