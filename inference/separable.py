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
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, Literal
from numpyro import handlers

from ..models.spec import Spec
from .declare import Declared
from .joint import row_terms
from .structure import Structure, blank

NONE, ALL = -math.inf, math.inf  # degrees of what is not there, and of what is no polynomial


class Form(NamedTuple):
    """What a number is made of: a part of cells alone, of degree ``alone``, and one of products of cells and theta.

    theta: whether it is a function of theta and of categories (the levels of a cell that is looked up, or compared) and
    of nothing else, so that functions of it are, too.
    """

    alone: float
    mixed: float
    theta: bool = False


CONSTANT, CELL, THETA = Form(0, NONE), Form(1, NONE), Form(NONE, 0, True)
BY_CATEGORY = Form(NONE, ALL, True)

MOVES = {
    "reshape",
    "broadcast_in_dim",
    "squeeze",
    "expand_dims",
    "transpose",
    "slice",
    "rev",
    "neg",
    "copy",
    "stop_gradient",
    "concatenate",
    "stack",
    "split",
    "pad",
    "convert_element_type",
    "optimization_barrier",
}
SUMS = MOVES | {"add", "add_any", "sub", "reduce_sum", "cumsum"}
PRODUCTS = {"mul", "dot_general"}
CHOOSES = {  # of operands: the values that are chosen from, or written, and what says where
    "select_n": lambda of: (of[1:], of[:1]),
    "gather": lambda of: (of[:1], of[1:]),
    "dynamic_slice": lambda of: (of[:1], of[1:]),
    "scatter": lambda of: ([of[0], of[2]], of[1:2]),
    "scatter-add": lambda of: ([of[0], of[2]], of[1:2]),
    "dynamic_update_slice": lambda of: (of[:2], of[2:]),
}
ANALYTIC = {"exp", "exp2", "expm1", "log", "log1p", "sqrt", "rsqrt", "cbrt", "pow", "logistic", "tanh", "sin", "cos"}
ANALYTIC |= {
    "lgamma",
    "digamma",
    "erf",
    "erfc",
    "erf_inv",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "div",
    "integer_pow",
    "square",
}
LOGS = {"xlogy", "xlog1py"}  # x log y, though written with a branch at x = 0
CALLS = {"jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint"}


@dataclass(eq=False)
class Node:
    """A value of the program: its shape, what it is made of (None: of no form), and how, or which constant it is."""

    aval: Any
    form: Form | None
    constant: Any = None
    made: tuple[Any, Sequence["Node"], int] | None = None
    start: int | None = field(default=None)  # where its free values are, of a function of theta that meets a row


@dataclass(frozen=True)
class Visible:
    """What a log-likelihood sees of a row.

    degree: of the polynomial in its cells, ALL where it is none. crossed: whether there are products of two cells.
    masked: whether it is told which cells are missing. size: how many free values stand for the functions of theta.
    free: log-likelihood of a row, ``free(u, spec, x, seen, y)``, where these are u, which are positive.
    """

    degree: float
    crossed: bool
    masked: bool
    size: int
    free: Callable[[Array, Spec, Array, Array | None, Array], Array]


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

    def row(values: dict, spec: Spec, x: Array, seen: Array | None, y: Array) -> Array:
        return sum(row_terms(model, handlers.substitute(data=values), spec, x, seen, y).values())

    cells = np.zeros(features), seen, y
    forms = [*[THETA] * len(values), *[CONSTANT] * len(jax.tree.leaves(spec)), CELL]
    forms += [CELL if missing == "by row" else CONSTANT] if missing else []
    forms += [CONSTANT if shape.classes else CELL]
    program = jax.make_jaxpr(row)(values, spec, *cells)
    inputs = [Node(var.aval, form) for var, form in zip(program.jaxpr.invars, forms, strict=True)]
    (out,) = _inlined(program, inputs)
    if out.form is None:
        return None
    size = _place_free(out)

    def free(u: Array, *given: Any) -> Array:
        leaves = zip(inputs[len(values) :], jax.tree.leaves(given), strict=True)
        return _evaluated(out, {id(node): leaf for node, leaf in leaves}, u)

    crossed = 1 < out.form.mixed < ALL and _crossed(free, spec, size, cells, shape.classes)
    return Visible(out.form.mixed, crossed, bool(missing), size, free)


