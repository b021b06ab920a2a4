"""What a page is made from, and its pieces: text, code, checks, tables and pictures."""

import base64
import io
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

from ..inference.decisions import label_uncertainty
from .left_out import own_label_posterior
from .plots import figure_of

if TYPE_CHECKING:
    from ..inference.fit import Fit


@dataclass(frozen=True)
class Case:
    """What sections look at: a fit, its ``to_arviz()``, and what several of them need, worked out once."""

    fit: "Fit"
    tree: xr.DataTree

    @cached_property
    def label_posterior(self) -> tuple[np.ndarray, str]:
        """Of ``own_label_posterior``."""
        return own_label_posterior(self.fit, self.tree)

    @cached_property
    def unsure(self) -> xr.Dataset:
        """``label_uncertainty`` of the fit's rows."""
        return label_uncertainty(self.fit, self.fit.x)

    @property
    def answers_x(self) -> bool:
        """Whether the model answers P(x)."""
        return self.fit.shape.generative and bool(self.fit.shape.classes or not self.fit.shape.has_y)

    @property
    def known(self) -> np.ndarray:
        """Which rows have a label that is known."""
        labelled = self.fit.shape.has_y and self.fit.shape.classes
        return self.fit.y >= 0 if labelled else np.zeros(len(self.fit.x), dtype=bool)


@dataclass(frozen=True)
class Part:
    """A piece of a section: text, code, checks, a table, or a picture with what it shows."""

    heading: str = ""
    text: str = ""
    code: str = ""
    checks: Any = ()
    frame: pd.DataFrame | None = None
    image: str = ""
    alt: str = ""
    caption: str = ""

    @property
    def table(self) -> Any:
        if self.frame is None:
            return None
        cells = self.frame.map(_cell)
        return {"columns": list(cells), "rows": [list(row.items()) for _, row in cells.iterrows()]}

    @property
    def numbers(self) -> list[str]:
        return [] if self.frame is None else [n for n in self.frame if pd.api.types.is_numeric_dtype(self.frame[n])]


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def picture(figure: Any, alt: str, caption: str, heading: str = "") -> Part:
    file = io.BytesIO()
    figure_of(figure).savefig(file, dpi=80, bbox_inches="tight", facecolor="white")
    plt.close("all")
    return Part(heading, image=base64.b64encode(file.getvalue()).decode(), alt=alt, caption=caption)
