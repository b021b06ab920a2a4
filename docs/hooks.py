"""What the site shows that is not under docs/: the README, notebooks that have run, and the rooms as installed."""

import base64
import html
import re
import shutil
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from run_notebook import HOME, NOTEBOOKS, kept, run

ROOMS = "models", "inference", "workflow"


@event_priority(100)  # before mkdocstrings looks for them
def on_config(config: MkDocsConfig) -> None:
    """Griffe goes by where sources are, and the rooms are ``bayeszoo.*`` only once they are installed."""
    for room in ROOMS:
        place = HOME / "build" / "api" / "bayeszoo" / room
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(HOME / room, place, ignore=shutil.ignore_patterns("__pycache__"))


def on_files(files: Files, config: MkDocsConfig) -> None:
    readme = (HOME / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=readme))
    for path in NOTEBOOKS:
        for name, content in pages(path).items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))


def pages(path: Path) -> dict[str, str | bytes]:
    """A notebook as Markdown, and its pictures, by file name; it runs if it did not since it was written."""
    if not kept(path).exists() or kept(path).stat().st_mtime < path.stat().st_mtime:
        run(path)
    text, pictures, headings = [], {}, [path.stem]
    for cell in nbformat.read(kept(path), as_version=4).cells:
        if cell.cell_type == "markdown":
            text.append(cell.source)
            headings += re.findall(r"^#+ (.*)", cell.source, re.MULTILINE)
            continue
        text.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            if "image/png" in output.get("data", ()):
                name = f"{path.stem}_{len(pictures) + 1}.png"
                pictures[name] = base64.b64decode(output.data["image/png"])
                text.append(f"![{headings[-1]}]({name})")
            elif output.get("name") != "stderr":  # where progress bars are
                said = output.text if output.output_type == "stream" else output.data["text/plain"]
                text.append(f"```text\n{said.rstrip()}\n```")
    return {f"{path.stem}.md": "\n\n".join(text), **pictures}


def on_page_content(content: str, **_: object) -> str:
    """Formulae as MathML, which a browser draws by itself."""
    return re.sub(r'<span class="arithmatex">\\\((.*?)\\\)</span>', mathml, content, flags=re.DOTALL)


def mathml(found: re.Match) -> str:
    """With gaps behind names of functions and semicolons, which MathML leaves to its author."""
    formula = convert(html.unescape(found[1]))
    return re.sub(r"(<mi>([a-z]{2,}|;)</mi>)", r'\1<mspace width="0.17em"/>', formula)
