"""What a value holds and a function reads, as something to compare: a model that was edited is another model."""

import copyreg
import dis
import importlib.util
import inspect
import os
import pickle
import random
import sys
import sysconfig
import weakref
from collections import deque
from collections.abc import Hashable, Iterator, KeysView, Mapping
from contextvars import ContextVar
from enum import Enum
from functools import cached_property, lru_cache, partial, partialmethod
from pathlib import Path
from site import getsitepackages, getusersitepackages
from types import BuiltinFunctionType, CellType, FunctionType
from typing import Any

import jax
import numpy as np
from numpyro.distributions import Distribution
from numpyro.distributions.transforms import Transform
from numpyro.distributions.util import lazy_property

_PATHS = [sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
INSTALLED = tuple(str(Path(path)) + os.sep for path in (*_PATHS, *getsitepackages(), getusersitepackages()))
LIBRARIES = ("jax", "jaxlib", "numpyro", "numpy", "scipy", "functools")  # wherever they are installed
EMPTY = CellType()  # a variable of an outer function that has no value yet
PLAIN = (bool, int, float, complex, str, bytes, type(None))
JITTED = type(jax.jit(len))
COMPUTED = cached_property, lazy_property
REDUCING = "__reduce_ex__", "__reduce__", "__getstate__"
# What draws random numbers is another after each; of NumPy's functions, one made of the user's may have any name.
ALONE = random.Random, np.random.Generator, np.random.RandomState, np.random.BitGenerator, np.ufunc
# What reads by a text: a text in the code of a function may be the name of an attribute, or of a module.
BY_TEXT = {"getattr", "hasattr", "vars", "__dict__", "attrgetter", "globals", "modules", "import_module"}
MAKING = {"__new__", "__init__", "__call__", "__prepare__"}  # of a class of classes; they often keep a list of these
BEHAVING = FunctionType, partialmethod, staticmethod, classmethod, property, *PLAIN
NOTED = {"__module__", "__qualname__", "__doc__", "__firstlineno__"}  # of a class, by Python; no model reads them


class _Same:
    """An object of which nothing can be told: equal to itself alone, and kept, so that no other takes its id."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def content(value: Any, seen: dict[int, Any] | None = None) -> Hashable:
    """What a value holds, as something to compare: numbers, arrays, containers, objects, and all a function reads.

    Compiled programs are kept by it: a changed global, closure, method or attribute compiles anew. What cannot be told
    is equal to itself alone. seen: what was looked at before, kept alive so that no other object takes its id; a
    function that many others call is read once.
    """
    seen = {} if seen is None else seen
    kind = type(value)
    if isinstance(value, PLAIN) and (kind in PLAIN or installed(kind.__module__)):
        return kind, repr(value) if isinstance(value, float) else value  # a nan is not equal to itself
    if isinstance(value, _Same):
        return value
    if id(value) in seen:
        return "seen", list(seen).index(id(value))
    if inspect.ismodule(value) or _of_a_library(value):
        # Of functions that a library makes, each is another, as its closure is the user's; as may be what it wraps.
        made = inspect.isfunction(value) and value.__closure__
        own = (value, content(vars(value).get("__wrapped__"), seen)) if made else getattr(value, "__qualname__", None)
        return kind.__name__, getattr(value, "__name__", None), getattr(value, "__module__", None), own
    seen[id(value)] = value
    if isinstance(value, type):  # its methods and values, those of its bases, too, and of its own class's
        above = {} if installed(kind.__module__) else _of_class(kind)
        above = {name: one for name, one in above.items() if isinstance(one, BEHAVING) and name not in MAKING}
        return value, content(_of_class(value), seen), content((value.__bases__, above), seen)
    if isinstance(value, staticmethod | classmethod):
        return kind, content(value.__func__, seen)
    if isinstance(value, property):
        return kind, content((value.fget, value.fset), seen)
    if isinstance(value, partial):
        return content((value.func, value.args, value.keywords), seen)
    if isinstance(value, JITTED):  # the rest of it is what it has compiled; a copy has no __wrapped__
        return kind, content(value.__getstate__()["fun"], seen)
    if isinstance(value, Distribution | Transform):  # its parameters, and not what it has computed from them since
        held = {} if installed(kind.__module__) else _held(value)
        held.pop("_inv", None)  # a reference to its inverse, once that was asked for
        return content(kind, seen), content(value.tree_flatten(), seen), content(held, seen)
    if isinstance(value, weakref.ref):
        return kind, content(value(), seen)
    if isinstance(value, Mapping):
        return *_kind(value, seen), tuple((content(k, seen), content(v, seen)) for k, v in value.items())
    if isinstance(value, list | tuple | deque):
        return *_kind(value, seen), tuple(content(one, seen) for one in value)
    if isinstance(value, set | frozenset):
        return *_kind(value, seen), frozenset(content(one, seen) for one in value)
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        with jax.ensure_compile_time_eval():  # a model is being traced
            return content(np.asarray(jax.random.key_data(value)), seen)
    if hasattr(kind, "__array__") and installed(kind.__module__):
        array = np.asarray(value)
        names = None if isinstance(value, jax.Array) or kind is np.ndarray else _pickled(value)
        if array.dtype != object:
            return kind, array.dtype.str, array.shape, array.tobytes(), names
        return kind, array.shape, tuple(content(one, seen) for one in array.ravel()), names
    if inspect.isfunction(value):
        given = value.__defaults__, value.__kwdefaults__, vars(value)
        code = value.__code__  # which is replaced where a notebook reads a module again
        return value, code, content(_outside(value), seen), content(given, seen)
    if inspect.ismethod(value):
        return content(value.__func__, seen), content(value.__self__, seen)
    return kind, content(kind, seen), content(_made_of(value), seen)


def _of_class(value: type) -> dict[str, Any]:
    """Its methods and values, but for what Python or an enumeration notes there by itself."""
    noted = {name for name, one in vars(value).items() if _dunder(name) and not isinstance(one, BEHAVING)} | NOTED
    if issubclass(value, Enum):
        noted |= {name for name in vars(value) if name.startswith("_") and name.endswith("_")}
    return {name: one for name, one in vars(value).items() if name not in noted}


def _kind(value: Any, seen: dict[int, Any]) -> tuple[Hashable, ...]:
    """The type of an object, as its methods may be edited, and the object's attributes."""
    kind = type(value)
    return (kind,) if kind.__module__ == "builtins" else (kind, content(kind, seen), content(_held(value), seen))


def _held(value: Any) -> dict[str, Any]:
    """The attributes of an object by name, but for those that it computes from others."""
    slots = [
        slot for one in type(value).__mro__ for slot, kind in vars(one).items() if inspect.ismemberdescriptor(kind)
    ]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})
    return {k: held[k] for k in sorted(held) if not isinstance(getattr(type(value), k, None), COMPUTED)}


