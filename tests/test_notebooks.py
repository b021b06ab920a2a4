"""Every notebook runs from top to bottom within its time, its assertions included, and shows pictures."""

import ast
from pathlib import Path

import pytest
import run_notebook
from run_notebook import NOTEBOOKS, run


@pytest.mark.usefixtures("optimised")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    cells = [cell for cell in run(path).cells if cell.cell_type == "code"]
    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell.source))]
    assert any(isinstance(node, ast.Assert) for node in nodes)
    assert any("image/png" in output.get("data", ()) for cell in cells for output in cell.outputs)


def test_a_notebook_has_its_time(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text("# %%\nimport time\n\ntime.sleep(60)\n")
    monkeypatch.setitem(run_notebook.SECONDS, "slow", 3)
    monkeypatch.setattr(run_notebook, "HOME", tmp_path)
    with pytest.raises(TimeoutError, match=r"slow.py has 3 s to run in, and took longer"):
        run(Path(tmp_path / "slow.py"))
    assert not (tmp_path / "build").exists()
