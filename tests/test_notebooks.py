"""Every notebook runs from top to bottom, its assertions included."""

from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: None)
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    assert any("assert " in cell.source for cell in cells)
    namespace = {}
    for cell in cells:
        exec(compile(cell.source, str(path), "exec"), namespace)
    assert plt.get_fignums()
    plt.close("all")
