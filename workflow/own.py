"""Models of one's own: a function in a Python file, named FILE.py:FUNCTION."""

import hashlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ..inference.content import installed
from ..inference.errors import ModelError

OWN = __name__.partition(".")[0]  # this package, which a format of its own tells from others
SOURCE = "__bayeszoo_source__"  # the text that a function was read from, which the file may no longer have


def read_model(file: Path, name: str) -> Callable:
    """The function of that name in a Python file, which is run. Raises ModelError where there is none."""
    if file.suffix != ".py" or not file.is_file():
        raise ModelError(f"'{file}' is no Python file; a model of your own is named FILE.py:FUNCTION.")
    module, text = ModuleType(file.stem), file.read_text(encoding="utf-8")
    module.__dict__.update({"__file__": str(file), SOURCE: text})
    try:
        exec(compile(text, str(file), "exec"), module.__dict__)
    except Exception as error:  # whatever the user's code raises
        raise ModelError(f"'{file}' could not be run: {type(error).__name__}: {error}.") from error
    functions = [key for key, value in vars(module).items() if _is_of(value, module.__dict__)]
    if name not in functions:
        raise ModelError(f"'{file}' has no function '{name}'; it has {', '.join(functions) or 'none'}.")
    return vars(module)[name]


def source_of(function: Callable) -> str | None:
    """The text of the Python file at whose top a function stands; None where it stands elsewhere."""
    around = getattr(function, "__globals__", {})
    if not _is_of(around.get(function.__name__), around) or around[function.__name__] is not function:
        return None
    file = Path(around.get("__file__") or "")
    return around.get(SOURCE) or (file.read_text(encoding="utf-8") if file.suffix == ".py" and file.is_file() else None)


def imported(function: Callable) -> dict[str, str]:
    """Modules of the user's that a function's file imports, and those import, each with a hash of its text."""
    found: dict[str, str] = {}

    def look(around: dict[str, Any]) -> None:
        for value in around.values():
            name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
            module = sys.modules.get(name) if isinstance(name, str) else None
            file = getattr(module, "__file__", None)
            library = file is None or installed(name) or name.partition(".")[0] == OWN
            if library or name in found or not Path(file).is_file():
                continue
            if vars(module) is function.__globals__:  # the file itself, of which a run has a copy
                continue
            found[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
            look(vars(module))

    look(getattr(function, "__globals__", {}))
    return found


def _is_of(value: object, around: dict) -> bool:
    return isinstance(value, FunctionType) and value.__globals__ is around
