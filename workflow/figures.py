"""Pictures show names as they are, and small panels few ticks."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

Given, Drawn = ParamSpec("Given"), TypeVar("Drawn")


def literal(draw: Callable[Given, Drawn]) -> Callable[Given, Drawn]:
    """The same picture with the dollars of names as such, between which matplotlib would read mathematics."""

    @wraps(draw)
    def drawn(*positional: Given.args, **keywords: Given.kwargs) -> Drawn:
        with plt.rc_context({"text.parse_math": False}):  # each text keeps what it was made with
            return draw(*positional, **keywords)

    return drawn


def panels(height: int, width: int, size: tuple[float, float], **shared: Any) -> tuple[Figure, np.ndarray]:
    """A figure of small panels, (height, width), and these: each has room for few ticks, which take long to draw."""
    figure, axes = plt.subplots(height, width, figsize=size, squeeze=False, **shared)
    for axis in axes.flat:
        axis.locator_params(nbins=3)
    return figure, axes


def panels_in_rows(count: int, most: int, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    """Likewise of ``count`` panels in rows of up to ``most``; size: of a panel, in inches."""
    width = min(count, most)
    height = -(-count // width)
    figure, axes = panels(height, width, (size[0] * width, size[1] * height))
    for axis in axes.flat[count:]:
        axis.remove()
    return figure, list(axes.flat[:count])