def _crossed(free: Callable, spec: Spec, size: int, cells: tuple, classes: int | None) -> bool:
    """Whether a polynomial of degree two has products of two cells: its second derivatives are the same everywhere."""
    u, x, seen = some_values(size), np.linspace(0.3, 1.7, len(cells[0])), cells[1]

    def second(k: int) -> Array:
        if classes:
            return jax.hessian(lambda x: free(u, spec, x, seen, k))(x)
        return jax.hessian(lambda both: free(u, spec, both[:-1], seen, both[-1]))(np.append(x, 0.3))

    found = jax.jit(jax.vmap(second))(np.arange(classes or 1))
    off = np.asarray(found) * (1 - np.eye(found.shape[-1]))
    return bool(np.any(np.abs(off) > 1e-12 * np.abs(found).max()))


def some_values(*shape: int) -> np.ndarray:
    """Free values, at random: positive, as some go through logarithms or are divided by, and about as large."""
    return 0.5 + 1.5 * np.random.default_rng(0).random(shape)


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
            if _called(equation) in LOGS and operands[1].form == THETA:
                operands[1] = Node(operands[1].aval, THETA)  # the logarithm, which is free
            forms = [node.form for node in operands]
            form = None if None in forms else _form(equation, forms, operands)
            made = [Node(var.aval, form, None, (equation, operands, i)) for i, var in enumerate(equation.outvars)]
        known |= dict(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in program.jaxpr.outvars]


def _called(equation: Any) -> str:
    """The name of the function with derivatives of its own that is called, as 'xlogy'."""
    program = equation.params.get("call_jaxpr")
    info = getattr(getattr(program, "jaxpr", None), "debug_info", None)
    return str(getattr(info, "func_name", "")) if equation.primitive.name == "custom_jvp_call" else ""


def _form(equation: Any, forms: list[Form], operands: list[Node]) -> Form | None:
    """What an operation makes of its operands; None where it is of no form."""
    name, several = equation.primitive.name, [form for form in forms if form != CONSTANT]
    if not several:
        return CONSTANT
    if all(form.theta and form.mixed == 0 for form in several):
        return THETA
    if all(form.mixed == NONE for form in forms):
        return _of_cells(equation, forms)
    theta = all(form.theta or form == CONSTANT for form in forms)
    if name == "convert_element_type" and not jnp.issubdtype(equation.params["new_dtype"], jnp.floating):
        return None
    if name in SUMS:
        return _sum(forms)._replace(theta=theta)
    if name in PRODUCTS:
        return _product(*forms)._replace(theta=theta)
    if name in ("integer_pow", "square") and not theta:
        power = equation.params.get("y", 2)
        return None if power < 0 else _power(forms[0], power)
    if name == "div" and (forms[1].theta or forms[1].mixed == NONE) and not theta:
        below = forms[1] if forms[1] == CONSTANT or forms[1].theta else Form(ALL, NONE)
        return _product(forms[0], below)
    if _called(equation) in LOGS:
        return _product(forms[0], THETA) if forms[0].mixed == NONE and forms[1] == THETA else None
    if name in CHOOSES:
        return _chosen(name, forms, operands, theta)
    if name == "triangular_solve" and (forms[0].theta or forms[0] == CONSTANT) and forms[0].mixed <= 0:
        return _product(*forms)
    return BY_CATEGORY if theta and name in ANALYTIC else None


def _of_cells(equation: Any, forms: list[Form]) -> Form:
    """What an operation makes of cells alone: anything, and a polynomial where it is a sum or a product."""
    name = equation.primitive.name
    floating = all(jnp.issubdtype(var.aval.dtype, jnp.floating) for var in equation.outvars)
    if floating and name in SUMS:
        return _sum(forms)
    if floating and name in PRODUCTS:
        return _product(*forms)
    if floating and name in ("integer_pow", "square") and equation.params.get("y", 2) >= 0:
        return _power(forms[0], equation.params.get("y", 2))
    if floating and name == "div" and forms[1] == CONSTANT:
        return forms[0]
    if floating and name in CHOOSES:
        cases, places = CHOOSES[name](forms)
        return _sum(cases) if all(form == CONSTANT for form in places) else Form(ALL, NONE)
    return Form(ALL, NONE)


