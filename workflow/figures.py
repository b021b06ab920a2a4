"""Pictures show names as they are."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import matplotlib.pyplot as plt

Given, Drawn = ParamSpec("Given"), TypeVar("Drawn")


def literal(draw: Callable[Given, Drawn]) -> Callable[Given, Drawn]:
    """The same picture with the dollars of names as such, between which matplotlib would read mathematics."""

    @wraps(draw)
    def drawn(*positional: Given.args, **keywords: Given.kwargs) -> Drawn:
        with plt.rc_context({"text.parse_math": False}):  # each text keeps what it was made with
            return draw(*positional, **keywords)

    return drawn
