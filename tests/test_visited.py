"""Draws that visit several modes are told apart; modes that differ in names alone are one."""

import warnings
from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
from bayeszoo.inference import nuts
from bayeszoo.inference.visited import said_of
from bayeszoo.models import fixed_variance_mixture, robust_regression
from bayeszoo.workflow import store
from bayeszoo.workflow.cli import app
from scipy import stats
from typer.testing import CliRunner

X = np.linspace(0.9, 1.1, 8)[:, None]
Y = np.random.default_rng(0).normal(4.0, 1.0, size=8)


def two_roots(x, y=None):
    """y = (w + 0.02)^2 + noise: w is near 2 or -2, and the posterior a little higher at one."""
    w = numpyro.sample("w", dist.Normal(0.0, 3.0))
    numpyro.sample("y", dist.Normal((w + 0.02) ** 2 * x[:, 0], 1.0), obs=y)


def quiet(*given, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nuts(*given, **named)


def test_two_modes_are_told_apart():
    fit = quiet(two_roots, X, Y, draws=200)
    w, mode = fit.params["w"], fit.sample_stats["mode"]
    assert fit.diagnostics["modes"] == 2
    higher = w[mode == 0]
    assert np.all(np.sign(higher) == np.sign(higher[0]))
    np.testing.assert_array_equal(np.sign(w) == np.sign(higher[0]), mode == 0)
    assert any("the draws visit 2 modes" in sentence for sentence in fit.warnings)
    highest = max(
        stats.norm((v + 0.02) ** 2 * X[:, 0]).logpdf(Y).sum() + stats.norm(0, 3).logpdf(v)
        for v in np.linspace(-4, 4, 801)
    )
    assert f"log densities {highest:.1f} (" in " ".join(fit.warnings)
    assert set(np.unique(fit.to_arviz()["sample_stats"]["mode"])) == {0, 1}


def test_a_mixture_whose_labels_switch_is_at_one_mode():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-3, 1, 30), rng.normal(3, 1, 30)])[:, None]
    fit = quiet(partial(fixed_variance_mixture, k=2, sigma=1.0), x, draws=100)
    assert fit.diagnostics.get("modes", 1) == 1
    assert "mode" not in fit.sample_stats


def test_shares_and_crossings_are_said():
    mode = np.array([[0, 0, 1, 0], [1, 1, 1, 1]])
    said = said_of(mode, np.array([-3.0, -5.5]))
    assert "2 modes, with log densities -3.0 (37.5% of draws), -5.5 (62.5% of draws)" in said
    assert "crossed between them 2 times" in said


def test_the_summary_is_one_for_each_mode(tmp_path):
    """Cauchy noise around a level, which half of the rows have at 0 and half at 9."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 1)), np.repeat([0.0, 9.0], 6) + rng.normal(size=12) / 2  # each half at a mode
    fit = quiet(partial(robust_regression, nu=1.0, sigma=0.5), x, y, draws=100)
    assert fit.diagnostics["modes"] >= 2
    store.save(fit, tmp_path / "run")
    shown = CliRunner().invoke(app, ["summary", str(tmp_path / "run")]).output
    assert "mode 0: " in shown
    assert "mode 1: " in shown
    assert "nan" not in shown
