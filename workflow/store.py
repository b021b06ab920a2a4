"""A fit on disk: ``fit.json`` for what it is, ``posterior.nc`` for ArviZ's groups, ``rows.npz`` for its rows."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from ..inference.declare import Declared, declare
from ..inference.errors import DataError
from ..inference.fit import Fit
from ..inference.joint import structure
from ..inference.table import Schema
from ..models.catalogue import MODELS
from ..models.spec import Spec

VERSION = 1


def save(fit: Fit, folder: Path) -> xr.DataTree:
    """Write a fit of a zoo model whose hyperparameters are plain values; return ArviZ's tree of it."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = fit.spec
    record: dict[str, Any] = {
        "version": VERSION,
        "model": fit.model.name,
        "hyperparameters": dict(fit.model.keywords),
        "method": fit.method,
        "columns": fit.schema.columns,
        "target": fit.schema.target,
        "labels": fit.schema.labels,
        "units": {name: np.asarray(getattr(spec, name)).tolist() for name in ("loc", "scale", "y_loc", "y_scale")},
        "sizes": {name: getattr(spec, name) for name in ("rows", "features", "classes")},
        "diagnostics": fit.diagnostics,
        "warnings": fit.warnings,
    }
    tree = fit.to_arviz()
    tree.to_netcdf(folder / "posterior.nc", engine="h5netcdf")
    np.savez(folder / "rows.npz", x=fit.x, y=fit.y)
    (folder / "fit.json").write_text(json.dumps(record, indent=1) + "\n")
    return tree


def load(folder: Path) -> Fit:
    """Read what ``save`` wrote. Raises DataError where a file is missing or of another version."""
    for name in ("fit.json", "posterior.nc", "rows.npz"):
        if not (folder / name).is_file():
            raise DataError(f"'{folder}' holds no {name}, so it is no run folder; make one with 'bayeszoo fit'.")
    record = json.loads((folder / "fit.json").read_text())
    if record["version"] != VERSION:
        raise DataError(f"'{folder}' was written in format {record['version']}, this reads {VERSION}; fit again.")
    function = MODELS[record["model"]]
    model: Declared = declare(partial(function, **record["hyperparameters"]))
    with jax.enable_x64(True):
        spec = Spec(**{k: jax.numpy.asarray(v) for k, v in record["units"].items()}, **record["sizes"])
        shape = structure(model, spec)
    with xr.open_datatree(folder / "posterior.nc", engine="h5netcdf") as tree:
        params, derived = ({k: tree["posterior"][k].values for k, _ in s} for s in (shape.sites, shape.derived))
        stats = {name: value.values for name, value in tree["sample_stats"].data_vars.items()}
    with np.load(folder / "rows.npz") as rows:
        x, y = rows["x"], rows["y"]
    labels = None if record["labels"] is None else tuple(record["labels"])
    return Fit(
        model=model,
        method=record["method"],
        schema=Schema(tuple(record["columns"]), record["target"], labels),
        spec=spec,
        shape=shape,
        params=params,
        derived=derived,
        x=x,
        y=y,
        sample_stats=stats,
        diagnostics=record["diagnostics"],
        warnings=tuple(record["warnings"]),
    )
