"""A fit on disk: ``fit.json`` for what it is, ``posterior.nc`` for ArviZ's groups, ``rows.npz`` for its rows.

Of rows that were streamed or left behind by an update, ``rows.npz`` holds the summary.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
import numpy as np
import xarray as xr

from ..inference.arviz import OURS
from ..inference.declare import Declared, declare
from ..inference.errors import BayeszooError, DataError, ModelError
from ..inference.fit import Fit
from ..inference.fits import laplace, map_estimate, mle
from ..inference.labels import Ordered
from ..inference.moments import Moments
from ..inference.sampling import nuts
from ..inference.structure import structure
from ..inference.summary import Part, Summary, joined, summary_of
from ..inference.table import Schema
from ..inference.variational import svi
from ..models.catalogue import CHOICES, MODELS
from ..models.spec import Spec
from .own import imported, read_model, source_of

VERSION = 10
ENOUGH = 20  # held-out rows, with all their cells, for the tail of a distribution
FUNCTIONS = {name: function for several in CHOICES.values() for name, function in several.items()}
METHODS = {fitter.__name__: fitter for fitter in (mle, map_estimate, laplace, svi, nuts)}
FILES = ("posterior.nc", "rows.npz", "fit.json")
SCORE = "held_out.json"
WRITTEN = ("generated.csv", "report.html")  # beside the run's own files, by the verbs
DIGESTS = "digests"  # of all files of a run, as files of two fits are none, and an edited one would not say so
MODEL = "model.py"  # the file of a model of the user's own, which is run when the run is read


@dataclass(frozen=True)
class Origin:
    """How the rows of a run came from the user's table.

    numbers: of each row in that table, where some of its rows were not fitted. held: x of the rows that were held out.
    notes: sentences on columns and rows that were left out. score: how well the fit predicts the rows that were held
    out, by the name of each measure.
    """

    numbers: np.ndarray | None = None
    held: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    score: Mapping[str, float] = field(default_factory=dict)

    @property
    def reference(self) -> np.ndarray | None:
        """The rows that were held out, where enough of them have all their cells to tell how rare others are."""
        whole = 0 if self.held is None else (~np.isnan(self.held)).all(axis=1).sum()
        return self.held if whole >= ENOUGH else None


WHOLE = Origin()  # all of the user's table was fitted


def save(fit: Fit, folder: str | Path, origin: Origin = WHOLE) -> xr.DataTree:
    """Write a fit; return ArviZ's tree of it. Of a model that is not of the zoo, a copy of its Python file, too.

    origin: ``load_origin`` finds it again, with the score that ``save_score`` adds later.

    Hyperparameters may be numbers, arrays, text, truth values and the zoo's functions; labels numbers, text or truth
    values. Raises ModelError or DataError for others, before anything is written.
    """
    own = None
    if fit.model.function is not MODELS.get(fit.model.name):
        own = source_of(fit.model.function)
        if own is None:
            raise ModelError(
                f"{fit.model.name} is not a model of the zoo and stands at the top of no Python file, so it could not "
                "be found again when the run is read; move it to a file, or keep fit.to_arviz()."
            )
    for label in fit.schema.labels or ():
        if not isinstance(label, str | int | float):
            raise DataError(f"label {label!r} is neither text nor a number, so it cannot be stored; rename it first.")
    text = [label for label in fit.schema.labels or () if isinstance(label, str)]
    other = next((label for label in fit.schema.labels or () if not isinstance(label, str)), None)
    if text and other is not None:
        raise DataError(f"labels mix text ({text[0]!r}) and numbers ({other!r}), which no file holds; use one kind.")
    folder = Path(folder)
    spec = fit.spec
    record: dict[str, Any] = {
        "version": VERSION,
        "model": fit.model.name,
        "own": own is not None,
        "imports": {} if own is None else imported(fit.model.function),
        "hyperparameters": {name: _encode(name, value) for name, value in fit.model.hyperparameters.items()},
        "method": fit.method,
        "settings": fit.refit.keywords,
        "columns": fit.schema.columns,
        "target": fit.schema.target,
        "labels": fit.schema.labels,
        "ordered": isinstance(fit.summary.labels, Ordered),
        "levels": fit.schema.levels,
        "dims": {name: [OURS.get(dim, dim) for dim in one.dims] for name, one in fit.posterior().data_vars.items()},
        "units": {name: np.asarray(getattr(spec, name)).tolist() for name in ("loc", "scale", "y_loc", "y_scale")},
        "sizes": {name: getattr(spec, name) for name in ("rows", "features", "classes", "kinds")},
        "rows": fit.summary.rows,
        "full": fit.summary.full,
        "diagnostics": fit.diagnostics,
        "needs_rows": fit.needs_rows,
        "compression": fit.compression,
        "warnings": fit.warnings,
        "notes": origin.notes,
    }
    json.dumps(record)  # what no file holds is told before anything is written
    tree = fit.to_arviz()
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the folder's files first: what interrupts the writing leaves an earlier run as it was.
    with TemporaryDirectory(dir=folder, prefix=".writing-") as beside:
        new = Path(beside)
        tree.to_netcdf(new / "posterior.nc", engine="h5netcdf")
        others = {"numbers": origin.numbers, "held": origin.held}
        others = {name: value for name, value in others.items() if value is not None}
        np.savez(new / "rows.npz", **_arrays(fit), **others)
        if own is not None:
            (new / MODEL).write_text(own, encoding="utf-8")
        record[DIGESTS] = {file.name: _digest(file) for file in new.iterdir()}
        record[DIGESTS]["fit.json"] = _digest_of(record)
        (new / "fit.json").write_text(json.dumps(record, indent=1) + "\n")
        # Files of two fits are no run, whatever interrupts what follows.
        for name in (SCORE, "fit.json", MODEL, *WRITTEN):
            (folder / name).unlink(missing_ok=True)
        for name in (*(() if own is None else (MODEL,)), *FILES):
            (new / name).replace(folder / name)
    return tree


def _arrays(fit: Fit) -> dict[str, np.ndarray]:
    """The rows, or what is kept of them where they are not at hand."""
    summary = fit.summary
    if summary.in_memory:
        return _part_arrays("", joined(list(summary.parts())))
    arrays = {"label": summary.label, "seen": summary.seen}
    if summary.moments is not None:
        arrays |= {"count": summary.moments.count, "mean": summary.moments.mean, "scatter": summary.moments.scatter}
    return arrays | _part_arrays("sample_", summary.sample) | _part_arrays("extremes_", summary.extremes)


def _part_arrays(prefix: str, part: Part) -> dict[str, np.ndarray]:
    arrays = {f"{prefix}x": part.x, f"{prefix}y": part.y}
    return arrays if part.weights is None else {**arrays, f"{prefix}weights": part.weights}


def _summary(arrays: dict[str, np.ndarray], schema: Schema, response: bool, rows: int, full: bool) -> Summary:
    names = None if response else schema.labels or ()

    def part(prefix: str) -> Part:
        return Part(arrays[f"{prefix}x"], arrays[f"{prefix}y"], names, arrays.get(f"{prefix}weights"), str)

    if "x" in arrays:
        whole = part("")
        if whole.x.shape != (rows, len(schema.columns)) or len(whole.y) != rows:
            raise ValueError(f"rows.npz has {whole.x.shape} rows and columns, not {(rows, len(schema.columns))}")
        return replace(summary_of(whole, schema.columns, schema.target, full=full), levels=schema.levels)
    moments = Moments(arrays["count"], arrays["mean"], arrays["scatter"]) if "count" in arrays else None
    kept = arrays["label"], arrays["seen"], moments, part("sample_"), part("extremes_")
    return Summary(schema.columns, schema.target, names, *kept, rows, None, schema.levels)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _digest_of(record: Mapping[str, Any]) -> str:
    """Of all that a record says, its digests of the other files among it."""
    others = {name: digest for name, digest in record[DIGESTS].items() if name != "fit.json"}
    return hashlib.sha256(json.dumps({**record, DIGESTS: others}).encode()).hexdigest()


def _encode(name: str, value: Any) -> Any:
    function, keywords = (value.func, value.keywords) if isinstance(value, partial) else (value, {})
    if callable(function) and function in FUNCTIONS.values():
        inner = {key: _encode(key, one) for key, one in keywords.items()}
        return {"function": function.__name__, "keywords": inner}
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError(
            f"the hyperparameter '{name}' is a {type(value).__name__}, which cannot be stored; numbers, text, truth "
            "values and the zoo's hypotheses and covariances can."
        ) from None
    return array.tolist()


def _decode(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    function = FUNCTIONS[value["function"]]
    keywords = {name: _decode(one) for name, one in value["keywords"].items()}
    return partial(function, **keywords) if keywords else function


def check_folder(folder: Path) -> None:
    """Raise DataError where a run cannot be written to ``folder``; before a long fit, not after it."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise DataError(f"'{folder}' cannot be a run folder: '{there}' is no folder that can be written to.")


