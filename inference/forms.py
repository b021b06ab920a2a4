"""What an operation makes of a row's cells and of parameters: the rules by which a log-likelihood is read.

A value is a sum of products c(theta) F(cells), or of no such form. A category is what a cell says where it is looked
up or compared: values by category, as the mean of a level, are functions of theta for each level, and whatever is done
to these alone keeps them so.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

NONE, ALL = -math.inf, math.inf  # degrees of what is not there, and of what is no polynomial


class Form(NamedTuple):
    """Of a value: a part of cells alone, of degree ``alone``, and one of products of cells and theta, ``mixed``.

    theta: whether it is a function of theta, or of theta and categories. single: whether it is one product of such a
    function and one of cells, whose logarithm is their sum.
    """

    alone: float
    mixed: float
    theta: bool = False
    single: bool = False


CONSTANT, CELL, THETA = Form(0, NONE), Form(1, NONE), Form(NONE, 0, True)
BY_CATEGORY = Form(NONE, ALL, True)

MOVES = {"reshape", "broadcast_in_dim", "squeeze", "transpose", "slice", "rev", "neg", "copy"}
MOVES |= {"stop_gradient", "concatenate", "stack", "split", "pad", "convert_element_type", "optimization_barrier"}
SUMS = MOVES | {"add", "add_any", "sub", "reduce_sum", "cumsum"}
PRODUCTS = {"mul", "dot_general"}
POLYNOMIAL = "polynomial"  # of x, with coefficients a_0, a_1, ...
CHOOSES: dict[str, Callable[[list], tuple[list, list]]] = {  # of operands: the values, and what says which, or where
    "select_n": lambda of: (of[1:], of[:1]),
    "gather": lambda of: (of[:1], of[1:]),
    "dynamic_slice": lambda of: (of[:1], of[1:]),
    "scatter": lambda of: ([of[0], of[2]], of[1:2]),
    "scatter-add": lambda of: ([of[0], of[2]], of[1:2]),
    "dynamic_update_slice": lambda of: (of[:2], of[2:]),
}
# Entry by entry, so that of values by category they make values by category.
ENTRYWISE = {"exp", "exp2", "expm1", "log", "log1p", "sqrt", "rsqrt", "cbrt", "pow", "logistic", "tanh", "sin", "cos"}
ENTRYWISE |= {"lgamma", "digamma", "erf", "erfc", "erf_inv", "atan", "atan2", "sinh", "cosh", "asinh", "integer_pow"}
ENTRYWISE |= {"square", "div", "max", "min", "abs", "sign", "floor", "ceil", "round", "clamp", "rem", "is_finite"}
ENTRYWISE |= {"eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"}
POWERS = {"integer_pow", "square", "sqrt", "rsqrt", "cbrt"}  # of a product, the products of powers


def form_of(equation: Any, forms: list[Form], dtypes: list[Any]) -> Form | None:
    """What an operation makes of operands of these forms and types; None where it is of no form."""
    name, several = equation.primitive.name, [form for form in forms if form != CONSTANT]
    if not several:
        return CONSTANT
    if all(is_theta(form) for form in several):
        return THETA
    if name == "convert_element_type" and _loses(dtypes[0], equation.params["new_dtype"]):
        return Form(ALL, NONE) if forms[0].mixed == NONE else None
    if all(form.mixed == NONE for form in forms):
        return _of_cells(equation, forms)
    theta = all(form.theta or form == CONSTANT for form in forms)
    if name in SUMS:
        moved = name in MOVES and len(forms) == 1
        return total(forms)._replace(theta=theta, single=moved and forms[0].single)
    if name in PRODUCTS:
        return product(*forms)._replace(theta=theta, single=name == "mul" and not theta and all(map(_single, forms)))
    if name == POLYNOMIAL:
        return _horner(*forms)._replace(theta=theta)
    if theta and name in ENTRYWISE:
        return BY_CATEGORY
    if name in ("integer_pow", "square") and not forms[0].single:
        power = equation.params.get("y", 2)
        return None if power < 0 else _power(forms[0], power)
    if name in POWERS and forms[0].single:
        power = equation.params.get("y", 2) if name in ("integer_pow", "square") else -1
        return (_power(forms[0], power) if power >= 0 else Form(NONE, ALL))._replace(single=True)
    if name == "exp" and forms[0].mixed == 0:  # of a function of theta plus one of cells
        return Form(NONE, ALL, single=True)
    if name == "div" and _single(forms[1]):
        below = forms[1] if forms[1] == CONSTANT or forms[1].theta else Form(ALL, NONE)
        below = Form(NONE, ALL) if forms[1].single else below
        return product(forms[0], below)._replace(single=_single(forms[0]))
    if name == "log" and forms[0].single:
        return Form(ALL, ALL)
    if name in CHOOSES:
        return _chosen(name, forms, dtypes)
    if name == "triangular_solve" and (is_theta(forms[0]) or forms[0] == CONSTANT):
        return product(*forms)
    return None


def is_theta(form: Form) -> bool:
    """Whether it is a function of theta alone, without categories."""
    return form.theta and form.mixed == 0


def _single(form: Form) -> bool:
    return form == CONSTANT or form.theta or form.single or form.mixed == NONE


def _loses(old: Any, new: Any) -> bool:
    """Whether a conversion rounds: it is no sum then."""
    if not jnp.issubdtype(new, jnp.floating):
        return jnp.issubdtype(old, jnp.floating) or new == np.bool_
    return jnp.issubdtype(old, jnp.floating) and jnp.finfo(new).bits < jnp.finfo(old).bits


def _of_cells(equation: Any, forms: list[Form]) -> Form:
    """What an operation makes of cells alone: anything, and a polynomial where it is a sum or a product."""
    name = equation.primitive.name
    if not all(jnp.issubdtype(var.aval.dtype, jnp.floating) for var in equation.outvars):
        return Form(ALL, NONE)
    if name in SUMS:
        return total(forms)
    if name in PRODUCTS:
        return product(*forms)
    if name == POLYNOMIAL:
        return _horner(*forms)
    if name in ("integer_pow", "square") and equation.params.get("y", 2) >= 0:
        return _power(forms[0], equation.params.get("y", 2))
    if name == "div" and forms[1] == CONSTANT:
        return forms[0]
    if name in CHOOSES:
        cases, places = CHOOSES[name](forms)
        return total(cases) if all(form == CONSTANT for form in places) else Form(ALL, NONE)
    return Form(ALL, NONE)


def _chosen(name: str, forms: list[Form], dtypes: list[Any]) -> Form | None:
    """Of values that are chosen, or written, at places: these may look at cells, and theta may choose one of two."""
    cases, places = CHOOSES[name](forms)
    theta = all(case.theta or case == CONSTANT for case in cases)
    if name == "select_n" and places[0].theta:
        return product(places[0], total(cases))._replace(theta=theta) if dtypes[0] == np.bool_ else None
    if any(place.mixed != NONE for place in places):
        return None
    if all(place == CONSTANT for place in places):
        return total(cases)._replace(theta=theta)
    degrees = (NONE if degree == NONE else ALL for degree in total(cases)[:2])
    return Form(*degrees, theta)


def total(forms: Sequence[Form]) -> Form:
    return Form(max(form.alone for form in forms), max(form.mixed for form in forms))


def product(one: Form, other: Form) -> Form:
    mixed = max(_plus(one.mixed, other.mixed), _plus(one.mixed, other.alone), _plus(one.alone, other.mixed))
    return Form(_plus(one.alone, other.alone), mixed)


def _horner(x: Form, *coefficients: Form) -> Form:
    result = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        result = total([product(result, x), coefficient])
    return result


def _power(form: Form, power: int) -> Form:
    result = CONSTANT
    for _ in range(power):
        result = product(result, form)
    return result


def _plus(a: float, b: float) -> float:
    return NONE if NONE in (a, b) else a + b
