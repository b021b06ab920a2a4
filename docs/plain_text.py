"""Docstrings are plain text with formulae, so no Markdown may touch ``sum_k pi_k`` and ``P(x | y)``."""

import html
import re
from typing import Any

import griffe


class PlainText(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_html(obj.docstring.value)


def as_html(text: str) -> str:
    """Paragraphs, in which a short line ends where it ends in the docstring, and ``name: ...`` begins a line."""
    text = re.sub(r"(?<=.{85})\n(?!\s|[\w^]+(, \w+)*(:| ~) |Raises )", " ", html.escape(text, quote=False))
    text = re.sub(r"``(.+?)``", r"<code>\1</code>", text).replace("\n", "<br>")
    return "".join(f"<p>{paragraph}</p>" for paragraph in text.split("<br><br>"))
