"""Draws that visit several modes are told apart; modes that differ in names alone are one."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import FitWarning, laplace, nuts
from bayeszoo.inference.visited import said_of
from bayeszoo.models import fixed_variance_mixture, linear_regression, mixture_discriminant
from bayeszoo.workflow import store
from bayeszoo.workflow.cli import app
from bayeszoo.workflow.report import report
from scipy import stats
from typer.testing import CliRunner

X = np.linspace(0.9, 1.1, 8)[:, None]
Y = np.random.default_rng(0).normal(4.0, 1.0, size=8)


def two_roots(x, y=None):
    """y = (w + 0.5)^2 + noise: w is near 1.5 or -2.5, and the posterior a little higher at one."""
    w = numpyro.sample("w", dist.Normal(0.0, 3.0))
    numpyro.sample("y", dist.Normal((w + 0.5) ** 2 * x[:, 0], 1.0), obs=y)


def quiet(*given, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nuts(*given, **named)


@pytest.mark.slow
def test_two_modes_are_told_apart():
    fit = quiet(two_roots, X, Y, draws=200)
    w, mode = fit.params["w"], fit.sample_stats["mode"]
    assert fit.diagnostics["modes"] == 2
    higher = w[mode == 0]
    assert np.all(np.sign(higher) == np.sign(higher[0]))
    np.testing.assert_array_equal(np.sign(w) == np.sign(higher[0]), mode == 0)
    assert any("the draws visit 2 modes" in sentence for sentence in fit.warnings)
    highest = max(
        stats.norm((v + 0.5) ** 2 * X[:, 0]).logpdf(Y).sum() + stats.norm(0, 3).logpdf(v)
        for v in np.linspace(-4, 4, 801)
    )
    assert f"log densities {highest:.1f} (" in " ".join(fit.warnings)
    assert set(np.unique(fit.to_arviz()["sample_stats"]["mode"])) == {0, 1}


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_summary_is_one_for_each_mode(tmp_path):
    """As the draws of a run at two modes would be stored: 300 of 400 at the first."""
    rng = np.random.default_rng(0)
    fit = quiet(linear_regression, rng.normal(size=(30, 1)), rng.normal(size=30), draws=100)
    mode = np.repeat([[0], [0], [0], [1]], 100, axis=1)
    store.save(replace(fit, sample_stats={**fit.sample_stats, "mode": mode}), tmp_path / "run")
    shown = CliRunner().invoke(app, ["summary", str(tmp_path / "run")]).output
    shown = " ".join(shown.split())
    assert "mode 0: 75.0% of draws" in shown
    assert "mode 1: 25.0% of draws" in shown
    page = report(store.load(tmp_path / "run"))
    assert all(f"Posterior, mode {i}: {share} of draws" in page for i, share in enumerate(("75.0%", "25.0%")))
    assert "intervals of parameters" not in page
    assert "modes visited" not in report(fit)
    assert "intervals of parameters" in report(fit)
    assert "nan" not in shown
    mean = fit.params["b"][3].mean()
    second = shown[shown.index("mode 1:") :]
    assert float(second[second.index(" b ") + 3 :].split()[0]) == pytest.approx(mean, abs=0.01)


@pytest.mark.slow
def test_two_modes_of_one_height_are_told_apart():
    """Four blobs, two labels of two kinds: which blobs share a label is undecided, but for a tenth of a nat."""
    centres = np.array([[0, 0], [8, 1], [1, 8], [9, 9.0]])
    rng = np.random.default_rng(6)
    x = np.concatenate([centre + rng.normal(size=(12, 2)) for centre in centres])
    fit = quiet(mixture_discriminant, x, draws=250, warmup=250)
    mu = fit.params["mu"]  # chain, draw, label, component, feature
    blob = ((mu[..., None, :] - centres) ** 2).sum(axis=-1).argmin(axis=-1)
    with_first = np.where((blob == 0).any(axis=-1), blob.sum(axis=-1), 0).max(axis=-1)  # the other blob of its label
    mode = fit.sample_stats["mode"]
    assert len(np.unique(with_first)) == fit.diagnostics["modes"] == 2
    assert all(len(np.unique(with_first[mode == k])) == 1 for k in range(2))


@pytest.mark.slow
def test_two_modes_of_the_same_height_are_told_apart():
    """Rows that are the same with their columns swapped: two blobs beside each other, or one above the other."""
    corner = np.random.default_rng(0).normal(size=(15, 2)) * 0.5
    x = np.concatenate([corner + place for place in ([4, 4], [-4, 4], [4, -4], [-4, -4])])
    x = np.concatenate([x, x[:, ::-1]])
    fit = quiet(partial(fixed_variance_mixture, k=2, sigma=2.5), x, draws=200)
    assert fit.diagnostics["modes"] == 2
    wide = np.ptp(fit.params["mu"], axis=2).argmax(axis=-1)  # the column in which the centres lie apart
    mode = fit.sample_stats["mode"]
    assert len(np.unique(mode)) == 2
    assert all(len(np.unique(wide[mode == k])) == 1 for k in range(2))
    with pytest.warns(FitWarning, match="another mode is as high, or less than a nat lower"):
        laplace(partial(fixed_variance_mixture, k=2, sigma=2.5), x, draws=100)