def save_score(folder: Path, score: Mapping[str, float]) -> None:
    """Add to a run how well it predicts rows that were not fitted."""
    (folder / SCORE).write_text(json.dumps(dict(score), indent=1) + "\n")


def load_origin(folder: str | Path) -> Origin:
    """What ``save`` and ``save_score`` wrote of where the rows come from. DataError where it is damaged."""
    folder = Path(folder)
    with _undamaged(folder):
        with np.load(folder / "rows.npz") as stored:
            numbers, held = stored.get("numbers"), stored.get("held")
        record = json.loads((folder / "fit.json").read_text())
        there = (folder / SCORE).exists()
        score = json.loads((folder / SCORE).read_text()) if there else {}
        if there and "rows" not in score:
            raise ValueError(f"{SCORE} does not say of how many rows")
        return Origin(numbers, held, tuple(record["notes"]), {name: float(value) for name, value in score.items()})


def load(folder: str | Path) -> Fit:
    """Read what ``save`` wrote. Raises DataError where a file is missing, damaged or of another version."""
    record = _record(folder)
    with _undamaged(Path(folder)):
        return _read(record, Path(folder))


def load_tree(folder: str | Path) -> xr.DataTree:
    """ArviZ's tree of a run, as its fit's ``to_arviz()`` made it. Raises DataError as ``load`` does."""
    _record(folder)
    with _undamaged(Path(folder)), xr.open_datatree(Path(folder) / "posterior.nc", engine="h5netcdf") as tree:
        return tree.load()


