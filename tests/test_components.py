"""Components that a model sums out by itself come back in one order, each label's for itself."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, QueryError, laplace, mle, nuts, responsibilities
from bayeszoo.inference.components import match_components
from bayeszoo.inference.queries import log_likelihood
from bayeszoo.models import gaussian_naive_bayes, linear_regression, mixture_discriminant, mixture_of_regressions, mlp
from scipy import stats

RNG = np.random.default_rng(0)
N = 200
SIDE = np.where(np.arange(N) % 3 == 0, -1.0, 1.0)
LINE = pd.DataFrame({"u": RNG.normal(size=N)})
TWO_LINES = pd.Series(3 * SIDE + 2 * SIDE * LINE["u"].to_numpy() + 0.3 * RNG.normal(size=N), name="out")
PLACES = pd.DataFrame({"u": 4 * SIDE + RNG.normal(size=N), "v": RNG.normal(size=N)})
KINDS = pd.Series(np.where(np.arange(N) % 2 == 0, "a", "b"), name="kind")
PLACES.loc[KINDS == "b", "v"] += 5

CASES = {
    "lines": (mixture_of_regressions, LINE, TWO_LINES, "component"),
    "kinds of a label": (mixture_discriminant, PLACES, KINDS, "component"),
    "units": (partial(linear_regression, hypothesis=partial(mlp, width=3)), LINE, TWO_LINES, "hidden"),
}


def renamed(fit, dim):
    """Every second draw with other names along ``dim``, of the first label alone where labels have some each."""
    params = {name: value.copy() for name, value in fit.params.items()}
    for name, site in fit.shape.sites:
        if dim in site.dims:
            view = np.moveaxis(params[name], 2 + site.dims.index(dim), -1)
            view = view[:, ::2, 0] if "label" in site.dims else view[:, ::2]
            view[...] = np.roll(view, 1, axis=-1)
    return replace(fit, params=params)


def spread(fit):
    return {name: value.std(axis=(0, 1)).max() for name, value in fit.params.items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the posterior is far from a normal")  # of a network it is
@pytest.mark.parametrize("case", CASES)
def test_draws_that_were_renamed_come_back(case):
    model, x, y, dim = CASES[case]
    fit = match_components(laplace(model, x, y, draws=50, chains=2))
    mixed = renamed(fit, dim)
    assert max(spread(mixed)[name] / spread(fit)[name] for name in fit.params) > 1.2
    back = match_components(mixed)
    assert back.diagnostics["renamed_draws"] >= 25
    assert spread(back) == pytest.approx(spread(fit), rel=1e-9)
    np.testing.assert_allclose(log_likelihood(back, back.x, back.y), log_likelihood(fit, fit.x, fit.y), atol=1e-8)


def test_what_the_data_name_is_left_alone():
    fit = laplace(gaussian_naive_bayes, PLACES, KINDS, draws=10, chains=2)
    assert match_components(fit) is fit


@pytest.mark.slow
def test_chains_that_name_lines_differently_agree_after_all():
    fit = nuts(mixture_of_regressions, LINE, TWO_LINES, draws=500)
    assert fit.diagnostics["max_rhat_raw"] > 1.1 > 1.02 > fit.diagnostics["max_rhat"]
    assert fit.diagnostics["modes"] == 1


def test_responsibilities_of_lines_by_hand():
    """E[w_h P(y | h, theta)] over draws, and their share; the two lines part nearly all rows."""
    fit = laplace(mixture_of_regressions, LINE, TWO_LINES, draws=50, chains=2)
    got = responsibilities(fit, LINE, TWO_LINES)
    assert got.dims == ("row", "component")
    p, u = fit.flat_params, LINE["u"].to_numpy()[:, None]
    joint = 0.0
    for s in range(100):
        centre = p["b"][s] + (u - np.asarray(fit.spec.loc)) * p["w"][s, :, 0]
        joint = joint + p["pi"][s] * stats.norm(centre, p["sigma"][s]).pdf(TWO_LINES.to_numpy()[:, None])
    np.testing.assert_allclose(got, joint / joint.sum(axis=1, keepdims=True), rtol=1e-9, atol=1e-12)
    on = got.argmax("component").values == (0 if got.sel(component=0)[SIDE > 0].mean() > 0.5 else 1)
    assert np.mean(on == (SIDE > 0)) > 0.95


def test_responsibilities_of_kinds_are_each_labels_own():
    """pi_k rho_kh N(x; mu_kh, sigma_k) at the row's own label k, its mean over draws, and its share."""
    fit = laplace(mixture_discriminant, PLACES, KINDS, draws=50, chains=2)
    got = responsibilities(fit, PLACES, KINDS).values
    p, x = fit.flat_params, PLACES.to_numpy()[:, None]
    k = KINDS.eq(fit.label_coordinate[1]).to_numpy().astype(int)
    each = 0.0
    for s in range(100):
        normal = stats.norm(p["mu"][s, k], p["sigma"][s, k][:, None]).pdf(x).prod(axis=-1)
        each = each + p["pi"][s, k][:, None] * p["rho"][s, k] * normal
    np.testing.assert_allclose(got, each / each.sum(axis=1, keepdims=True), rtol=1e-8, atol=1e-12)
    with pytest.raises(DataError, match="row 2: the label is missing"):
        responsibilities(fit, PLACES[:3], KINDS[:3].where([True, True, False]))
    with pytest.raises(DataError, match="row 1, column 'u' is missing; responsibilities need whole rows"):
        responsibilities(fit, PLACES[:3].assign(u=[1.0, np.nan, 0.0]), KINDS[:3])


def test_a_model_without_components_says_so():
    fit = mle(gaussian_naive_bayes, PLACES, KINDS)
    with pytest.raises(QueryError, match="has no site that is a mixture of components"):
        responsibilities(fit, PLACES, KINDS)
