"""P(y | x) with a label y: a softmax around a hypothesis."""

from collections.abc import Callable

import numpyro
import numpyro.distributions as dist
from jax import Array

from .hypotheses import linear
from .spec import Spec


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
    f = hypothesis(x, spec, spec.classes)
    with numpyro.plate("row", spec.rows, dim=-1):
        return numpyro.sample("y", dist.Categorical(logits=f), obs=y)
