"""What a fit costs before it starts: programs compiled once, kept on disk, and arithmetic that carries the data."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import DataError, FitWarning, PrecisionError, keep_compiled_programs, laplace, mle, nuts, svi
from bayeszoo.models import gaussian_naive_bayes, linear_regression
from sklearn.datasets import load_iris

IRIS = load_iris(as_frame=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:R-hat")  # of 501 draws of 27 numbers it is above 1.01 once in some ten runs
@pytest.mark.parametrize("fitter", [mle, partial(nuts, draws=501)])
def test_another_number_of_rows_compiles_nothing_anew(compilations, fitter):
    def fit(rows):
        with compilations() as found:
            fitter(gaussian_naive_bayes, IRIS.data.iloc[rows], IRIS.target.iloc[rows])
        return len(found)

    jax.clear_caches()  # a process full of programs would forget them in a fit of its own choice: inference/room.py
    assert fit(np.arange(150)) > 0
    assert fit(np.arange(150)) == 0
    assert fit(np.arange(7, 146)) == 0


@pytest.mark.slow
def test_programs_are_found_on_disk_by_what_they_are(tmp_path):
    """The same fit in another process reads all of its programs, another prior writes the programs that it changes."""
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
import jax
from bayeszoo.inference import keep_compiled_programs, mle
from bayeszoo.models import fixed_variance_mixture
from sklearn.datasets import load_iris
keep_compiled_programs(sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # all, as how long one takes varies
seen = []
jax.monitoring.register_event_listener(lambda event, **_: seen.append(event))
mle(partial(fixed_variance_mixture, k=3, sigma=float(sys.argv[2])), *load_iris(return_X_y=True))
print(*(sum(event == f"/jax/compilation_cache/cache_{what}" for event in seen) for what in ("hits", "misses")))
"""
    counts, read = [], []
    for sigma in ("1.0", "1.0", "2.0"):
        command = [sys.executable, "-c", code, str(tmp_path), sigma]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ}, check=False)
        assert done.returncode == 0, done.stderr
        counts.append(len(list(tmp_path.glob("*-cache"))))
        read.append([int(word) for word in done.stdout.split()[-2:]])
    assert counts[0] > 0
    assert counts[1] == counts[0]
    assert counts[2] > counts[1]
    assert read[0][1] > 0
    assert read[1][0] > 0
    assert read[1][1] == 0
    assert read[2][1] > 0


def test_a_folder_that_cannot_be_one(tmp_path, monkeypatch):
    """The default one is a matter of speed, and the fit goes on without."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be a folder for programs"):
        keep_compiled_programs(tmp_path / "file" / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    before = jax.config.jax_compilation_cache_dir
    with pytest.warns(FitWarning, match="are not kept for the next process .*XDG_CACHE_HOME"):
        assert keep_compiled_programs() is None
    assert jax.config.jax_compilation_cache_dir == before


@pytest.mark.slow
def test_a_posterior_beyond_the_arithmetic_is_refused():
    """1e15 rows weigh so much that a rounding error of their log density in float64 is some nats."""
    heavy = np.full(150, 1e13)
    with pytest.raises(PrecisionError, match="float64 resolves no less than"):
        laplace(gaussian_naive_bayes, IRIS.data, IRIS.target, weights=heavy)
    for fitter in (svi, nuts):
        with pytest.raises(PrecisionError, match="use fewer rows or smaller weights"):
            fitter(gaussian_naive_bayes, IRIS.data, IRIS.target, weights=heavy)
    light = mle(gaussian_naive_bayes, IRIS.data, IRIS.target)
    less = mle(gaussian_naive_bayes, IRIS.data, IRIS.target, weights=heavy / 100)
    np.testing.assert_allclose(less.params["mu"], light.params["mu"], rtol=1e-6)


@pytest.mark.slow
def test_many_rows_do_not_freeze_the_sampler():
    """1e8 rows, as weights: sds are 1 / sqrt(n), and chains move (ESS above 400, ten sds beyond a frozen chain's 4)."""
    x, y = IRIS.data.iloc[:, :2], IRIS.data.iloc[:, 2]
    one, many = (laplace(linear_regression, x, y, weights=np.full(150, w), draws=500) for w in (1e2, 1e8 / 150))
    fit = nuts(linear_regression, x, y, weights=np.full(150, 1e8 / 150), draws=500)
    assert fit.diagnostics["min_ess_bulk"] > 400
    assert fit.diagnostics["widest"] < 1.2
    ratio = fit.params["w"].std((0, 1)) / many.params["w"].std((0, 1))
    np.testing.assert_allclose(ratio, 1, atol=0.15)
    shrink = one.params["w"].std((0, 1)) / many.params["w"].std((0, 1))
    np.testing.assert_allclose(shrink, np.sqrt(1e8 / 150 / 1e2), rtol=0.15)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayeszoo.inference.FitWarning")
def test_a_preconditioner_that_misleads_is_reported():
    """A narrow peak on a wide base: the mode's curvature is that of the peak, in which there is little mass."""

    def spike(x, y=None):
        weights = dist.Categorical(probs=np.array([0.02, 0.98]))
        parts = dist.Normal(np.zeros(2), np.array([0.01, 10.0]))
        a = numpyro.sample("a", dist.MixtureSameFamily(weights, parts))
        numpyro.sample("y", dist.Normal(1e-3 * a + x[:, 0], 100.0), obs=y)

    fit = nuts(spike, np.linspace(0, 1, 20)[:, None], np.linspace(0, 1, 20), warmup=200, draws=400)
    assert any("times as wide as the curvature at its mode says" in sentence for sentence in fit.warnings)
    assert fit.diagnostics["widest"] > 100


@pytest.mark.slow
def test_threads_wait_for_one_another():
    """NumPyro's handlers would see the sites of another thread's model: all models here are new, and traced at once."""

    def fitted(i):
        def model(x, y=None):
            b = numpyro.sample("b", dist.Normal(0.0, 100.0 + i))
            numpyro.sample("y", dist.Normal(b * x[:, 0], 1.0), obs=y)

        fit = mle(model, x, y)
        return fit.posterior()["b"].item(), fit.predict(x[: 10 + 7 * i])["mean"].values[0]

    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1))
    y = 2 * x[:, 0] + rng.normal(size=300)
    b = (x[:, 0] @ y) / (x[:, 0] @ x[:, 0])
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(fitted, range(8)):
            assert found == pytest.approx((b, b * x[0, 0]), rel=1e-6)


def test_a_dask_frame_may_ask_a_fit():
    """In another thread, on which the one that fits is waiting."""
    import dask.dataframe as dd

    table = pd.DataFrame({"a": np.arange(40.0), "y": 2.0 * np.arange(40) + np.arange(40) % 2})
    first = mle(linear_regression, table[["a"]], table["y"])

    def add(part):
        return part.assign(a=first.predict(part[["a"]])["mean"].values)

    frame = dd.from_pandas(table, npartitions=2).map_partitions(add, meta=table.iloc[:0])
    fit = mle(linear_regression, frame, target="y")
    assert fit.posterior()["w"].item() == pytest.approx(1.0, rel=1e-4)
