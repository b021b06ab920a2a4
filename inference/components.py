"""Components that a model sums out by itself, in an order that all draws share.

The lines of a mixture of regressions, the kinds of a label, the units of a network may be renamed as hidden labels may,
but there is no posterior of them to compare draws by. Each draw's are renamed by the assignment that brings their
parameters nearest to a pivot's (pivotal reordering: Marin, Mengersen and Robert 2005), each in units of its own spread.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.optimize import linear_sum_assignment

from .fit import Fit
from .priors import log_prior, with_params
from .queries import log_likelihood

ROWS = 200  # enough rows to tell components apart
ROUNDS = 10  # of assigning to the means of what was assigned before; it ends by itself, and earlier

Params = dict[str, np.ndarray]  # values of sites, each (draw, *shape)


def match_components(fit: Fit) -> Fit:
    """The fit with every draw's components in one order, and in ``renamed_draws`` how many draws had another.

    A dim is one of components if renaming along it, in all sites that have it, changes neither likelihood nor prior. If
    that holds for one entry of a dim beside it, as of labels that have kinds each, each entry is ordered for itself.
    Dims with names of the data are none. A model without components is returned as it came.
    """
    params, found, moved = fit.flat_params, False, np.zeros(fit.draws_shape[0] * fit.draws_shape[1], dtype=bool)
    for dim in _unnamed(fit):
        for beside in filter(partial(_exchangeable, fit, dim), _beside(fit, dim)):
            found, order = True, _order(_parts(fit, params, dim, beside))
            moved |= np.any(order != np.arange(order.shape[-1]), axis=(1, 2))
            params = _renamed(fit, params, dim, beside, order)
            break
    if not found:
        return fit
    told = {**fit.diagnostics, "renamed_draws": max(fit.diagnostics.get("renamed_draws", 0.0), float(moved.sum()))}
    return replace(with_params(fit, params) if moved.any() else fit, diagnostics=told)


def _unnamed(fit: Fit) -> list[str]:
    """Dims of several entries that the data do not name, once a site."""
    named = set(fit.posterior().coords) | {"label"}
    sizes: dict[str, set[int]] = {}
    for _, site in fit.shape.sites:
        for dim, size in zip(site.dims, site.shape, strict=True):
            sizes.setdefault(dim, set()).add(size if site.dims.count(dim) == 1 else 1)
    return [dim for dim, of in sizes.items() if dim not in named and len(of) == 1 and of != {1}]


def _beside(fit: Fit, dim: str) -> Iterator[str | None]:
    """Dims that all sites with ``dim`` have, too, and None."""
    several = [set(site.dims) for _, site in fit.shape.sites if dim in site.dims]
    yield from sorted(set.intersection(*several) - {dim})
    yield None


def _parts(fit: Fit, params: Params, dim: str, beside: str | None) -> Params:
    """Views of the sites that have ``dim``: (draw, entry of ``beside``, component, ...)."""
    found = {}
    for name, site in fit.shape.sites:
        if dim in site.dims:
            value, axis = params[name], 1 + site.dims.index(dim)
            found[name] = (
                np.moveaxis(value, axis, 1)[:, None]
                if beside is None
                else np.moveaxis(value, (1 + site.dims.index(beside), axis), (1, 2))
            )
    return found


def _renamed(fit: Fit, params: Params, dim: str, beside: str | None, order: np.ndarray) -> Params:
    """Parameters with component order[s, b, h] of draw s, at entry b of ``beside``, as its component h."""
    params = {name: value.copy() for name, value in params.items()}
    for view in _parts(fit, params, dim, beside).values():
        view[...] = np.take_along_axis(view, order.reshape(*order.shape, *[1] * (view.ndim - 3)), axis=2)
    return params


def _exchangeable(fit: Fit, dim: str, beside: str | None) -> bool:
    """Whether renaming along ``dim`` at one entry of ``beside`` changes nothing. A cycle and a swap make all names."""
    part = fit.summary.few
    index = np.linspace(0, len(part.x) - 1, min(ROWS, len(part.x))).astype(int)
    x, y = part.x[index], part.y[index]
    if fit.shape.classes:  # labels that are hidden keep the names that they are given here
        y = np.where(y < 0, np.arange(len(y)) % fit.shape.classes, y)
    some = np.unique(np.linspace(0, len(next(iter(fit.flat_params.values()))) - 1, 3, dtype=int))
    few = {name: value[some] for name, value in fit.flat_params.items()}
    entries, count = next(iter(_parts(fit, few, dim, beside).values())).shape[1:3]

    def told(params: Params) -> tuple[np.ndarray, np.ndarray]:
        other = replace(fit, params={name: value[None] for name, value in params.items()})
        return log_prior(other), log_likelihood(other, x, y)

    before, same = told(few), np.arange(count)
    for names in {(*same[1:], 0), (1, 0, *same[2:])}:  # of two, they are one
        order = np.tile(same, (len(some), entries, 1))
        order[:, 0] = names
        after = told(_renamed(fit, few, dim, beside, order))
        if not all(np.allclose(one, other, rtol=1e-8, atol=1e-8) for one, other in zip(before, after, strict=True)):
            return False
    return True


def _order(parts: Params) -> np.ndarray:
    """The names that bring each draw's components nearest to those of the others, (draw, entry, component)."""
    flat = np.concatenate([view.reshape(*view.shape[:3], -1) for view in parts.values()], axis=3)
    draws, entries, count, _ = flat.shape
    order = np.tile(np.arange(count), (draws, entries, 1))
    for entry in range(entries):
        values = flat[:, entry]
        centre, spread = values[-1], values.std(axis=(0, 1))
        for _ in range(ROUNDS):
            scaled, middle = (part / np.where(spread > 0, spread, 1.0) for part in (values, centre))
            nearness = np.einsum("sip,jp->sji", scaled, middle) - 0.5 * (scaled**2).sum(axis=2)[:, None]
            found = np.array([linear_sum_assignment(-one)[1] for one in nearness])
            if np.array_equal(found, order[:, entry]):
                break
            order[:, entry] = found
            named = np.take_along_axis(values, found[..., None], axis=1)
            centre, spread = named.mean(axis=0), (named - named.mean(axis=0)).std(axis=(0, 1))
    return order
