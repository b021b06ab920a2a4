"""A user's model function, made callable one way and hashable by what it is."""

import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jax import Array
from numpyro.primitives import Messenger

from ..models.spec import Spec
from .errors import ModelError


class Constant:
    """A hyperparameter that Python cannot hash (a list, an array): equal where its content is."""

    def __init__(self, value: Any) -> None:
        self.value = value
        array = np.asarray(value)
        self.content = (type(value), array.shape, array.tobytes() if array.dtype != object else id(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


@dataclass(frozen=True)
class Declared:
    """A model function with its bound hyperparameters; equal bindings are equal, so compiled programs are shared."""

    function: Callable
    keywords: tuple[tuple[str, Hashable], ...] = ()

    def __call__(self, x: Array | None, y: Array | None, spec: Spec) -> Any:
        """Give x and y by name where the function has arguments of these names, else as its first two."""
        parameters = inspect.signature(self.function).parameters
        keywords = self.hyperparameters
        if "spec" in parameters:
            keywords["spec"] = spec
        free = [name for name, p in parameters.items() if name not in keywords and p.kind in (1, 3)]
        if "x" in free or "y" in free:
            keywords.update({name: value for name, value in (("x", x), ("y", y)) if name in free})
            return self.function(**keywords)
        return self.function(*(x, y)[: len(free)], **keywords)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The bound keywords, as the user gave them."""
        return {name: v.value if isinstance(v, Constant) else v for name, v in self.keywords}

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


def declare(model: Callable) -> Declared:
    """A model function, or a functools.partial of one with keywords bound, as Declared."""
    if not callable(model):
        raise ModelError(f"a model is a function with NumPyro sites, got {model!r}.")
    if not isinstance(model, partial):
        return Declared(model)
    if model.args:
        raise ModelError("bind a model's hyperparameters by keyword in functools.partial, not by position.")
    items = sorted(model.keywords.items())
    return Declared(model.func, tuple((name, _hashable(value)) for name, value in items))


def _hashable(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return Constant(value)
    return value


class _Rename(Messenger):
    def __init__(self, names: dict[str, str]) -> None:
        super().__init__(None)
        self.names = names

    def process_message(self, msg: dict) -> None:
        msg["name"] = self.names.get(msg["name"], msg["name"])


def with_sites(model: Callable, *, x: str = "x", y: str = "y") -> Callable:
    """A model function whose data sites have other names, as one with sites 'x' and 'y'.

    ``nuts(with_sites(model, y="obs"), x, y)`` fits a model that calls its response 'obs'.
    """
    names = {x: "x", y: "y"}

    def renamed(*positional: Any, **keywords: Any) -> Any:
        with _Rename(names):
            return model(*positional, **keywords)

    renamed.__name__ = getattr(model, "__name__", "model")
    renamed.__signature__ = inspect.signature(model)
    return renamed
