"""P(y | x) with y a label: a likelihood around a hypothesis f_w(x)."""

from collections.abc import Callable

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import Distribution

from .hypotheses import linear
from .spec import Spec


def logistic_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    hypothesis: Callable[..., Array] = linear,
) -> Array:
    """P(y = second label | x) = 1 / (1 + exp -f_w(x)), of two labels.

    (Bishop 2006, eq. 4.87.) f is the log odds of the second label name against the first.
    """
    f = hypothesis(x, spec)
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.Bernoulli(logits=f), obs=y)


def softmax_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    hypothesis: Callable[..., Array] = linear,
) -> Array:
    """P(y = k | x) = exp f_w(x)_k / sum_l exp f_w(x)_l.

    The multinomial logistic regression (Bishop 2006, eq. 4.104), with one output of f a label. Adding one
    function to all outputs changes nothing, so only differences of weights are identified by the data; the prior,
    the same for every label, identifies the rest.
    """
    f = hypothesis(x, spec, ("label", spec.classes))
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.Categorical(logits=f), obs=y)


def ordinal_regression(
    x: Array,
    y: Array | None = None,
    *,
    spec: Spec,
    hypothesis: Callable[..., Array] = linear,
    gap: Distribution | None = None,
) -> Array:
    """P(y <= k | x) = 1 / (1 + exp(f_w(x) - c_k)) for labels in their order, 0 = c_0 < c_1 < ...

    The proportional-odds model (McCullagh 1980): one f moves the chances of all labels, cut at c.
    The order is that of y's categories, or as ``labels`` gives it; other names are sorted. f is the log odds of any
    label but the first; with two labels this is logistic_regression.
    c_k - c_(k-1) = gap_k ~ HalfNormal(2.5), in log odds.
    """
    f = hypothesis(x, spec)
    cuts = jnp.zeros(1)
    if spec.classes > 2:
        with numpyro.plate("cut", spec.classes - 2):
            gap = numpyro.sample("gap", gap if gap is not None else dist.HalfNormal(2.5))
        cuts = numpyro.deterministic("cuts", jnp.concatenate([cuts, jnp.cumsum(gap)]))
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.OrderedLogistic(f, cuts), obs=y)
