"""Every notebook runs from top to bottom within its time, its assertions included, and shows pictures."""

import pytest
from run_notebook import NOTEBOOKS, run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    cells = [cell for cell in run(path).cells if cell.cell_type == "code"]
    assert any("assert " in cell.source for cell in cells)
    assert any("image/png" in output.get("data", ()) for cell in cells for output in cell.outputs)