def _made_of(value: Any) -> Any:
    """The attributes of an object, and what it says that it is made of, where that is more: a date's numbers, say.

    The object itself where it does not say, as one of C with a state that is hidden, or says a name alone. Of a
    library's object what it says alone, as its attributes may be what it has computed.
    """
    kind = type(value)
    if isinstance(value, ALONE):
        return _Same(value)
    if isinstance(value, ContextVar):
        return [value.get(None)]
    if isinstance(value, memoryview):
        return value.tobytes()
    registered = copyreg.dispatch_table.get(kind)
    try:
        made = registered(value) if registered else value.__reduce_ex__(4)
    except Exception:  # of an object of any library
        return _held(value), _Same(value)
    own = any(getattr(kind, name) is not getattr(object, name) for name in REDUCING)
    if not (registered or own):
        return _held(value)
    if isinstance(made, str):  # a name: of a function that remembers its answers, say, which holds another
        return _held(value), _Same(value)
    parts = (dict(sorted(one.items())) if type(one) is dict else one for one in made)  # attributes, in any order
    made = tuple(list(one) if isinstance(one, Iterator) else one for one in parts)
    return made if installed(kind.__module__) else (_held(value), made)


def _pickled(value: Any) -> Hashable:
    """What a table holds besides its numbers: an index, columns, coordinates, a mask."""
    try:
        return pickle.dumps(value)
    except Exception:  # of a library's object of any kind
        return _Same(value)


