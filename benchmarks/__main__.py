"""``uv run --group bench python -m benchmarks [--quick] [PROBLEM ...]`` writes RESULTS.md and scaling.png.

Every figure is a ratio of two times, or of two rates, that were measured in one run on the same data; sections of
problems that are not named stay as an earlier run wrote them, with its date and machine. Each contestant works in a
process of its own; peers have the same priors, the thread count that suits them best, a time limit, and must agree:
with our posterior means within Monte Carlo error, or with our estimates. pomegranate takes part where it is installed:
``uv run --group bench --with pomegranate python -m benchmarks`` fetches 5 GB for it.
"""

import argparse
import datetime
import importlib
import importlib.util
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .race import Row

RESULTS = Path(__file__).parent / "RESULTS.md"
PROBLEMS = (
    "stream",
    "queries",
    "softmax",
    "mixture",
    "scaling",
    "regression",
    "engine",
    "start",
    "digits",
    "accelerator",
)
# What was aimed at: a section, the row that tells, and the least ratio.
AIMS = (
    ("scaling", "pass over the rows, 10,000,000 rows, s; point fit of scikit-learn", 10.0),
    ("scaling", "NUTS, 10,000,000 rows, compilation counted", 1.0),
    ("scaling", "NUTS after the pass", 1 / 1.2),
    ("scaling", "NUTS, 100,000 rows, min ESS/s, compiled; nutpie |", 300.0),
    ("scaling", "NUTS, 100,000 rows, min ESS/s, compiled; nutpie, sufficient statistics", 1.0),
    ("regression", "NUTS, 100,000 rows, min ESS/s, compiled; nutpie |", 1000.0),
    ("softmax", "seconds, map_estimate; lbfgs", 3.0),
    ("mixture", "seconds, GaussianMixture(n_init=10) |", 20.0),
    ("queries", "label posterior of 1,000,000 rows, s: point fit; predict_proba", 1.0),
    ("queries", "label posterior of 1,000,000 rows, s: 1,000 draws", 5.0),
)
LIBRARIES = ("bayeszoo", "jax", "numpyro", "numpy", "scikit-learn", "pymc", "nutpie", "blackjax", "pomegranate")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"of {', '.join(PROBLEMS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="smaller tables and shorter limits: minutes")
    given = parser.parse_args()
    unknown = set(given.problems) - set(PROBLEMS)
    if unknown:
        parser.error(f"there is no problem {', '.join(sorted(unknown))}; choose from {', '.join(PROBLEMS)}")
    scale, sections = "quick" if given.quick else "full", _sections()
    for name in given.problems or PROBLEMS:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            print(f"{name}: there is no benchmarks/{name}.py", flush=True)
            continue
        print(f"{name}:", flush=True)
        start, before = time.perf_counter(), os.getloadavg()[0]
        rows = _measured(name, scale)
        load = f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after; {time.perf_counter() - start:.0f} s"
        sections[name] = _section(f"{load}; {datetime.date.today()}, {_cpu()}", rows)
        RESULTS.write_text(_page(sections))  # at once, so that a run that is cut short is not lost
    print(RESULTS.read_text())


def _sections() -> dict[str, str]:
    """What earlier runs have written, by problem."""
    _, *parts = RESULTS.read_text().split("\n## ") if RESULTS.exists() else [""]
    sections = (part.partition("\n") for part in parts)
    return {name: text.strip() for name, _, text in sections if name in PROBLEMS}  # not the table of aims


def _measured(name: str, scale: str) -> list[Any]:
    try:
        return list(importlib.import_module(f"benchmarks.{name}").measure(scale))
    except Exception as error:  # the others are still worth their time
        return [Row(name, "", "", "", "", f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")]


def _page(sections: dict[str, str]) -> str:
    lines = [
        "# Benchmarks",
        "",
        "`uv run --group bench python -m benchmarks [PROBLEM ...]`; the last one "
        f"on {datetime.date.today()}, {os.cpu_count()} CPUs ({platform.machine()}, {_cpu()}), "
        f"Python {platform.python_version()}.",
        "",
        f"{', '.join(_versions())}.",
        "",
        "A ratio above 1 is in bayeszoo's favour, one below 1 in the peer's. The rows of a section were measured in "
        "one run, on the same data, on the day and machine beside it; the load is that machine's, over a minute.",
    ]
    lines += ["", "## aims", "", "| section | what | aim | reached |", "|---|---|---:|---:|"]
    for name, what, aim in AIMS:
        row = next((line for line in sections.get(name, "").splitlines() if what in line), None)
        if row is not None:
            told = row.split(" | ")
            lines.append(f"| {name} | {told[1]} | {aim:.3g} | {told[4]} |")
    lines += ["", "In seconds, a second process was to have an iris posterior in 6, and a report in 20: start."]
    if "scaling" in sections:
        lines += ["", "![seconds against rows](scaling.png)"]
    for name in PROBLEMS:
        lines += ["", f"## {name}", "", sections[name]] if name in sections else []
    return "\n".join(lines) + "\n"


def _section(load: str, rows: list[Any]) -> str:
    lines = [load, "", "| problem | what | bayeszoo | peer | ratio | note |", "|---|---|---:|---:|---:|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows)])


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _versions() -> list[str]:
    found = []
    for package in LIBRARIES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found


if __name__ == "__main__":
    main()
