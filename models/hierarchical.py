"""P(y | x) with groups of rows that are alike, as far as the data say so."""

import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array

from .columns import names
from .spec import NUMBER, Spec, WrongColumn


def hierarchical_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    kinds: tuple[int, ...],
    slopes: bool = True,
) -> Array:
    """P(y | x) = Normal(y; a_g + w_g . (x - m), sigma), with g the group of the row: varying intercepts and slopes.

    (Gelman and Hill 2007, chapter 13.) The one column of names is the group's; the others are x, m their means.
    a_g = a + tau_a z_g and w_gj = w_j + tau_j v_gj with z, v ~ Normal(0, 1), which samples well however small tau is.
    a ~ Normal(mean of y, 2.5 s), w_j ~ Normal(0, 2.5 s / s_j), tau_a ~ HalfNormal(s), tau_j ~ HalfNormal(s / s_j),
    sigma ~ HalfNormal(s), with s and s_j the standard deviations of y and of column j.
    slopes=False: all groups have one slope.
    """
    groups = names(kinds)  # places of the columns of names
    if not groups:
        raise ValueError("it takes one column of names, the group of a row; make that column text or a category")
    if len(groups) > 1:
        raise WrongColumn("takes one column of names, the group of a row", groups[1], "holds names, too; leave one out")
    of, plate, g = kinds[groups[0]], f"name_{groups[0]}", x[:, groups[0]].astype(int)
    others = np.array([j for j, kind in enumerate(kinds) if kind <= NUMBER], dtype=int)
    u, unit = x[:, others] - spec.loc[others], spec.y_scale / spec.scale[others]
    a = numpyro.sample("a", dist.Normal(spec.y_loc, 2.5 * spec.y_scale))
    tau_a = numpyro.sample("tau_a", dist.HalfNormal(spec.y_scale))
    with numpyro.plate(plate, of, dim=-1):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        level = numpyro.deterministic("a_group", a + tau_a * z)
    f = level[g]
    if len(others):
        with numpyro.plate("number", len(others), dim=-1):
            w = numpyro.sample("w", dist.Normal(0.0, 2.5 * unit))
            tau = numpyro.sample("tau", dist.HalfNormal(unit)) if slopes else 0.0
        if slopes:
            with numpyro.plate(plate, of, dim=-2), numpyro.plate("number", len(others), dim=-1):
                v = numpyro.sample("v", dist.Normal(0.0, 1.0))
                w = numpyro.deterministic("w_group", w + tau * v)
            w = w[g]
        f = f + (u * w).sum(axis=-1)
    sigma = numpyro.sample("sigma", dist.HalfNormal(spec.y_scale))
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.Normal(f, sigma), obs=y)
