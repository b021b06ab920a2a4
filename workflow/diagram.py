"""A model as a plate diagram, by NumPyro and Graphviz."""

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from ..inference.fit import Fit

ABSENT = (
    "Graphviz is not installed, so there is no diagram: install its program dot, and 'pip install "
    '"bayeszoo[diagram]"\' for the Python package graphviz, to see one.'
)


def diagram(fit: "Fit") -> bytes | str:
    """The diagram as a PNG, or a sentence where Graphviz is not there to draw it."""
    try:
        import graphviz  # noqa: F401
    except ImportError:
        return ABSENT
    if shutil.which("dot") is None:
        return ABSENT
    import numpyro

    with jax.enable_x64(True):
        x = jnp.asarray(np.tile(np.asarray(fit.spec.loc), (2, 1)))
        seen = fit.shape.has_y and not (fit.shape.classes and np.all(fit.y < 0))
        y = jnp.zeros(2, int if fit.shape.classes else float) if seen else None
        graph = numpyro.render_model(lambda: fit.model(x, y, replace(fit.spec, rows=2)))
    return graph.pipe(format="png")
