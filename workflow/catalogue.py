"""The zoo's catalogue: of each model its mathematics, what it is for, what it answers, and its measured proof."""

import inspect
import json
from pathlib import Path
from typing import Any

from ..inference.declare import declare
from ..inference.structure import Structure, blank, structure
from ..models.catalogue import COVARIANCES, HYPOTHESES, ZOO, Exhibit

PROOFS = Path(__file__).parent / "data" / "proofs.json"  # written by benchmarks/proofs.py
REMADE = "uv run python -m benchmarks.proofs"
SIMULATIONS = 1_000  # of each fitter, where it was not told others


def entry(name: str) -> str:
    """One model, as Markdown."""
    exhibit, proofs = ZOO[name], json.loads(PROOFS.read_text())
    mathematics, _, rest = inspect.cleandoc(exhibit.model.__doc__ or "").partition("\n")
    proved = [f"- {line}" for line in (*_oracles(proofs, name), *_calibration(proofs, name))]
    return "\n".join(
        [
            f"## {name}",
            "",
            f"For {exhibit.purpose}.",
            "",
            f"    {mathematics}",
            *(["", rest.strip()] if rest.strip() else []),
            "",
            f"Answers {answers(shape_of(exhibit))}.",
            "",
            f"Proof ({', '.join(_commands(proofs, name))}):",
            "",
            *proved,
            *(f"- {one}" for one in _made(proofs, name)),
        ]
    )


def page() -> str:
    """The whole zoo, as Markdown."""
    proofs = json.loads(PROOFS.read_text())
    lines = [
        "# The zoo",
        "",
        f"{len(ZOO)} models. Written by `{REMADE}`.",
        "",
        "Errors of oracles are the largest |got - want| / (1 + |want|) that the tests met, or in Monte Carlo errors "
        f"where it says so. Calibration: tables of {proofs['rows']} rows from the model's own prior are fitted, and "
        "the ranks of true values among the draws tested for uniformity (ArviZ's pot_c), with one false alarm in 100 "
        "over all quantities of a fitter. Climbs to modes start at the true values, so that neither a search which "
        "misses the mode is seen here, nor what a fit refuses, as Laplace does of planes that may be turned. Laplace "
        "and SVI are normal approximations: where they fail, it says in what.",
        "",
        "| model | for | answers |",
        "|---|---|---|",
        *(f"| [`{name}`](#{name}) | {one.purpose} | {_escaped(answers(shape_of(one)))} |" for name, one in ZOO.items()),
        "",
        f"A hypothesis is {', '.join(HYPOTHESES)}; {_taking('hypothesis')} take one. A covariance is "
        f"{', '.join(COVARIANCES)}; {_taking('covariance')} take one.",
    ]
    others = [name for name in proofs["oracles"] if name not in ZOO]
    own = [
        "## Models of one's own",
        "",
        "Model functions that the tests write out, which the zoo has not, by NUTS against posteriors that are known:",
        "",
        *(f"- {name}: {line}" for name in others for line in _oracles(proofs, name)),
    ]
    return "\n\n".join(["\n".join(lines), *map(entry, ZOO), "\n".join(own)]) + "\n"


def shape_of(exhibit: Exhibit) -> Structure:
    """What a model of the zoo declares, of two columns or those that it is checked on."""
    return structure(declare(exhibit.model), blank(len(exhibit.kinds) or 2, 3, exhibit.kinds))


def answers(shape: Structure) -> str:
    """Which of Bayes' questions a model answers."""
    if not shape.generative:
        return "P(y | x)" + (" of each label" if shape.classes else ": mean, sd, interval, draws")
    if not shape.classes:
        return "P(x), and generates rows"
    return "P(x, y), P(y), P(x | y), P(x) and P(y | x), and generates rows of a label"


def _taking(hyperparameter: str) -> str:
    """The models that take one, for a sentence."""
    names = [f"`{name}`" for name, one in ZOO.items() if hyperparameter in inspect.signature(one.model).parameters]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")  # a table's columns end at a bar


def _variants(proofs: dict[str, Any], name: str) -> list[str]:
    """What was calibrated of a model: itself, and it with other hypotheses or covariances."""
    return [one for one in proofs["calibration"] if one == name or one.startswith(f"{name}/")]


def _commands(proofs: dict[str, Any], name: str) -> list[str]:
    """What measures its proof again, a command for each number of simulations."""
    sizes: dict[tuple[int, int | None], list[str]] = {}
    for variant in _variants(proofs, name) or [name]:
        told = proofs["calibration"].get(variant, {})
        known = told.get("nuts", {}).get("simulations", SIMULATIONS)
        hides = _hides(name)
        hidden = told.get("nuts, labels hidden", {}).get("simulations", 0 if hides and told else known // 2)
        sizes.setdefault((known, None if hidden == known // 2 else hidden), []).append(variant)
    return [
        f"`{REMADE} {' '.join(variants)}"
        + (f" --simulations {known}" if known != SIMULATIONS else "")
        + (f" --hidden {hidden}" if hidden is not None else "")
        + "`"
        for (known, hidden), variants in sizes.items()
    ]


def _made(proofs: dict[str, Any], name: str) -> list[str]:
    """By which seed and versions its proof was measured."""
    measured = [one for variant in _variants(proofs, name) for one in proofs["calibration"][variant].values()]
    numbers = {one["made"] for one in (*measured, *proofs["oracles"].get(name, []))}
    return [
        ", ".join([f"seed {made['seed']}", *(f"{library} {version}" for library, version in made["versions"].items())])
        for made in (proofs["made"][number] for number in sorted(numbers))
    ]


def _oracles(proofs: dict[str, Any], name: str) -> list[str]:
    found = proofs.get("oracles", {}).get(name, [])
    return [f"{one['oracle']}: {one['error']:.1g}{one['unit']} (limit {one['limit']:g})" for one in found]


def _calibration(proofs: dict[str, Any], name: str) -> list[str]:
    if name not in proofs["calibration"]:
        return ["calibration by simulation: not measured"]
    lines = []
    for variant in _variants(proofs, name):
        of = "" if variant == name else f"{variant.removeprefix(f'{name}/')}, "
        for fitter, one in proofs["calibration"][variant].items():
            verdict = f"not calibrated in {_few(one['failed'])}" if one["failed"] else "calibrated"
            lines.append(
                f"{of}{fitter}: {verdict}; {one['simulations']:,} simulations, the smallest p of {one['quantities']} "
                f"quantities is {one['smallest_p']:.1g}"
            )
    if _hides(name) and "nuts, labels hidden" not in proofs["calibration"][name]:
        lines.append("labels hidden: not measured; NUTS would take hours for two hundred tables")
    return lines


def _hides(name: str) -> bool:
    """Whether a model's labels may be hidden."""
    shape = shape_of(ZOO[name])
    return bool(shape.generative and shape.classes)


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