def _chosen(name: str, forms: list[Form], operands: list[Node], theta: bool) -> Form | None:
    """Of values that are chosen, or written, at places: these may look at cells, and theta may choose one of two."""
    cases, places = CHOOSES[name](forms)
    if name == "select_n":
        if places[0].mixed == NONE and _possible(operands):
            return _possible(operands).form
        if places[0].theta:
            two = places[0].mixed == 0 and operands[0].aval.dtype == bool
            return _product(THETA, _sum(cases)) if two else None
    if any(place.mixed != NONE for place in places):
        return None
    total = _sum(cases)
    if all(place == CONSTANT for place in places):
        return total._replace(theta=theta)
    degrees = (NONE if degree == NONE else ALL for degree in total[:2])
    return Form(*degrees, all(case.theta or case == CONSTANT for case in cases))


def _possible(operands: list[Node]) -> Node | None:
    """Of two values to choose from, the one that is a number, where the other is that of a row outside the support.

    No such row comes to a fit: all are refused, by name, before it.
    """
    if len(operands) != 3:
        return None
    for one, other in (operands[1:], operands[:0:-1]):
        if _is_no_number(other):
            return one
    return None


def _is_no_number(node: Node) -> bool:
    if node.form != CONSTANT or node.made is None:
        return node.constant is not None and not np.any(np.isfinite(np.asarray(node.constant)))
    return node.made[0].primitive.name in MOVES and all(_is_no_number(one) for one in node.made[1])


def _sum(forms: Sequence[Form]) -> Form:
    return Form(max(form.alone for form in forms), max(form.mixed for form in forms))


def _product(one: Form, other: Form) -> Form:
    mixed = max(_plus(one.mixed, other.mixed), _plus(one.mixed, other.alone), _plus(one.alone, other.mixed))
    return Form(_plus(one.alone, other.alone), mixed)


def _power(form: Form, power: int) -> Form:
    result = CONSTANT
    for _ in range(power):
        result = _product(result, form)
    return result


def _plus(a: float, b: float) -> float:
    return NONE if NONE in (a, b) else a + b


def _is_free(node: Node) -> bool:
    """Whether a function of theta has values of its own, and is no function of theta moved about."""
    if node.form is None or not node.form.theta or node.form.mixed != 0:
        return False
    if node.made is None or node.made[0].primitive.name not in MOVES:
        return True
    return not all(jnp.issubdtype(one.aval.dtype, jnp.floating) for one in node.made[1])


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


def _evaluated(out: Node, known: dict[int, Array], u: Array) -> Array:
    values: dict[int, Any] = dict(known)
    for node in _needed(out):
        if id(node) in values:
            continue
        if node.start is not None:
            values[id(node)] = u[node.start : node.start + math.prod(node.aval.shape)].reshape(node.aval.shape)
        elif node.made is None:
            values[id(node)] = node.constant
        else:
            equation, operands, place = node.made
            only = _possible(operands) if equation.primitive.name == "select_n" else None
            if only is not None and operands[0].form.mixed == NONE:
                values[id(node)] = jnp.broadcast_to(values[id(only)], node.aval.shape)
                continue
            made = _applied(equation, operands, [values[id(operand)] for operand in operands])
            values[id(node)] = made[place] if equation.primitive.multiple_results else made
    return values[id(out)]


def _applied(equation: Any, operands: list[Node], values: list[Any]) -> Any:
    """An operation on values, of which those of theta are free."""
    name = equation.primitive.name
    if _called(equation) in LOGS and operands[1].form == THETA:
        return [values[0] * values[1]]
    if name == "select_n" and operands[0].form.theta:  # in shares, as if both branches were taken
        return values[1] + values[0] * (values[2] - values[1])
    if name == "triangular_solve" and operands[0].form.theta:  # the inverse is free
        inverse = values[0] / operands[0].aval.shape[-1]
        return inverse @ values[1] if equation.params["left_side"] else values[1] @ inverse
    return equation.primitive.bind(*values, **equation.params)
