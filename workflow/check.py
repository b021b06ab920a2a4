"""Whether fitters are calibrated: uniformity of ranks over simulations, as numbers, a verdict and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

FALSE_ALARM = 0.01  # chance that a right fitter is called wrong, over all its quantities
BAND = 0.95  # chance that all of a uniform distribution function is inside its band
SHOWN = 12  # panels of the picture: the quantities that deviate most


@dataclass(frozen=True)
class Verdict:
    """Of one quantity by one fitter. p: how probable ranks at least as uneven are where the fitter is right."""

    fitter: str
    quantity: str
    p: float
    passed: bool


def verdicts(ranks: Mapping[str, Mapping[str, np.ndarray]]) -> list[Verdict]:
    """A test of uniformity for each quantity of each fitter, FALSE_ALARM shared out among a fitter's (Bonferroni).

    ranks: what ``bayeszoo.inference.calibrate`` returns. The test is ArviZ's of order statistics (pot_c).
    """
    from arviz_stats.base import array_stats

    found = []
    for fitter, several in ranks.items():
        for quantity, pit in several.items():
            p = float(array_stats.uniformity_test(inside(pit))[0])
            found.append(Verdict(fitter, quantity, p, p > FALSE_ALARM / len(several)))
    return found


def plot_calibration(ranks: Mapping[str, np.ndarray], title: str) -> Figure:
    """How far the distribution function of each quantity's ranks is from the uniform one, suspicious ranks marked.

    One fitter's, with the p of ArviZ's test, and the band that holds all of a right fitter's in 95 of 100 cases
    (Säilynoja, Bürkner and Vehtari 2022); the quantities that deviate most, SHOWN of them.
    """
    from arviz_plots import plot_ecdf_pit
    from arviz_stats.ecdf_utils import ecdf_pit

    names = sorted(ranks, key=lambda name: -_deviation(ranks[name]))[:SHOWN]
    data = xr.Dataset({name: (("chain", "draw"), inside(ranks[name])[None]) for name in names})
    tree = xr.DataTree.from_dict({"prior_sbc": data})
    shown = plot_ecdf_pit(tree, method="pot_c", backend="matplotlib")
    figure = shown.viz["figure"].item()
    count = len(ranks[names[0]])
    at, _, low, high = ecdf_pit(np.linspace(0, 1, count), BAND, 1000, rng=np.random.default_rng(0))
    for axis, _ in zip(figure.axes, names, strict=False):
        axis.fill_between(at, low - at, high - at, color="C0", alpha=0.15, lw=0, label="band")
    figure.suptitle(title)
    return figure


def inside(pit: np.ndarray) -> np.ndarray:
    """Ranks of exactly 0 or 1 moved inside: ArviZ leaves them out."""
    return np.clip(pit, 1e-12, 1 - 1e-12)


def _deviation(pit: np.ndarray) -> float:
    return float(np.abs(np.sort(pit) - np.arange(1, len(pit) + 1) / len(pit)).max())


def save_calibration(ranks: Mapping[str, Mapping[str, np.ndarray]], model: str, folder: Path) -> list[Path]:
    """Write a picture of each fitter to the folder; the files."""
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for fitter, several in ranks.items():
        figure = plot_calibration(several, f"{model} by {fitter}")
        written.append(folder / f"{fitter}.png")
        figure.savefig(written[-1], dpi=80, bbox_inches="tight")
        plt.close(figure)
    return written
