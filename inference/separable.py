"""What of a row a log-likelihood can see, read off its program: a proof, where points of parameters only try.

log P(row | theta) = sum_j c_j(theta) F_j(row) + F_0(row) sees of many rows the sums of their features F_j alone.
Whether it is such a sum, and whether the F_j are polynomials in the row's cells, is told by each operation of its
program: sums and products keep the form, functions of theta alone may be anything, and what takes a row and theta
through another function, as log(1 + (y - theta)^2), a comparison or tanh do, has no such form.

The features are all seen where every function of theta is given values of its own at random, as if they were free:
branches that theta decides are all taken, in random shares, and no scale of a prior hides one.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax import Array
from jax.extend.core import ClosedJaxpr, Literal
from numpyro import handlers

from ..models.spec import Spec
from .declare import Declared
from .forms import (
    ALL,
    BY_CATEGORY,
    CELL,
    CHOOSES,
    CONSTANT,
    ENTRYWISE,
    MOVES,
    NONE,
    SUMS,
    THETA,
    Form,
    form_of,
    is_theta,
    product,
)
from .joint import row_terms
from .structure import Structure, blank

LOGS = {"xlogy", "xlog1py"}  # x log y, though written with a branch at x = 0
CALLS = {"jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint"}


@dataclass(eq=False)
class Node:
    """A value of the program: its shape, what it is made of (None: of no form), and how, or which constant it is.

    made: the operation, or None for some function of theta and categories, its operands, and which of its results.
    guarded: whether a case was left out in which it is no number.
    """

    aval: Any
    form: Form | None
    constant: Any = None
    made: tuple[Any, Sequence["Node"], int] | None = None
    guarded: bool = False
    start: int | None = None  # where its free values are, of a function of theta that meets a row


@dataclass(frozen=True)
class Visible:
    """What a log-likelihood sees of a row.

    degree: of the polynomial in its cells, ALL where it is none.
    masked: whether it is told which cells are missing. alone: the degree of what does not depend on theta. guarded:
    whether some rows inside the supports that it declares are none to it, too. size: how many free values stand for the
    functions of theta.
    free: log-likelihood of a row, ``free(u, spec, x, seen, y)``, where these are u, which are positive; without
    ``guards``, of one outside the support, too.
    """

    degree: float
    masked: bool
    alone: float
    guarded: bool
    size: int
    free: Callable[..., Array]


@lru_cache(maxsize=256)
def visible(
    model: Declared, shape: Structure, features: int, classes: int, kinds: tuple[int, ...], missing: str = ""
) -> Visible | None:
    """What the model's log-likelihood sees of a row whose label is known; None where it is no sum of products.

    missing: "" where no cell is; "by group" or "by row": whether rows that are summed have the same cells.
    Runs in float64.
    """
    spec = blank(features, classes, kinds)
    values = {name: np.ones(site.shape) for name, site in shape.sites}
    y = np.zeros((), int) if shape.classes else np.zeros(())
    seen = np.ones(features, dtype=bool) if missing else None

    cells = np.zeros(features), seen, y
    forms = [*[THETA] * len(values), *[CONSTANT] * len(jax.tree.leaves(spec)), CELL]
    forms += [CELL if missing == "by row" else CONSTANT] if missing else []
    forms += [CONSTANT if shape.classes else CELL]

    def read() -> tuple[list[Node], Node]:
        def row(values: dict, spec: Spec, x: Array, seen: Array | None, y: Array) -> Array:
            return sum(row_terms(model, handlers.substitute(data=values), spec, x, seen, y).values())

        program = jax.make_jaxpr(row)(values, spec, *cells)
        inputs = [Node(var.aval, form) for var, form in zip(program.jaxpr.invars, forms, strict=True)]
        return inputs, _inlined(program, inputs)[0]

    inputs, out = read()
    if out.form is None:
        return None
    with numpyro.validation_enabled(False):
        guarded = read()[1].guarded
    size = _place_free(out)

    def free(u: Array, *given: Any, guards: bool = True) -> Array:
        leaves = zip(inputs[len(values) :], jax.tree.leaves(given), strict=True)
        return _evaluated(out, {id(node): leaf for node, leaf in leaves}, u, guards)

    return Visible(out.form.mixed, bool(missing), out.form.alone, guarded, size, free)


def crossed(view: Visible, spec: Spec, classes: int | None) -> bool:
    """Whether a polynomial of degree two has products of two cells: its second derivatives are the same everywhere.

    spec: the table's own, as a model may look at that.
    """
    mask = jnp.ones(spec.features, dtype=bool) if view.masked else None
    found = np.asarray(_second_derivatives(some_values(1, view.size)[0], spec, mask, free=view.free, classes=classes))
    return not np.all(found[:, ~np.eye(found.shape[-1], dtype=bool)] == 0)  # what is no number counts as some


@partial(jax.jit, static_argnames=("free", "classes"))
def _second_derivatives(u: Array, spec: Spec, mask: Array | None, *, free: Callable, classes: int | None) -> Array:
    """By the cells of a row, of each label, (label, cell, cell)."""
    x = spec.loc + spec.scale * jnp.linspace(0.3, 1.7, spec.features)
    y = spec.y_loc + 0.7 * spec.y_scale
    if classes:
        return jax.vmap(lambda k: jax.hessian(lambda x: free(u, spec, x, mask, k, guards=False))(x))(
            jnp.arange(classes)
        )
    return jax.hessian(lambda both: free(u, spec, both[:-1], mask, both[-1], guards=False))(jnp.append(x, y))[None]


def some_values(points: int, size: int, *, scales: float = 0.0) -> np.ndarray:
    """Free values at random, (points, size): positive, and about as large, or each of a scale within 10^+-scales.

    What is small beside other parts of a likelihood where all are as large may be large where they are not.
    """
    rng = np.random.default_rng(int(scales))
    values = 0.5 + 1.5 * rng.random((points, size))
    return values * 10.0 ** rng.uniform(-scales, scales, size=values.shape)


def _inlined(program: ClosedJaxpr, inputs: Sequence[Node]) -> list[Node]:
    """The outputs of a program, whose calls of others are written out."""
    known: dict[Any, Node] = dict(zip(program.jaxpr.invars, inputs, strict=True))
    known |= {v: Node(v.aval, CONSTANT, c) for v, c in zip(program.jaxpr.constvars, program.consts, strict=True)}

    def read(atom: Any) -> Node:
        return Node(atom.aval, CONSTANT, atom.val) if isinstance(atom, Literal) else known[atom]

    for equation in program.jaxpr.eqns:
        operands, name = [read(atom) for atom in equation.invars], equation.primitive.name
        inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        if name in CALLS and inner is not None and _called(equation) not in LOGS:
            made = _inlined(inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ()), operands)
        else:
            if _called(equation) in LOGS:
                operands[1] = _logarithm(operands[1])
            if name == "triangular_solve" and operands[0].form == THETA:
                operands[0] = Node(operands[0].aval, THETA)  # the inverse, of which all entries are free
            made = _made(equation, operands)
        known |= dict(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in program.jaxpr.outvars]


def _logarithm(node: Node) -> Node:
    """A node of log y: some function of theta, and of categories, where y is."""
    if node.form is None or not node.form.theta:
        return node
    return Node(node.aval, THETA) if is_theta(node.form) else Node(node.aval, BY_CATEGORY, None, (None, [node], 0))


def _made(equation: Any, operands: list[Node]) -> list[Node]:
    """The results of an operation."""
    name, forms = equation.primitive.name, [node.form for node in operands]
    if None in forms:
        return [Node(var.aval, None) for var in equation.outvars]
    only = _possible(operands) if name == "select_n" else None
    if only is not None:
        return [Node(var.aval, only.form, None, (equation, operands, 0), True) for var in equation.outvars]
    guarded = any(node.guarded for node in operands)
    form, logarithm = None, _called(equation)
    if logarithm in LOGS:
        form = _form_of_logarithms(forms, logarithm)
    elif not guarded or _adds_up(name, operands):
        form = form_of(equation, forms, [node.aval.dtype for node in operands])
    if form not in (None, CONSTANT, THETA) and not _is_continuous(equation, operands, form):
        form = None
    return [Node(var.aval, form, None, (equation, operands, i), guarded) for i, var in enumerate(equation.outvars)]


def _is_continuous(equation: Any, operands: list[Node], form: Form) -> bool:
    """Whether theta goes on in real numbers: whole numbers and truth values of theta have no free values.

    But for one that chooses, and for truth values by category, which may be any share.
    """
    name = equation.primitive.name
    floating = all(jnp.issubdtype(var.aval.dtype, jnp.floating) for var in equation.outvars)
    if form == BY_CATEGORY and name in ENTRYWISE:
        return floating or all(var.aval.dtype == np.bool_ for var in equation.outvars)
    chooses = name == "select_n" and operands[0].form.theta
    whole = [node for node in operands[chooses:] if node.form.theta and not _is_real(node)]
    if name == "convert_element_type" and form == BY_CATEGORY:
        return floating
    return not whole and (form.mixed == NONE or floating)


def _is_real(node: Node) -> bool:
    return jnp.issubdtype(node.aval.dtype, jnp.floating)


def _form_of_logarithms(forms: list[Form], name: str) -> Form | None:
    """Of x log y, with log y in place of y where that is a function of theta, and of categories."""
    if all(form == CONSTANT or is_theta(form) for form in forms):
        return CONSTANT if all(form == CONSTANT for form in forms) else THETA
    if forms[0].mixed != NONE:
        return None
    if forms[1].single and name == "xlogy":  # log y is a function of theta, or of categories, and one of cells
        return product(forms[0], Form(ALL, 0 if forms[1].mixed < ALL else ALL))
    return product(*forms) if forms[1].theta else None


def _adds_up(name: str, operands: list[Node]) -> bool:
    """Whether a part of a row's log-likelihood goes on to be one."""
    if name == "mul":  # by a weight
        return any(node.form == CONSTANT for node in operands)
    places = CHOOSES[name](operands)[1] if name in CHOOSES else []
    chosen = name in CHOOSES and not any(node.guarded or node.form.theta for node in places)
    return name in SUMS or chosen


