"""Draws that visit several modes are told apart; modes that differ in names alone are one."""

import warnings
from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import nuts
from bayeszoo.inference.visited import said_of
from bayeszoo.models import fixed_variance_mixture
from bayeszoo.workflow import store
from bayeszoo.workflow.cli import app
from typer.testing import CliRunner

X = np.full((8, 1), 1.0)
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
    heights = [-0.5 * ((Y - (v + 0.02) ** 2) ** 2).sum() - 0.5 * (v / 3) ** 2 for v in np.linspace(-4, 4, 80_001)]
    assert f"{max(heights) - 4 * np.log(2 * np.pi) * 2 / 2 - np.log(3) - 0.5 * np.log(2 * np.pi):.1f}" in " ".join(
        fit.warnings
    )
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


@pytest.mark.filterwarnings("ignore")
def test_the_summary_is_one_for_each_mode(tmp_path):
    """A mixture of two on three far clusters: either pair may share a component."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(centre, 1, 12) for centre in (-6.0, 0.0, 6.2)])[:, None]
    fit = nuts(partial(fixed_variance_mixture, k=2, sigma=2.0), x, draws=100)
    assert fit.diagnostics["modes"] >= 2
    store.save(fit, tmp_path / "run")
    shown = CliRunner().invoke(app, ["summary", str(tmp_path / "run")]).output
    assert "mode 0: " in shown
    assert "nan" not in shown
