"""Formulae in docstrings, as books set them: Greek letters, indices below, powers above."""

import re
from html import escape

SMALL = "alpha beta gamma delta epsilon zeta eta theta lambda mu nu xi pi rho sigma tau phi chi psi omega"
LARGE = "Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"  # Gamma and Beta are distributions
SIGNS = dict(zip(SMALL.split(), "αβγδεζηθλμνξπρστφχψω", strict=True))
SIGNS |= dict(zip(LARGE.split(), "ΔΘΛΞΠΣΦΨΩ", strict=True)) | {"sum": "∑", "prod": "∏"}
SIGN = "|".join(SIGNS)
# A letter or sign with a short index, a word with letters for one, or what is in brackets with one.
BELOW = re.compile(
    rf"(?<![\w.])({SIGN}|[A-Za-z])_([aghijklmnw0-9]{{1,3}}|\([^()]*\))(?!\w)"
    r"|(?<![\w.])([A-Za-z]+)_([ghijkl]{1,3})(?!\w)|(?<=\))()_([hijkl])(?!\w)"
)
WORD = re.compile(rf"(?<![\w.])(?:({SIGN})(?=<sub>)|(?!sum|prod)({SIGN})(?![\w=]))")
ABOVE = re.compile(r"\^(\w(?:<sub>[^<]*</sub>)?|\([^()]*\))")
QUOTED = re.compile(r"``([^`]*)``")
PLAIN = {"&lt;=": "≤", "&gt;=": "≥", " ~ ": " ∼ "}


def formula(text: str) -> str:
    """A docstring as HTML: text is escaped, and names with short indices, Greek letters and powers are set.

    ``theta_kj^2`` becomes theta with kj below and 2 above; snake_case names stay, and what is in backquotes is code.
    """
    parts = QUOTED.split(escape(text, quote=False))
    return "".join(f"<code>{part}</code>" if i % 2 else _set(part) for i, part in enumerate(parts))


def _set(html: str) -> str:
    html = BELOW.sub(_below, html)
    html = WORD.sub(lambda found: SIGNS[found[1] or found[2]], html)
    html = ABOVE.sub(lambda found: f"<sup>{_bare(found[1])}</sup>", html)
    for plain, sign in PLAIN.items():
        html = html.replace(plain, sign)
    return html


def _below(found: re.Match) -> str:
    base, index = (found[i] or found[i + 2] or found[i + 4] or "" for i in (1, 2))
    return f"{base}<sub>{_bare(index)}</sub>"


def _bare(text: str) -> str:
    """Without the brackets around all of it."""
    return text[1:-1] if text.startswith("(") else text