def _called(equation: Any) -> str:
    """The name of the function of JAX's with derivatives of its own that is called, as 'xlogy'."""
    if equation.primitive.name != "custom_jvp_call":
        return ""
    info = getattr(getattr(equation.params["call_jaxpr"], "jaxpr", None), "debug_info", None)
    name, _, where = str(getattr(info, "func_src_info", "")).partition(" at ")
    return name if "scipy/special" in where.replace("\\", "/") else ""


def _possible(operands: list[Node]) -> Node | None:
    """Of two values that a cell chooses, the one that is a number: the other is that of a row outside the support.

    Rows outside a support that ``support`` knows are refused, by name, before a fit; others are where rows are looked
    at. What is left must go on to be added up.
    """
    if len(operands) != 3 or operands[0].form in (None, CONSTANT) or operands[0].form.mixed != NONE:
        return None
    for one, other in (operands[1:], operands[:0:-1]):
        if _is_no_number(other):
            return one
    return None


def _is_no_number(node: Node) -> bool:
    if node.form != CONSTANT or node.made is None:
        return node.constant is not None and not np.any(np.isfinite(np.asarray(node.constant)))
    return node.made[0].primitive.name in MOVES and all(_is_no_number(one) for one in node.made[1])


def _is_free(node: Node) -> bool:
    """Whether a function of theta has values of its own, and is no function of theta moved about."""
    if node.form is None or not is_theta(node.form) or node.guarded:  # a guard looks at the row
        return False
    if node.made is None or node.made[0].primitive.name not in MOVES:
        return True
    return not all(map(_is_real, [node, *node.made[1]]))


