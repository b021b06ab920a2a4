"""Run a notebook from top to bottom, within its time, and keep it with its output under build/notebooks/."""

import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

HOME = Path(__file__).parents[1]
NOTEBOOKS = sorted((HOME / "notebooks").glob("*.py"))
SECONDS = {  # of each notebook: some three times what it took on two cores that were busy with other things, too
    "digits": 300,
    "generative_or_discriminative": 600,
    "lecture": 300,
    "mixtures": 300,
    "penguins": 900,
    "your_own_model": 600,
}
STRICT = nbformat.v4.new_code_cell(  # as pytest has it in its own process; the kernel may warn of itself
    "import warnings\nwarnings.simplefilter('error')\nwarnings.filterwarnings('ignore', module='ipykernel')"
)


def kept(path: Path) -> Path:
    """Where the notebook is with its output, once it has run."""
    return HOME / "build" / "notebooks" / f"{path.stem}.ipynb"


def run(path: Path) -> nbformat.NotebookNode:
    """The notebook with its output; an error or warning in a cell is raised, as is TimeoutError after its SECONDS."""
    seconds = SECONDS[path.stem]
    notebook, end = jupytext.read(path), time.monotonic() + seconds
    notebook.cells.insert(0, STRICT)
    client = NotebookClient(notebook, timeout_func=lambda cell: max(end - time.monotonic(), 0.1), coalesce_streams=True)
    try:
        client.execute()
    except CellTimeoutError as error:
        raise TimeoutError(f"{path.name} has {seconds:g} s to run in, and took longer.") from error
    del notebook.cells[0]
    kept(path).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept(path))
    return notebook
