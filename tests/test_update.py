"""New rows come to a fit: their moments merge with the old ones, or all rows are fitted again."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, map_estimate, mle, summarise
from bayeszoo.models import fixed_variance_mixture, gaussian_naive_bayes, linear_regression, softmax_regression
from bayeszoo.workflow import store
from test_stream import FEATURES, LABEL, RNG, ROWS, TABLE, X, poisson, written


def test_updating_needs_no_old_rows():
    old, new = TABLE.iloc[:7_000], TABLE.iloc[7_000:]
    fit = mle(gaussian_naive_bayes, old[FEATURES], old["kind"], labels=["ant", "bee", "cow"])
    both = fit.update(new[FEATURES], new["kind"])
    whole = mle(gaussian_naive_bayes, TABLE[FEATURES], TABLE["kind"])
    assert len(both.x) == 0
    assert both.summary.rows == ROWS
    for field in ("count", "mean", "scatter"):
        np.testing.assert_allclose(
            getattr(both.summary.moments, field), getattr(whole.summary.moments, field), rtol=1e-9
        )
    for name, value in whole.params.items():
        np.testing.assert_allclose(both.params[name], value, rtol=1e-9)
    with pytest.raises(DataError, match="column 'z' is missing"):
        both.update(new[["w", "x", "y"]], new["kind"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["counted", "some hidden", "from a file"])
def test_updating_keeps_the_rows_that_it_needs(tmp_path, kind):
    """Counts and rows without a label are no moments, and rows in a file are not all where others came later."""
    rows, cut = TABLE.sample(300, random_state=0).reset_index(drop=True), slice(0, 200)
    model, x, y = gaussian_naive_bayes, rows[FEATURES], rows["kind"]
    if kind == "counted":
        model, x, y = poisson, rows[["w"]].round(), pd.Series(RNG.poisson(2, size=len(rows)), name="count")
    if kind == "some hidden":
        y = y.mask(np.arange(len(rows)) % 3 == 0)
    if kind == "from a file":
        pd.concat([x, y], axis=1).iloc[cut].to_parquet(tmp_path / "old.parquet")
        fit = mle(model, tmp_path / "old.parquet", target="kind", labels=["ant", "bee", "cow"])
    else:
        labels = None if kind == "counted" else ["ant", "bee", "cow"]
        fit = mle(model, x.iloc[cut], y.iloc[cut], labels=labels)
    both = fit.update(x.iloc[200:], y.iloc[200:])
    whole = mle(model, x, y)
    assert both.needs_rows == (kind != "from a file")
    assert len(both.x) == (len(rows) if both.needs_rows else 0)
    assert both.update(x.iloc[:10], y.iloc[:10]).summary.rows == len(rows) + 10
    for name, value in whole.params.items():
        np.testing.assert_allclose(both.params[name], value, rtol=1e-6, atol=1e-8)


@pytest.mark.filterwarnings("ignore:another mode is as high")  # of noise, half a nat lower
def test_updating_what_does_not_compress_takes_all_rows():
    mixture = partial(fixed_variance_mixture, k=2)
    x = TABLE[["w", "y"]].to_numpy()
    fit = mle(mixture, x[:60]).update(x[60:120])
    assert len(fit.x) == 120
    np.testing.assert_allclose(
        fit.diagnostics["log_density"], mle(mixture, x[:120]).diagnostics["log_density"], rtol=1e-8
    )


@pytest.mark.slow
def test_a_stored_fit_does_not_take_new_rows_for_all(tmp_path):
    """Its old rows are in no file that it knows, and its likelihood needs them."""
    paths = written(tmp_path, TABLE[["w", "y", "kind"]].iloc[:: ROWS // 300])
    fit = map_estimate(softmax_regression, paths, target="kind")
    store.save(fit, tmp_path / "run")
    with pytest.raises(DataError, match="no longer at hand"):
        store.load(tmp_path / "run").update(TABLE[["w", "y"]].iloc[:50], TABLE["kind"].iloc[:50])


@pytest.mark.slow
def test_a_regression_takes_a_row_more(tmp_path):
    """Whole scatter matrices are kept where they were needed, in a stored fit, too."""
    x, y = TABLE[["w", "x"]], TABLE["z"]
    fit = mle(linear_regression, x.iloc[:-1], y.iloc[:-1])
    store.save(fit, tmp_path)
    for old in (fit, store.load(tmp_path)):
        new = old.update(x.iloc[-1:], y.iloc[-1:])
        assert new.summary.rows == ROWS
        for name, value in mle(linear_regression, x, y).params.items():
            np.testing.assert_allclose(new.params[name], value, rtol=1e-8, atol=1e-10)
    with pytest.raises(DataError, match="rows with a hidden label"):
        mle(gaussian_naive_bayes, X, LABEL).update(X[:5])


@pytest.mark.slow
def test_an_update_by_a_file_has_its_weights_and_labels(tmp_path):
    """As the update by a frame; more than a hundred numbers are labels still where they were."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(3_000, 2)), columns=["u", "v"])
    table["t"], table["w"] = table["u"] - table["v"] + rng.normal(size=3_000), rng.uniform(0, 3, 3_000)
    table["k"] = np.arange(3_000) % 150
    old, new, path = table[:1_000], table[1_000:], tmp_path / "new.parquet"
    new.to_parquet(path)
    fit = mle(linear_regression, old[["u", "v"]], old["t"])
    want = fit.update(new[["u", "v"]], new["t"], weights=new["w"])
    got = fit.update(path, weights="w")
    np.testing.assert_allclose(got.params["w"], want.params["w"], rtol=1e-9)
    assert abs(got.params["w"] - fit.update(path).params["w"]).max() > 1e-4
    for wrong in ({"y": new["t"]}, {"weights": new["w"]}):
        with pytest.raises(DataError, match="column"):
            fit.update(path, **wrong)
        with pytest.raises(DataError, match="a Summary holds y and weights"):
            fit.update(summarise(path, target="t", features=["u", "v"]), **wrong)
    many = mle(gaussian_naive_bayes, old[["u", "v"]], old["k"]).update(path)
    assert many.summary.rows == 3_000
    assert many.schema.labels == tuple(range(150))


@pytest.mark.slow
def test_many_updates_far_from_the_origin():
    """Moments of x at 1e6 are exact to no more than 1e-8, which is 1e-4 nats: no reason to ask for the rows."""
    rng = np.random.default_rng(0)
    x = 1e6 + rng.normal(size=(6_000, 1))
    y = x[:, 0] - 1e6 + 0.01 * rng.normal(size=6_000)
    fit = mle(linear_regression, x[:1_000], y[:1_000])
    for start in range(1_000, 6_000, 1_000):
        fit = fit.update(x[start : start + 1_000], y[start : start + 1_000])
    want = mle(linear_regression, x, y, compress=False).params
    np.testing.assert_allclose(fit.params["sigma"], want["sigma"], rtol=1e-6)