def _record(folder: str | Path) -> dict[str, Any]:
    """What fit.json says, of a folder whose other files are those it speaks of."""
    folder = Path(folder)
    for name in reversed(FILES):
        if not (folder / name).is_file():
            some = any((folder / other).exists() for other in FILES)
            what = f"is damaged (no {name}); fit again" if some else "is no run folder; make one with 'bayeszoo fit'"
            raise DataError(f"'{folder}' {what}.")
    with _undamaged(folder):
        record = json.loads((folder / "fit.json").read_text())
        if record["version"] != VERSION:
            raise DataError(f"'{folder}' was written in format {record['version']}, this reads {VERSION}; fit again.")
        for name, digest in record[DIGESTS].items():
            if not (folder / name).is_file():
                raise DataError(f"'{folder}' is damaged (no {name}); fit again.")
            if digest != (_digest_of(record) if name == "fit.json" else _digest(folder / name)):
                raise ValueError(f"{name} is not as it was written")
    return record


@contextmanager
def _undamaged(folder: Path) -> Iterator[None]:
    try:
        yield
    except BayeszooError:
        raise
    except Exception as error:  # readers of damaged files raise what they come upon
        what = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise DataError(f"'{folder}' is damaged ({what}); fit again.") from error


def _read(record: dict[str, Any], folder: Path) -> Fit:
    keywords = {name: _decode(value) for name, value in record["hyperparameters"].items()}
    function = read_model(folder / MODEL, record["model"]) if record["own"] else MODELS[record["model"]]
    now = imported(function) if record["own"] else {}
    for name, text in record["imports"].items():
        if name in now and now[name] != text:
            raise ModelError(f"'{folder}': '{name}', which its model imports, has changed since the fit; fit it again.")
    model: Declared = declare(partial(function, **keywords) if keywords else function)
    sizes = {**record["sizes"], "kinds": tuple(record["sizes"]["kinds"])}
    with jax.enable_x64(True):
        spec = Spec(**{k: jax.numpy.asarray(v) for k, v in record["units"].items()}, **sizes)
        shape = structure(model, spec)
    with xr.open_datatree(folder / "posterior.nc", engine="h5netcdf") as tree:
        params, derived = (
            {k: tree["posterior"][k].transpose(*record["dims"][k]).values for k, _ in s}
            for s in (shape.sites, shape.derived)
        )
        for name, site in shape.sites + shape.derived:
            found = (params | derived)[name].shape[2:]
            if found != site.shape:
                raise ValueError(f"'{name}' in posterior.nc has shape {found}, not {site.shape}")
        groups = tree["sample_stats"].data_vars if "sample_stats" in tree else {}
        stats = {name: value.values for name, value in groups.items()}
    with (folder / "rows.npz").open("rb") as file, np.load(file) as stored:
        arrays = dict(stored)
    labels = None if record["labels"] is None else (Ordered if record["ordered"] else tuple)(record["labels"])
    levels = tuple(tuple(names) if isinstance(names, list) else names for names in record["levels"])
    schema = Schema(tuple(record["columns"]), record["target"], labels, levels)
    response = shape.has_y and shape.classes is None
    return Fit(
        model=model,
        refit=partial(METHODS[record["method"]], **record["settings"]),
        schema=schema,
        spec=spec,
        shape=shape,
        params=params,
        derived=derived,
        summary=_summary(arrays, schema, response, record["rows"], record["full"]),
        sample_stats=stats,
        diagnostics=record["diagnostics"],
        needs_rows=record["needs_rows"],
        compression=record["compression"],
        warnings=tuple(record["warnings"]),
    )
