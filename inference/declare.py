"""A user's model function, made callable one way and hashable by what it is."""

import copy
import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from jax import Array
from numpyro.primitives import Messenger

from ..models.spec import NUMBER, Spec
from .content import content
from .errors import ModelError

# What a model read after it ran -> before, where it noted something itself: a memo, a count, what a library's object
# works out when it is asked. By their hashes, as either may be large.
_BY_ITSELF: dict[int, int] = {}


class Constant:
    """A copy of a hyperparameter of any kind; equal where the content is."""

    def __init__(self, value: Any) -> None:
        self.value = copy.deepcopy(value)
        self.content = content(self.value)

    @property
    def changed(self) -> bool:
        """Whether it holds something else by now, as a function that reads a global does."""
        return content(self.value) != self.content

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

        Raises ModelError as ``refuse_changed`` does.
        """
        before = self.refuse_changed()
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
        try:
            return self.function(**keywords, **{p.name: value for p, value in zip(free, others, strict=False)})
        finally:
            after = hash(content(self.function))
            if after != before:
                _BY_ITSELF.setdefault(after, before)

    def refuse_changed(self) -> int:
        """The hash of what the function reads; ModelError where that are other values now, but by its own doing.

        Programs that were compiled go on with the old ones, and one answer would not go with another.
        """
        now = content(self.function)
        edited = now != self.reads and not _led_to(hash(now), hash(self.reads))
        if edited or any(constant.changed for _, constant in self.keywords):
            raise ModelError(f"what {self.name} reads from outside has changed since it was fitted; fit it again.")
        return hash(now)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The bound keywords, as the user gave them: copies, of which an object may keep what it works out."""
        return {name: copy.deepcopy(constant.value) for name, constant in self.keywords}

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


def _led_to(now: int, then: int) -> bool:
    """Whether runs of models alone lead from what was read then to what is read now."""
    passed: set[int] = set()
    while now != then and now in _BY_ITSELF and now not in passed:
        passed.add(now)
        now = _BY_ITSELF[now]
    return now == then


def declare(model: Callable) -> Declared:
    """A model function, or a functools.partial of one with keywords bound, as Declared.

    Raises ModelError for what is no function, and for text where a hyperparameter is a function.
    """
    if isinstance(model, Declared):
        model.refuse_changed()
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
    constants = tuple((name, _constant(name, value)) for name, value in sorted(model.keywords.items()))
    return Declared(model.func, constants, content(model.func))


def _constant(name: str, value: Any) -> Constant:
    try:
        return Constant(value)
    except TypeError as error:
        raise ModelError(
            f"the hyperparameter '{name}' is a {type(value).__name__} and cannot be copied ({error}); bind what it "
            "holds instead."
        ) from error


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
