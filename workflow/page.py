"""The pieces of a page: text, code, checks, tables and pictures."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from .plots import figure_of


@dataclass(frozen=True)
class Part:
    """A piece of a section: text, a formula (of HTML), code, checks, a table, or a picture with what it shows."""

    heading: str = ""
    text: str = ""
    formula: str = ""
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
    shown = figure_of(figure)
    box = "tight" if shown.get_layout_engine() is None else None  # what is laid out already is drawn once, not twice
    shown.savefig(file, dpi=80, bbox_inches=box, facecolor="white")
    plt.close("all")
    return Part(heading, image=base64.b64encode(file.getvalue()).decode(), alt=alt, caption=caption)
