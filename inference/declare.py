"""A user's model function, made callable one way and hashable by what it is."""

import copy
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
    """A value that Python cannot hash (a list, an array): a copy of it, equal where its content is."""

    def __init__(self, value: Any) -> None:
        self.value = copy.deepcopy(value)
        array = np.asarray(value)
        self.content = (type(value), array.shape, array.tobytes() if array.dtype != object else id(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


@dataclass(frozen=True)
class Declared:
    """A model function with its bound hyperparameters; equal bindings are equal, so compiled programs are shared.

    around: the values that the function reads from outside, so that a changed one compiles anew.
    """

    function: Callable
    keywords: tuple[tuple[str, Hashable], ...] = ()
    around: tuple[tuple[str, Hashable], ...] = ()

    def __call__(self, x: Array, y: Array, spec: Spec) -> Any:
        """Give x and y to the arguments of these names, else to the ones that have no value yet, in their order."""
        parameters = inspect.signature(self.function).parameters
        keywords = self.hyperparameters
        if "spec" in parameters:
            keywords["spec"] = spec
        data = {"x": x, "y": y}
        by_name = {name: value for name, value in data.items() if name in parameters}
        keywords.update(by_name)
        takes = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        free = [p for name, p in parameters.items() if name not in keywords and p.kind in takes]
        if by_name:  # an argument with a default is a hyperparameter then
            free = [p for p in free if p.default is p.empty]
        others = [value for name, value in data.items() if name not in by_name]
        return self.function(**keywords, **{p.name: value for p, value in zip(free, others, strict=False)})

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
        return Declared(model, (), _around(model, set()))
    if model.args:
        raise ModelError("bind a model's hyperparameters by keyword in functools.partial, not by position.")
    items = sorted(model.keywords.items())
    around = _around(model.func, set())
    for _, value in items:
        around += _around(value, set())
    return Declared(model.func, tuple((name, _hashable(value)) for name, value in items), around)


def _hashable(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return Constant(value)
    return value


def _around(function: Any, seen: set[int]) -> tuple[tuple[str, Hashable], ...]:
    """Numbers, text and arrays that a function reads from its globals, its closure and its object, and so on.

    Compiled programs are kept by the model function, and would go on with the old values after these have changed.
    """
    while isinstance(function, partial):
        function = function.func
    if id(function) in seen or not callable(function) or isinstance(function, type):
        return ()
    seen.add(id(function))
    found: dict[str, Any] = {}
    if inspect.isfunction(function):
        outside = inspect.getclosurevars(function)
        found = {**outside.globals, **outside.nonlocals}
    elif inspect.ismethod(function):
        found = {"self": function.__self__, "function": function.__func__}
    else:
        found = {**getattr(function, "__dict__", {}), "function": type(function).__call__}
    values: list[tuple[str, Hashable]] = []
    for name, value in sorted(found.items()):
        if isinstance(value, bool | int | float | str | tuple | list | np.ndarray | Array):
            values.append((name, Constant(value)))
        elif callable(value) and not _of_a_library(value):
            values += _around(value, seen)
    return tuple(values)


def _of_a_library(value: Any) -> bool:
    module = (getattr(value, "__module__", None) or type(value).__module__).partition(".")[0]
    return module in ("jax", "jaxlib", "numpyro", "numpy", "scipy", "builtins", "functools")


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
