"""A user's model function, made callable one way and hashable by what it is."""

import copy
import inspect
import sys
import sysconfig
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np
from jax import Array
from numpyro.distributions import Distribution
from numpyro.primitives import Messenger

from ..models.spec import NUMBER, Spec
from .errors import ModelError


class Constant:
    """A copy of a hyperparameter of any kind; equal where the content is."""

    def __init__(self, value: Any) -> None:
        self.value = copy.deepcopy(value)
        self.content = content(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


@dataclass(frozen=True)
class Declared:
    """A model function with its bound hyperparameters; equal bindings are equal, so compiled programs are shared.

    reads: the content of all that the function reads, so that a changed global or attribute compiles anew.
    """

    function: Callable
    keywords: tuple[tuple[str, Constant], ...]
    reads: Hashable

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:  # every call of a compiled program asks for it
        return hash((self.function, self.keywords, self.reads))

    def __call__(self, x: Array, y: Array, spec: Spec) -> Any:
        """Give x and y to the arguments of these names, else to the ones that have no value yet, in their order.

        Raises ModelError where the function reads other values now: programs that were compiled go on with the old
        ones, and one answer would not go with another.
        """
        if content(self.function) != self.reads:
            raise ModelError(f"what {self.name} reads from outside has changed since it was fitted; fit it again.")
        parameters = inspect.signature(self.function).parameters
        keywords = self.hyperparameters
        if "spec" in parameters:
            keywords["spec"] = spec
        if "kinds" in parameters:
            keywords["kinds"] = spec.kinds or (NUMBER,) * spec.features
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
        return {name: constant.value for name, constant in self.keywords}

    @property
    def takes_kinds(self) -> bool:
        """Whether it takes columns of names and counts as such, and not all as numbers."""
        return "kinds" in inspect.signature(self.function).parameters

    @property
    def takes_spec(self) -> bool:
        """Whether it is told the columns' units, and so needs each to have one."""
        return "spec" in inspect.signature(self.function).parameters

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


def declare(model: Callable) -> Declared:
    """A model function, or a functools.partial of one with keywords bound, as Declared.

    Raises ModelError for what is no function, and for text where a hyperparameter is a function.
    """
    if isinstance(model, Declared):
        return model
    if not callable(model):
        raise ModelError(f"a model is a function with NumPyro sites, got {model!r}.")
    if not isinstance(model, partial):
        return Declared(model, (), content(model))
    if model.args:
        raise ModelError("bind a model's hyperparameters by keyword in functools.partial, not by position.")
    parameters = inspect.signature(model.func).parameters
    for name, value in model.keywords.items():
        if isinstance(value, str) and name in parameters and callable(parameters[name].default):
            raise ModelError(
                f"the hyperparameter '{name}' is a function, such as {parameters[name].default.__name__} of "
                f"bayeszoo.models, got the text '{value}'; import it from there."
            )
    items = sorted(model.keywords.items())
    return Declared(model.func, tuple((name, Constant(value)) for name, value in items), content(model.func))


INSTALLED = tuple(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
PLAIN = (bool, int, float, complex, str, bytes, type(None))


def content(value: Any, seen: dict[int, Any] | None = None) -> Hashable:
    """What a value holds, as something to compare: numbers, arrays, containers, objects, and all a function reads.

    Compiled programs are kept by it: a changed global, closure, method or attribute compiles anew. seen: what was
    looked at before, kept alive so that no other object takes its id; a function that many others call is read once.
    """
    seen = {} if seen is None else seen
    if isinstance(value, PLAIN):
        return type(value), repr(value) if isinstance(value, float) else value  # a nan is not equal to itself
    if id(value) in seen:
        return "seen", list(seen).index(id(value))
    if inspect.ismodule(value) or _of_a_library(value):
        return type(value).__name__, getattr(value, "__name__", None)
    seen[id(value)] = value
    if isinstance(value, type):  # its methods and values, those of its bases, too
        held = {name: one for name, one in vars(value).items() if not _dunder(name) or inspect.isfunction(one)}
        return value, content(held, seen), content(value.__bases__, seen)
    if isinstance(value, staticmethod | classmethod):
        return type(value), content(value.__func__, seen)
    if isinstance(value, property):
        return type(value), content((value.fget, value.fset), seen)
    if isinstance(value, partial):
        return content((value.func, value.args, value.keywords), seen)
    if isinstance(value, Distribution):  # its parameters, and not what it has computed from them since
        leaves, tree = jax.tree.flatten(value)
        return content(type(value), seen), str(tree), content(leaves, seen)
    if isinstance(value, Mapping):
        return type(value), tuple((content(k, seen), content(v, seen)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(content(one, seen) for one in value)
    if isinstance(value, set | frozenset):
        return type(value), frozenset(content(one, seen) for one in value)
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype != object:
            return type(value), array.dtype.str, array.shape, array.tobytes()
        return type(value), array.shape, tuple(content(one, seen) for one in array.ravel())
    if inspect.isfunction(value):
        return value, content(_outside(value), seen), content((value.__defaults__, value.__kwdefaults__), seen)
    if inspect.ismethod(value):
        return value.__func__, content(value.__self__, seen)
    held = getattr(value, "__dict__", None)
    if held is None:
        return type(value), id(value)
    return type(value), content(held, seen), content(type(value), seen)


def _outside(function: Any) -> dict[str, Any]:
    """The globals and the closure that a function reads, those of the functions inside it, too.

    Of a module of the user's, also one that is imported in the function, all that has a name which the function reads.
    """
    codes, names = [function.__code__], set()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += filter(inspect.iscode, code.co_consts)
    names = sorted(names)
    places = ((name, place) for name in names for place in (sys.modules, function.__globals__) if name in place)
    found = {name: place[name] for name, place in places}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found |= {name: cell.cell_contents for name, cell in cells}
    return {name: _used(value, names) for name, value in found.items()}


def _used(value: Any, names: list[str], outer: tuple[Any, ...] = ()) -> Any:
    """A module of the user's as the values of these names in it, and in modules within; all else as it is."""
    if not inspect.ismodule(value) or _installed(value.__name__) or value in outer:
        return value
    inner = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return {name: _used(one, names, (*outer, value)) for name, one in inner.items()}


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _of_a_library(value: Any) -> bool:
    """A function or class of JAX and the like, which reads nothing of the user's; objects of theirs hold his values."""
    return callable(value) and hasattr(value, "__name__") and _installed(getattr(value, "__module__", None))


def _installed(module: str | None) -> bool:
    """Whether a module came with Python or with a package, and not from the user, who may change it any time."""
    if module in sys.builtin_module_names:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and file.startswith(INSTALLED)


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
