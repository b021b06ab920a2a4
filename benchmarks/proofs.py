"""``uv run python -m benchmarks.proofs [MODEL ...]`` measures what the zoo's catalogue says of each model.

The tests' oracles, by a run of pytest, and calibration by simulation under every fitter, with labels known and hidden.
Writes workflow/data/proofs.json, which ``bayeszoo models NAME`` and docs/zoo.md show, after every model.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bayeszoo.inference import calibrate, keep_compiled_programs
from bayeszoo.inference.sbc import FITTERS
from bayeszoo.models.catalogue import CHOICES, ZOO, Exhibit
from bayeszoo.workflow.catalogue import PROOFS, SIMULATIONS, page, shape_of
from bayeszoo.workflow.check import verdicts

HOME = Path(__file__).parent.parent
PAGE = HOME / "docs" / "zoo.md"
ROWS, SEED = 40, 0
LIBRARIES = ("bayeszoo", "jax", "numpyro", "numpy", "scipy", "scikit-learn", "arviz")


def variants(name: str, argument: str, *choices: str) -> dict[str, Exhibit]:
    """A model with other functions for ``argument``."""
    bound = {one: partial(ZOO[name].model, **{argument: CHOICES[argument][one]}) for one in choices}
    return {f"{name}/{one}": ZOO[name]._replace(model=model) for one, model in bound.items()}


# Each hypothesis and covariance that no model of the zoo has by default, with one that takes it.
VARIANTS = {
    **variants("linear_regression", "hypothesis", "polynomial", "spline", "gaussian_process", "mlp"),
    **variants("quadratic_discriminant", "covariance", "spherical", "shared_diagonal"),
}


def oracles(files: list[Path]) -> dict[str, list[dict]]:
    """What the tests measured: model -> its oracles, each with the largest error and its limit."""
    measuring = [str(file) for file in files if re.search(r"\bproved\b", file.read_text())]
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "oracles.json"
        words = [sys.executable, "-m", "pytest", "-q", "-m", "", "--record", str(record), *measuring]
        subprocess.run(words, cwd=HOME, check=True)
        return json.loads(record.read_text())


def calibration(name: str, exhibit: Exhibit, known: int, hidden: int, made: int) -> Iterator[dict[str, dict]]:
    """Of each fitter, by so many simulations with labels known, and then, where there are labels and P(x), hidden."""
    shape, found = shape_of(exhibit), {}
    for hide, simulations in ((False, known), (True, hidden))[
        : 2 if hidden and shape.classes and shape.generative else 1
    ]:
        start = time.perf_counter()
        sizes = {"simulations": simulations, "rows": ROWS, "kinds": exhibit.kinds, "seed": SEED}
        ranks = calibrate(exhibit.model, hidden=hide, **sizes)
        seconds = time.perf_counter() - start
        told = verdicts(ranks)
        for fitter in FITTERS:
            own = [one for one in told if one.fitter == fitter]
            found[f"{fitter}, labels hidden" if hide else fitter] = {
                "quantities": len(own),
                "smallest_p": min(one.p for one in own),
                "failed": [one.quantity for one in own if not one.passed],
                "simulations": simulations,
                "made": made,
            }
        print(f"  {name}{', labels hidden' * hide}: {seconds:.0f} s", flush=True)
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.proofs", description=__doc__.splitlines()[0])
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"calibrate these only, of the zoo or {', '.join(VARIANTS)}"
    )
    parser.add_argument("--simulations", type=int, default=SIMULATIONS)
    parser.add_argument(
        "--hidden", type=int, help="simulations with labels hidden, 0 for none; half as many where it is not given"
    )
    parser.add_argument("--no-calibration", action="store_true", help="measure oracles alone")
    parser.add_argument("--no-tests", action="store_true", help="keep the oracles as they are")
    parser.add_argument("--tests", nargs="*", type=Path, metavar="FILE", help="measure the oracles of these files only")
    parser.add_argument("--page", action="store_true", help="measure nothing, and write the page anew")
    given = parser.parse_args()
    unknown = set(given.models) - set(ZOO) - set(VARIANTS)
    if unknown:
        parser.error(f"there is no model {', '.join(sorted(unknown))}")
    if not given.page:
        measured = [] if given.no_calibration else given.models or [*ZOO, *VARIANTS]
        every = sorted((HOME / "tests").glob("test_*.py"))
        hidden = given.simulations // 2 if given.hidden is None else given.hidden  # NUTS takes ten times as long there
        tests = [] if given.no_tests else given.tests or every
        measure(measured, given.simulations, hidden, tests, some=bool(given.tests))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PROOFS.relative_to(HOME)}, {PAGE.relative_to(HOME)}")


def provenance(proofs: dict[str, Any]) -> int:
    """The place in proofs["made"] of this seed and these versions, which is what measurements made now refer to."""
    versions = {"Python": ".".join(map(str, sys.version_info[:3]))} | {one: version(one) for one in LIBRARIES}
    now = {"seed": SEED, "versions": versions}
    if now not in proofs.setdefault("made", []):
        proofs["made"].append(now)
    return proofs["made"].index(now)


def measure(names: list[str], known: int, hidden: int, tests: list[Path], *, some: bool) -> None:
    """some: whether these tests are not all, so that what others measured before is kept."""
    keep_compiled_programs()
    proofs: dict[str, Any] = json.loads(PROOFS.read_text()) if PROOFS.exists() else {}
    proofs["rows"], made = ROWS, provenance(proofs)
    if tests:
        before = proofs.get("oracles", {}) if some else {}
        for model, new in oracles(tests).items():
            kept = {one["oracle"]: one for one in (*before.get(model, []), *(one | {"made": made} for one in new))}
            before[model] = [kept[oracle] for oracle in sorted(kept)]
        proofs["oracles"] = dict(sorted(before.items()))
        PROOFS.write_text(json.dumps(proofs, indent=1) + "\n")
    for name in names:
        for found in calibration(name, ZOO.get(name) or VARIANTS[name], known, hidden, made):
            proofs.setdefault("calibration", {})[name] = found
            PROOFS.write_text(json.dumps(proofs, indent=1) + "\n")  # at once, so that a run cut short is not lost


if __name__ == "__main__":
    main()
