"""Gaussian naive Bayes on 10^3 to 10^7 rows: point fit, posterior, and what either costs as rows are added."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bayeszoo.inference import summarise

from . import naive_bayes as problem
from .posteriors import race
from .race import Row, alone, interleaved
from .samplers import by_bayeszoo

NAME = problem.NAME
PLOT = Path(__file__).parent / "scaling.png"


def points(n: int, rounds: int) -> dict[str, float]:
    """Seconds of the point fits, in turn on the same rows, and of our pass over the rows where it is public."""
    from bayeszoo.inference import mle
    from sklearn.naive_bayes import GaussianNB

    x, y = problem.table(n)
    fits: dict[str, Any] = {}

    def kept(name: str, fit: Callable[[], Any]) -> Callable[[], None]:
        return lambda: fits.update({name: fit()})

    contestants = {
        "scikit-learn": kept("scikit-learn", lambda: GaussianNB().fit(x, y)),
        "mle": kept("mle", lambda: mle(problem.model(), x, y)),
    }
    contestants["pass"] = lambda: summarise(x, y, covariances=False)
    try:
        from pomegranate.bayes_classifier import BayesClassifier
        from pomegranate.distributions import Normal

        def classifier() -> Any:
            return BayesClassifier([Normal(covariance_type="diag") for _ in range(problem.LABELS)]).fit(x, y)

        contestants["pomegranate"] = kept("pomegranate", classifier)
    except ImportError:
        pass  # no part of the dependency group
    seconds = interleaved(contestants, rounds)
    ours, theirs = fits["mle"].flat_params["mu"][0], {"scikit-learn": fits["scikit-learn"].theta_}
    if "pomegranate" in fits:
        theirs["pomegranate"] = np.stack([normal.means.numpy() for normal in fits["pomegranate"].distributions])
    return seconds | {f"{name} apart": float(np.abs(ours - mean).max()) for name, mean in theirs.items()}


def measure(scale: str) -> list[Row]:
    sizes = (1_000, 10_000, 100_000) if scale == "quick" else (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    fits, chains = {}, {}
    for n in sizes:
        fits[n] = alone(points, n, 3)
        chains[n] = alone(by_bayeszoo, problem.table, problem.model, n)
    limits = (10_000, 60, 60) if scale == "quick" else (100_000, 45, 200)
    rows, found = race(problem, *limits)
    plot(fits, chains, limits[0], found)
    return [*_point_rows(fits), *_posterior_rows(fits, chains), *rows]


def _point_rows(fits: dict[int, dict[str, float] | str]) -> list[Row]:
    rows = []
    for n in (min(fits), max(fits)):
        seconds = fits[n]
        if isinstance(seconds, str):
            rows.append(Row(NAME, f"point fit, {n:,} rows", "", "", "", seconds))
            continue
        for mine in ("mle", "pass"):
            for peer in ("scikit-learn", "pomegranate"):
                what = f"{'point fit' if mine == 'mle' else 'pass over the rows'}, {n:,} rows, s; point fit of {peer}"
                if mine not in seconds or peer not in seconds:
                    rows.append(Row(NAME, what, "", "", "", "not installed"))
                    continue
                ratio = f"{seconds[peer] / seconds[mine]:.3g}"
                apart = seconds[f"{peer} apart"]
                note = f"means within {apart:.1g}" if apart < 1e-3 else f"means DIFFER by {apart:.1g}"
                ratio = ratio if apart < 1e-3 else "not counted"
                rows.append(Row(NAME, what, f"{seconds[mine]:.3g}", f"{seconds[peer]:.3g}", ratio, note))
    return rows


def _posterior_rows(fits: dict[int, Any], chains: dict[int, Any]) -> list[Row]:
    small, large = min(fits), max(fits)
    if any(isinstance(of[n], str) for of in (fits, chains) for n in (small, large)):
        return [Row(NAME, f"NUTS, {large:,} rows", "", "", "", str(chains[large])[:80])]
    most = 2 * fits[large]["scikit-learn"] + chains[small]["first"]
    spent = chains[large]["first"]
    rows = [
        Row(
            NAME,
            f"NUTS, {large:,} rows, compilation counted, s; two point fits of scikit-learn and our NUTS of {small:,}",
            f"{spent:.3g}",
            f"{most:.3g}",
            f"{most / spent:.3g}",
            chains[large]["compression"],
        )
    ]
    key = "after the pass"
    what = f"NUTS after the pass, s, of {large:,} rows; of {small:,} rows"
    one, other = chains[large][key], chains[small][key]
    note = "aim: a ratio above 1 / 1.2 = 0.83"
    return [*rows, Row(NAME, what, f"{one:.3g}", f"{other:.3g}", f"{other / one:.3g}", note)]


def plot(fits: dict[int, Any], chains: dict[int, Any], n: int, peers: dict[str, Any]) -> None:
    """Seconds against rows, both on log scales."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    lines = [
        (chains, "first", "bayeszoo, NUTS, compilation counted"),
        (chains, "again", "bayeszoo, NUTS, second call"),
        (chains, "after the pass", "bayeszoo, NUTS after the pass"),
        (fits, "mle", "bayeszoo, point fit"),
        (fits, "pass", "bayeszoo, pass over the rows"),
        (fits, "scikit-learn", "scikit-learn, point fit"),
        (fits, "pomegranate", "pomegranate, point fit"),
    ]
    for of, key, label in lines:
        there = {rows: of[rows][key] for rows in of if not isinstance(of[rows], str) and key in of[rows]}
        if there:
            axes.plot(there.keys(), there.values(), "s--" if "bayeszoo" not in label else "o-", label=label)
    for name, peer in peers.items():
        if name != "bayeszoo" and not isinstance(peer, str):
            axes.plot([n], [peer["again"]], "x", label=f"{name}, NUTS, compiled")
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds", title=f"{NAME}, 20 columns, 5 labels")
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    figure.savefig(PLOT, dpi=120)