def _outside(function: Any) -> dict[str, Any]:
    """The globals and the closure that a function reads, those of the functions inside it, too.

    Of a module of the user's, also one that is imported in the function, all that has a name which the function reads.
    Of the environment, the variables that it names.
    """
    loaded, names, bases, parts = _names(function.__code__)
    package = function.__globals__.get("__package__")
    for base in bases:
        _load(base, package, parts)
    modules = [full for name in names for full in (name, f"{package}.{name}")]  # relative imports, too
    places = (sys.modules, modules), (function.__globals__, loaded)
    found = {name: place[name] for place, of in places for name in of if name in place}
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    found |= {name: cell.cell_contents for name, cell in cells.items() if cell != EMPTY}
    met: set[int] = set()
    used = {name: _used(value, names, met) for name, value in found.items()}
    if names & {"environ", "getenv"}:
        used["environ"] = {name: os.environ[name] for name in _texts(function.__code__) if name in os.environ}
    return used


@lru_cache(maxsize=10_000)
def _names(code: Any) -> tuple[KeysView[str], ...]:
    """Names that code loads from outside, all that it reads, modules that it imports, and what from them; sorted.

    Those of the code inside it are among them.
    """
    kinds = {"LOAD_GLOBAL": 0, "LOAD_NAME": 0, "IMPORT_NAME": 2, "IMPORT_FROM": 3}
    found: tuple[set[str], ...] = set(), set(code.co_names), set(), set()
    for one in dis.get_instructions(code):
        if one.opname in kinds:
            found[kinds[one.opname]].add(one.argval)
    for inner in filter(inspect.iscode, code.co_consts):
        for names, more in zip(found, _names(inner), strict=True):
            names.update(more)
    loaded, read, *_ = found
    if "globals" in read:
        loaded.update(_keys(code))
    if {"modules", "__name__"} <= read:  # its own module's
        loaded.update(read)
    if read & BY_TEXT:
        read.update(part for text in _texts(code) for part in (text, *text.split(".")))
    return tuple(dict.fromkeys(sorted(names)).keys() for names in found)


def _texts(code: Any) -> list[str]:
    """Texts in code and in that inside it, sorted."""
    held = [one for const in code.co_consts for one in (const if isinstance(const, tuple) else (const,))]
    texts = {one for one in held if isinstance(one, str)}
    return sorted(texts.union(*map(_texts, filter(inspect.iscode, held))))


def _keys(code: Any) -> Iterator[str]:
    """The first text after each globals(), as in globals()["K"]; others are sites, say, and no names of globals."""
    asked = False
    for one in dis.get_instructions(code):
        if one.argval == "globals":
            asked = True
        elif asked and one.opname.startswith("LOAD_CONST") and isinstance(one.argval, str):
            yield one.argval
            asked = False


def _load(base: str, package: str | None, parts: KeysView[str]) -> None:
    """Import a module of the user's that a function imports when it runs: what it reads there is known before.

    base: as the function names it, in its own package or outside; parts: what may be modules within.
    """
    if base in sys.modules and installed(base):
        return
    inside = [f"{package}.{base}" if base else package] if package else []
    for name in (*inside, base):
        try:
            spec = sys.modules[name].__spec__ if name in sys.modules else importlib.util.find_spec(name)
            if spec is None or (spec.origin or "").startswith(INSTALLED):
                continue
            importlib.import_module(name)
            for full in (f"{name}.{part}" for part in parts if spec.submodule_search_locations is not None):
                if full not in sys.modules and importlib.util.find_spec(full) is not None:
                    importlib.import_module(full)
            return
        except Exception:  # there is none, or it fails in any way; the function says so itself, if it gets there
            continue


def _used(value: Any, names: KeysView[str], met: set[int]) -> Any:
    """A module of the user's as the values of these names in it, and in modules within, once; all else as it is."""
    if not inspect.ismodule(value) or installed(value.__name__) or id(value) in met:
        return value
    met.add(id(value))
    inner = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return {name: _used(one, names, met) for name, one in inner.items()}


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _of_a_library(value: Any) -> bool:
    """A function or class of JAX and the like, which reads nothing of the user's; objects of theirs hold his values."""
    if isinstance(value, BuiltinFunctionType) and not inspect.ismodule(value.__self__ or sys):
        return False  # a method of an object
    made = isinstance(value, type | FunctionType | BuiltinFunctionType)
    return made and installed(getattr(value, "__module__", None))


def installed(module: Any) -> bool:
    """Whether a module came with Python or with a package, and not from the user, who may change it any time."""
    if not isinstance(module, str) or module == "__main__":  # of a class of C it may be no name
        return False
    if module in sys.builtin_module_names or module.partition(".")[0] in LIBRARIES:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and file.startswith(INSTALLED)
