"""Intervals of a response at a point estimate are those of its distribution, by SciPy."""

import numpy as np
import pytest
from bayeszoo.inference import mle
from bayeszoo.models import linear_regression, negative_binomial_regression, poisson_regression
from scipy import stats

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2))
RATE = np.exp(0.5 + X @ [2.8, -0.4])  # from 1e-3 to 1e3
Y = {
    poisson_regression: RNG.poisson(RATE),
    negative_binomial_regression: RNG.poisson(RATE * RNG.gamma(3, 1 / 3, 300)),
    linear_regression: np.log(RATE) + RNG.normal(size=300),
}


def by_scipy(fit, p, mean):
    if fit.model.name == "poisson_regression":
        return stats.poisson.ppf(p, mean)
    if fit.model.name == "negative_binomial_regression":
        phi = np.squeeze(fit.params["phi"])
        return stats.nbinom.ppf(p, phi, phi / (phi + mean))
    return stats.norm.ppf(p, mean, np.squeeze(fit.params["sigma"]))


@pytest.mark.parametrize("model", Y, ids=lambda model: model.__name__)
@pytest.mark.parametrize("interval", [0.5, 0.999])
def test_the_interval_at_a_point_is_exact(model, interval):
    fit = mle(model, X, Y[model])
    told = fit.predict(X, interval=interval)
    for name, p in (("lower", (1 - interval) / 2), ("upper", (1 + interval) / 2)):
        np.testing.assert_allclose(told[name], by_scipy(fit, p, told["mean"].values), rtol=1e-9)