def _needed(node: Node) -> Iterator[Node]:
    """What a value is made of, itself last, each once; of a free one, nothing."""
    seen: set[int] = set()
    waiting = [(node, False)]
    while waiting:
        one, ready = waiting.pop()
        if ready:
            yield one
        elif id(one) not in seen:
            seen.add(id(one))
            waiting.append((one, True))
            if one.made is not None and not _is_free(one):
                waiting += [(operand, False) for operand in one.made[1]]


def _place_free(out: Node) -> int:
    """Give each free value its place among all; how many there are."""
    size = 0
    for node in _needed(out):
        if _is_free(node):
            node.start, size = size, size + math.prod(node.aval.shape)
    return size


def _evaluated(out: Node, known: dict[int, Array], u: Array, guards: bool) -> Array:
    values: dict[int, Any] = dict(known)
    for node in _needed(out):
        if id(node) in values:
            continue
        if node.start is not None:
            own = u[node.start : node.start + math.prod(node.aval.shape)].reshape(node.aval.shape)
            values[id(node)] = own.astype(node.aval.dtype) if _is_real(node) else own
        elif node.made is None:
            values[id(node)] = node.constant
        else:
            equation, operands, place = node.made
            parts = [values[id(operand)] for operand in operands]
            only = _possible(operands) if equation is not None and equation.primitive.name == "select_n" else None
            if only is not None and not guards:
                values[id(node)] = jnp.broadcast_to(values[id(only)], node.aval.shape)
            elif equation is None or (node.form == BY_CATEGORY and equation.primitive.name in ENTRYWISE):
                share = _some_function(len(values), parts)
                values[id(node)] = share.astype(node.aval.dtype) if _is_real(node) else share
            else:
                made = _applied(equation, operands, parts)
                values[id(node)] = made[place] if equation.primitive.multiple_results else made
    return values[id(out)]


def _some_function(number: int, parts: list[Any]) -> Array:
    """A smooth function of values by category, which no two share, in (0, 1): whatever is done to these, all may be."""
    a, b = np.random.default_rng(number).uniform(1, 2, size=2)
    return 0.5 + 0.4 * jnp.sin(b + sum(a ** (i + 1) * part for i, part in enumerate(parts)))


def _applied(equation: Any, operands: list[Node], values: list[Any]) -> Any:
    """An operation on values, of which those of theta are free."""
    name = equation.primitive.name
    if _called(equation) in LOGS:
        function = getattr(jax.scipy.special, _called(equation))
        return [values[0] * values[1] if operands[1].form.theta else function(*values)]
    if name == "stop_gradient":  # derivatives by cells are looked at
        return values[0]
    if name == "select_n" and operands[0].form.theta:  # in shares, as if both branches were taken
        return values[1] + values[0] * (values[2] - values[1])
    if name == "triangular_solve" and operands[0].form.theta:
        inverse = values[0] / operands[0].aval.shape[-1]
        return inverse @ values[1] if equation.params["left_side"] else values[1] @ inverse
    return equation.primitive.bind(*values, **equation.params)
