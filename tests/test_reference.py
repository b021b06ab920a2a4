"""NUTS of each model against NumPyro's own MCMC, run on the model function and not through the engine."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import nuts
from bayeszoo.inference.table import make_spec
from bayeszoo.models import (
    fixed_variance_mixture,
    gaussian_naive_bayes,
    linear_regression,
    polynomial,
    softmax_regression,
)
from numpyro.diagnostics import effective_sample_size
from numpyro.infer import MCMC, NUTS
from sklearn.datasets import load_iris

X = load_iris(as_frame=True).data
CODES = load_iris().target
RESPONSE = X["petal width (cm)"].rename("width")


def summed_out(x, y=None, *, spec):
    """fixed_variance_mixture with k = 3 and sigma = 0.4, its label summed out by hand."""
    pi = numpyro.sample("pi", dist.Dirichlet(jnp.ones(3)))
    mu = numpyro.sample("mu", dist.Normal(spec.loc, 2 * spec.scale).expand([3, 4]))
    each = dist.Normal(mu[:, None], 0.4).log_prob(x).sum(-1) + jnp.log(pi)[:, None]
    numpyro.factor("x", jax.nn.logsumexp(each, axis=0).sum())


# Few rows, where a Jacobian that was left out would show.
CASES = {
    "linear": (linear_regression, linear_regression, X.iloc[::6, :3], RESPONSE[::6], {}),
    "cubic": (
        partial(linear_regression, hypothesis=partial(polynomial, degree=3)),
        partial(linear_regression, hypothesis=partial(polynomial, degree=3)),
        X.iloc[::6, 2:3],
        RESPONSE[::6],
        {},
    ),
    "softmax": (softmax_regression, softmax_regression, X, pd.Series(CODES, name="y"), {}),
    "naive Bayes": (gaussian_naive_bayes, gaussian_naive_bayes, X, pd.Series(CODES, name="y"), {}),
    # Started where the engine's draws lie: the modes of a mixture differ in names alone.
    "mixture": (partial(fixed_variance_mixture, k=3, sigma=0.4), summed_out, X[::5], None, {"start": True}),
}


@pytest.mark.long
@pytest.mark.parametrize(("model", "plain", "x", "y", "how"), CASES.values(), ids=CASES)
def test_nuts_agrees_with_numpyro(model, plain, x, y, how, proved):
    """Each mean and sd within 5 Monte Carlo errors; at most 30 numbers a case (false-alarm rate under 4e-5 a case)."""
    fit = nuts(model, x, y)
    with jax.enable_x64(True):
        response = y.to_numpy(dtype=float) if y is not None and not fit.shape.classes else None
        spec = make_spec(x.to_numpy(), response, 3)
        init = {name: jnp.asarray(value.mean((0, 1))) for name, value in fit.params.items()}
        strategy = numpyro.infer.init_to_value(values=init) if how else numpyro.infer.init_to_uniform
        mcmc = MCMC(
            NUTS(plain, init_strategy=strategy, dense_mass=True),
            num_warmup=1000,
            num_samples=4000,
            num_chains=2,
            chain_method="vectorized",
            progress_bar=False,
        )
        mcmc.run(jax.random.key(1), jnp.asarray(x.to_numpy()), None if y is None else jnp.asarray(y), spec=spec)
        reference = {name: np.asarray(value) for name, value in mcmc.get_samples(group_by_chain=True).items()}
    for name, got in fit.params.items():
        want = reference[name]
        for power in (1, 2):  # means of the values, and of their squared distances from the reference mean
            a, b = ((draws - want.mean((0, 1))) ** power for draws in (got, want))
            error = np.hypot(*(z.std((0, 1)) / np.sqrt(effective_sample_size(z)) for z in (a, b)))
            far = np.max(np.abs(a.mean((0, 1)) - b.mean((0, 1))) / error)
            proved.within(fit.model.name, "NumPyro's own MCMC, means and variances", far, 5.0, " MC errors")
