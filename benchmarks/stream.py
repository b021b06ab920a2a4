"""Files that are larger than the memory allowed: one pass to a summary, and the fit; peak resident memory.

Peer: scikit-learn's GaussianNB.partial_fit over the same file, batch by batch.
"""

import resource
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from .race import Row, alone, in_turn, timed

COLUMNS, LABELS = 5, 3
GROUP = 500_000  # rows of a row group
BATCH = 262_144
LIMIT = 1.0  # GiB of resident memory, the aim


def write(path: Path, rows: int) -> None:
    import pyarrow as pa
    from pyarrow import csv, parquet

    rng = np.random.default_rng(0)
    schema = pa.schema([(f"x{j}", pa.float32()) for j in range(COLUMNS)] + [("label", pa.int8())])
    parquets = partial(parquet.ParquetWriter, compression="none", use_dictionary=False)
    with (parquets if path.suffix == ".parquet" else csv.CSVWriter)(path, schema) as file:
        for start in range(0, rows, GROUP):
            y = rng.integers(LABELS, size=min(GROUP, rows - start)).astype(np.int8)
            columns = [rng.standard_normal(len(y), dtype=np.float32) + j * y for j in range(COLUMNS)]
            arrays = [pa.array(column.astype(np.float32)) for column in columns]
            file.write_table(pa.table([*arrays, pa.array(y)], schema=schema), GROUP)


def resident() -> float:
    """GiB of the process's memory that were resident at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def by_bayeszoo(path: str) -> dict:
    from bayeszoo.inference import mle, summarise
    from bayeszoo.models import gaussian_naive_bayes

    seconds, summary = timed(summarise, path, target="label", covariances=False)
    fit = mle(gaussian_naive_bayes, summary)
    return {"pass": seconds, "memory": resident(), "mean": fit.flat_params["mu"][0]}


def by_partial_fit(path: str) -> dict:
    import pandas as pd
    from pyarrow import parquet
    from sklearn.naive_bayes import GaussianNB

    def parts() -> Iterator[np.ndarray]:
        if path.endswith(".csv"):
            yield from (part.to_numpy() for part in pd.read_csv(path, chunksize=BATCH, dtype=np.float32))
            return
        for batch in parquet.ParquetFile(path).iter_batches(BATCH):
            yield np.column_stack([batch.column(j).to_numpy() for j in range(COLUMNS + 1)])

    def stream() -> GaussianNB:
        fit = GaussianNB()
        for part in parts():
            fit.partial_fit(part[:, :COLUMNS], part[:, COLUMNS], classes=np.arange(LABELS))
        return fit

    seconds, fit = timed(stream)
    return {"pass": seconds, "memory": resident(), "mean": fit.theta_}


def measure(scale: str) -> list[Row]:
    parquet, csv = (5_000_000, 1_000_000) if scale == "quick" else (100_000_000, 30_000_000)
    return [*_raced("Parquet", parquet), *_raced("CSV", csv)]


def _raced(kind: str, rows: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table.{kind.lower()}"
        write(path, rows)
        size = f"{kind} file, {rows:,} x {COLUMNS}, {path.stat().st_size / 2**30:.2g} GiB"
        calls = {one: partial(alone, one, str(path)) for one in (by_bayeszoo, by_partial_fit)}
        ours, peer = in_turn(calls).values()
    if isinstance(ours, str) or isinstance(peer, str):
        return [Row(size, "", "", "", "", ours if isinstance(ours, str) else str(peer))]
    apart = float(np.abs(ours["mean"] - peer["mean"]).max())
    ratio = peer["pass"] / ours["pass"] if apart < 1e-3 else "not counted"
    note = f"means within {apart:.1g}"
    memory = "the fit included" if ours["memory"] < LIMIT else f"above {LIMIT} GiB"
    return [
        Row(size, "one pass, s; GaussianNB.partial_fit", ours["pass"], peer["pass"], ratio, note),
        Row(size, "resident memory, GiB", ours["memory"], peer["memory"], peer["memory"] / ours["memory"], memory),
    ]
