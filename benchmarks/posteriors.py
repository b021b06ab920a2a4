"""One problem by all samplers: who draws how many effective draws a second, and whether they agree."""

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from .race import Row, alone, in_turn
from .samplers import by_bayeszoo, by_blackjax, by_numpyro, by_nutpie, by_pymc

AGREE = 5.0  # Monte Carlo errors that two means may differ by; one of 700 is that far out once in 2,000 comparisons
OURS = 450.0  # seconds that bayeszoo may take
CHEAP = 30.0  # seconds below which a peer is run with one thread and with two


def race(problem: ModuleType, n: int, limit: float, nutpie_limit: float) -> tuple[list[Row], dict[str, Any]]:
    """Rows of the table and what each contestant said, in turn; each peer with the threads that suit it."""
    table, model, rows = problem.table, problem.model, problem.of_rows
    peers = {
        "nutpie": (by_nutpie, (table, rows, n, nutpie_limit)),
        "PyMC": (by_pymc, (table, rows, n)),
        "NumPyro": (by_numpyro, (table, model, n)),
        "BlackJAX": (by_blackjax, (table, model, n)),
    }
    if hasattr(problem, "of_statistics"):
        peers = {"nutpie, sufficient statistics": (by_nutpie, (table, problem.of_statistics, n, nutpie_limit)), **peers}
    contestants = {"bayeszoo": partial(alone, by_bayeszoo, table, model, n, limit=OURS)}
    for name, (call, args) in peers.items():
        contestants[name] = partial(_best, call, args, nutpie_limit + 60 if call is by_nutpie else limit)
    found = in_turn(contestants)
    ours = found["bayeszoo"]
    if isinstance(ours, str):
        return [_unmatched(problem.NAME, n, ours, name, found[name]) for name in peers], found
    return [line for name in peers for line in _compared(problem.NAME, n, ours, name, found[name])], found


def _unmatched(problem: str, n: int, ours: str, name: str, peer: dict[str, Any] | str) -> Row:
    """A row for when bayeszoo itself did not finish."""
    rate = peer if isinstance(peer, str) else f"{peer['ess'] / peer['first']:.3g}"
    return Row(
        problem, f"NUTS, {n:,} rows, min ESS/s, compilation counted; {name}", ours, rate, "", "not finished by us"
    )


def _best(call: Any, args: tuple, limit: float) -> dict[str, Any] | str:
    """With one thread and with two, if the first is cheap enough to try the other; the more effective draws a second.

    JAX is first given two, and the others, whose chains run side by side, one for the linear algebra of each.
    """
    first, second = (2, 1) if call in (by_numpyro, by_blackjax) else (1, 2)
    one = alone(call, *args, limit=limit, threads=first)
    if isinstance(one, str) or one["first"] > CHEAP:
        return one
    two = alone(call, *args, limit=limit, threads=second)
    return one if isinstance(two, str) else max(one, two, key=lambda run: run["ess"] / run["again"])


def _compared(problem: str, n: int, ours: dict[str, Any], name: str, peer: dict[str, Any] | str) -> list[Row]:
    if isinstance(peer, str):
        ratio = ""
        if peer.startswith("not within"):
            ratio = f"> {float(peer.split()[2]) / ours['first']:.3g}"
        return [Row(problem, f"NUTS, {n:,} rows, s with compilation; {name}", f"{ours['first']:.3g}", peer, ratio)]
    apart = float(np.max(np.abs(ours["mean"] - peer["mean"]) / np.hypot(ours["error"], peer["error"])))
    note = [f"means within {apart:.1f} MC errors" if apart < AGREE else f"DISAGREE by {apart:.1f} MC errors"]
    note += [peer["note"]] if "note" in peer else []
    note += [
        f"R-hat of {who} {run['rhat']:.3f}" for who, run in ((name, peer), ("bayeszoo", ours)) if run["rhat"] > 1.01
    ]
    lines = []
    for key, what in (
        ("again", "min ESS/s, compiled"),
        ("checked", "min ESS/s, compiled, R-hat and ESS of both counted"),
        ("first", "min ESS/s, compilation counted"),
    ):
        # The pass over the rows is no part of the time of a peer that is handed their statistics.
        without = key != "first" and "statistics" in name and "after the pass" in ours
        mine, theirs = ours["ess"] / ours["after the pass" if without else key], peer["ess"] / peer[key]
        ratio = f"{mine / theirs:.3g}" if apart < AGREE else "not counted"
        lines.append(
            Row(problem, f"NUTS, {n:,} rows, {what}; {name}", f"{mine:.3g}", f"{theirs:.3g}", ratio, "; ".join(note))
        )
    return lines
