"""No public name is missing from the documentation's API pages, and no page has one twice."""

import re
from pathlib import Path
from types import ModuleType

from bayeszoo import inference, models
from bayeszoo.workflow import plots

PAGES = Path(__file__).parents[1] / "docs" / "api"


def test_every_public_name_is_on_one_api_page():
    told = [name for page in PAGES.glob("*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)]
    public = {
        name
        for room in (models, inference)
        for name, value in vars(room).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    pictures = {name for name in vars(plots) if name.startswith("plot_")}
    missing = (public | pictures) - {name.rpartition(".")[2] for name in told}
    assert missing == set()
    assert len(told) == len(set(told))
