"""Tables in files, on a cluster and in parts: the same moments as at once, and errors that say where."""

import os
import signal
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import DataError, ModelError, laplace, map_estimate, mle, stream, summarise, svi
from bayeszoo.inference import files as readers
from bayeszoo.inference import summary as summaries
from bayeszoo.inference.batches import Columns
from bayeszoo.models import fixed_variance_mixture, gaussian_naive_bayes, linear_regression
from bayeszoo.workflow import store

RNG = np.random.default_rng(0)
ROWS = 9_000
LABEL = np.sort(RNG.choice(["ant", "bee", "cow"], size=ROWS))  # sorted, so that no part has all of them
X = RNG.normal(size=(ROWS, 4)) * [1, 10, 1, 1] + 20 * (LABEL == "bee")[:, None]
TABLE = pd.DataFrame(X, columns=list("wxyz")).assign(kind=LABEL)
HOLES = TABLE.mask(RNG.random(TABLE.shape) < 0.02)
FEATURES = list("wxyz")


def same_moments(a, b):
    keys = [{(k, s.tobytes()): g for g, (k, s) in enumerate(zip(o.label, o.seen, strict=True))} for o in (a, b)]
    assert keys[0].keys() == keys[1].keys()
    order = [keys[1][key] for key in keys[0]]
    seen = a.seen[:, :, None] & a.seen[:, None]
    sd = np.sqrt(np.maximum(np.diagonal(b.moments.scatter, axis1=1, axis2=2), 1e-12))[order]
    np.testing.assert_allclose(a.moments.count, b.moments.count[order], rtol=1e-12)
    np.testing.assert_allclose(np.where(a.seen, a.moments.mean - b.moments.mean[order], 0) / sd, 0, atol=1e-9)
    gap = np.where(seen, a.moments.scatter - b.moments.scatter[order], 0)
    np.testing.assert_allclose(gap / (sd[:, :, None] * sd[:, None]), 0, atol=1e-9)


def written(folder, table, parts=3, kind="parquet"):
    paths = []
    for i, rows in enumerate(np.array_split(np.arange(len(table)), parts)):
        paths.append(folder / f"part-{i}.{kind}")
        part = table.iloc[rows]
        part.to_parquet(paths[-1], row_group_size=1_000) if kind == "parquet" else part.to_csv(paths[-1], index=False)
    return paths


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("table", [TABLE, HOLES], ids=["whole", "with holes"])
def test_files_have_the_moments_of_their_rows(tmp_path, table, kind):
    """Also where a column is 1e6 +- 1 in one group and +- 1 in another."""
    table = table.assign(w=table["w"] + 1e6 * (TABLE["kind"] == "bee"))
    written(tmp_path, table, kind=kind)
    streamed = summarise(tmp_path, target="kind")
    assert streamed.labels == ("ant", "bee", "cow")
    assert streamed.rows == ROWS
    same_moments(streamed, summarise(table[FEATURES], table["kind"]))
    np.testing.assert_allclose(streamed.ends, [table[FEATURES].min(), table[FEATURES].max()])


@pytest.mark.slow
def test_a_fit_of_files_is_that_of_their_rows(tmp_path):
    paths = written(tmp_path, HOLES)
    streamed = mle(gaussian_naive_bayes, paths, target="kind")
    at_once = mle(gaussian_naive_bayes, HOLES[FEATURES], HOLES["kind"], compress=False)
    for name, value in at_once.params.items():
        np.testing.assert_allclose(streamed.params[name], value, rtol=1e-6)
    assert "mean and spread" in streamed.compression
    assert set(streamed.to_arviz().children) == {"posterior", "prior", "log_prior"}
    store.save(streamed, tmp_path / "run")
    again = store.load(tmp_path / "run")
    np.testing.assert_allclose(
        again.log_label_posterior(X[:5]).values, streamed.log_label_posterior(X[:5]).values, rtol=1e-12
    )
    twice = again.summary.merge(summarise(HOLES[FEATURES], HOLES["kind"]))
    same_moments(twice, summarise(paths, target="kind").merge(summarise(paths, target="kind")))
    with pytest.raises(DataError, match="named twice"):
        summarise([*paths, paths[0]], target="kind")


def test_a_label_that_is_a_number_is_a_response_of_a_model_of_one(tmp_path):
    """A whole number with few values is read as a label, and a regression takes it all the same."""
    table = TABLE[FEATURES].assign(count=np.round(RNG.normal(size=ROWS)).astype(int))
    streamed = map_estimate(linear_regression, written(tmp_path, table), target="count")
    at_once = map_estimate(linear_regression, table[FEATURES], table["count"])
    assert "mean and covariance" in streamed.compression
    for name, value in at_once.params.items():
        np.testing.assert_allclose(streamed.params[name], value, rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:another mode is as high")  # of noise, half a nat lower
def test_rows_that_do_not_compress_are_loaded_if_they_fit(tmp_path, monkeypatch):
    paths = written(tmp_path, TABLE[["w", "y"]].iloc[:60])
    mixture = partial(fixed_variance_mixture, k=2)
    fit = map_estimate(mixture, paths)
    assert fit.compression.startswith("all 60 rows")
    monkeypatch.setattr("bayeszoo.inference.problem.LOADED", 100)
    with pytest.raises(DataError, match=r"60 of them take 9.6e-07 GB; use svi with batch="):
        map_estimate(mixture, paths)


def test_samples_of_parts_make_a_sample_of_all(monkeypatch):
    """Each of 400 rows is as likely as any other; the counts of 200 merges vary by 4.5 sd at most (rate 0.003)."""
    monkeypatch.setattr(summaries, "TRIED", 20)
    times = np.zeros(400)
    for shift in range(200):
        rows = np.roll(np.arange(400.0), shift * 7)
        parts = [summarise(rows[cut][:, None] + [0, 0.5]) for cut in (slice(0, 100), slice(100, 400))]
        times[parts[0].merge(parts[1]).sample.x[:, 0].astype(int)] += 1
    assert times.sum() == 200 * 20
    assert np.abs(times - 10).max() < 4.5 * np.sqrt(200 * 0.05 * 0.95)


def poisson(x, y=None):
    a, b = (numpyro.sample(name, dist.Normal(0, 3)) for name in "ab")
    numpyro.sample("y", dist.Poisson(jnp.exp(a + b * x[:, 0])), obs=y)


def test_more_patterns_of_missing_cells_than_groups_are_no_moments():
    """A discriminative model refuses them all the same, and a generative one runs on all rows."""
    x = np.where(RNG.random((3_000, 12)) < 0.5, np.nan, RNG.normal(size=(3_000, 12)))
    y = RNG.normal(size=3_000)
    with pytest.raises(DataError, match=r"row 0, column 'x[0-9]+' is missing, and linear_regression"):
        mle(linear_regression, x, y)
    summary = summarise(x, (y > 0))
    assert summary.moments is None
    assert set(summary.label) == {0, 1}
    with jax.enable_x64(True):
        spec = summary.units(2)
    np.testing.assert_allclose(spec.loc, np.nanmean(x, axis=0), atol=1e-12)
    np.testing.assert_allclose(spec.scale, np.nanstd(x, axis=0), rtol=1e-12)


@pytest.mark.slow
def test_batches_of_files_lead_to_the_posterior_of_their_rows(tmp_path):
    """Means and sds of 4,000 draws beside those of Laplace's; tolerances as in test_minibatch.

    The files are of many sizes, and in the first and largest x is narrow, so that a file alone says little of b.
    """
    x, y = RNG.normal(size=(20_000, 1)), RNG.standard_t(4, size=20_000)
    x[:15_000] *= 0.05
    for i, rows in enumerate(np.split(np.arange(20_000), [15_000, 15_005, 15_010, 19_000])):
        pd.DataFrame({"a": x[rows, 0], "y": y[rows]}).to_parquet(tmp_path / f"{i}.parquet")
    batched = svi(student, tmp_path, target="y", batch=256, steps=200)
    whole = laplace(student, x, y)
    assert batched.compression.startswith("all 20000 rows")
    for name, want in whole.params.items():
        sd = want.std((0, 1))
        assert np.all(
            np.abs(batched.params[name].mean((0, 1)) - want.mean((0, 1))) < 5 * sd * np.sqrt(0.0018 + 2 / 4000)
        )
        np.testing.assert_allclose(batched.params[name].std((0, 1)), sd, rtol=0.1)


def student(x, y=None):
    a, b = (numpyro.sample(name, dist.Normal(0, 3)) for name in "ab")
    s = numpyro.sample("s", dist.HalfNormal(3))
    numpyro.sample("y", dist.StudentT(4.0, a + b * x[:, 0], s), obs=y)


@pytest.mark.slow
def test_weights_stand_for_rows():
    times = RNG.integers(1, 4, size=300)
    some = HOLES.dropna(subset="kind").sample(300, random_state=0)
    for model, x, y in (
        (gaussian_naive_bayes, some[FEATURES], some["kind"]),
        (partial(linear_regression, sigma=2.0), TABLE[["w", "y"]].iloc[:300], TABLE["z"].iloc[:300]),
    ):
        for compress in (True, False):
            weighted = map_estimate(model, x, y, weights=times, compress=compress)
            repeated = map_estimate(model, x.loc[x.index.repeat(times)], y.loc[y.index.repeat(times)])
            for name, value in repeated.params.items():
                np.testing.assert_allclose(weighted.params[name], value, rtol=1e-6, atol=1e-8)
    for strange in (-1.0, np.inf, np.nan):
        with pytest.raises(DataError, match=f"row 7: the weight is {strange}"):
            mle(gaussian_naive_bayes, X, LABEL, weights=np.where(np.arange(ROWS) == 7, strange, 1.0))
    with pytest.raises(DataError, match="weights are numbers, one a row"):
        mle(gaussian_naive_bayes, X, LABEL, weights=LABEL)


def test_samples_of_a_billion_rows_merge():
    """A sample of 5,000 of 3 and 1 billion rows, three quarters of them of the first: within 5 standard errors."""
    many, more = (
        replace(summarise(TABLE[["w"]] + shift, TABLE["kind"]), rows=rows)
        for shift, rows in ((0.0, 3 * 10**9), (1e6, 10**9))
    )
    both = many.merge(more)
    assert both.rows == 4 * 10**9
    share = np.mean(both.sample.x[:, 0] < 5e5)
    assert abs(share - 0.75) < 5 * np.sqrt(0.75 * 0.25 / len(both.sample.x))


@pytest.mark.filterwarnings("ignore")  # of a cluster whose worker was killed
def test_a_cluster_that_loses_a_worker_has_the_same_moments(tmp_path):
    """Three worker processes read nine files; the one that reads a certain file first is killed while it does."""
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    import dask.dataframe as dd

    paths = written(tmp_path, HOLES, parts=9)
    want = summarise(paths, target="kind")
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        distributed.LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):

        def deadly(path):
            mark = tmp_path / "killed"
            if path.name == "part-4.parquet" and not mark.exists():
                mark.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return path

        class Deadly(readers.File):
            def parts(self, columns):
                deadly(self.path)
                return super().parts(columns)

        files = tuple(Deadly(path) for path in paths)
        columns = files[0].complete(Columns("kind", None, None))
        total = None
        for summary in stream._on_workers(client, files, partial(stream._of_piece, columns=columns, full=True)):
            total = summary if total is None else total.merge(summary)
        assert int((tmp_path / "killed").read_text()) != os.getpid()
        same_moments(total, want)
        same_moments(summarise(paths, target="kind", client=client), want)
        frame = dd.from_pandas(HOLES, npartitions=4)
        names = dd.from_pandas(HOLES.assign(island=np.where(HOLES["w"] > 0, "Rum", "Eigg")), npartitions=4)
        found = summarise(names, target="kind", named=True, client=client)
        assert found.levels == (None, None, None, None, ("Eigg", "Rum"))
        same_moments(summarise(frame, target="kind", client=client), want)

        def deadly_once(part, mark):
            if 5_000 in part.index and not os.path.exists(mark):
                with open(mark, "w") as file:
                    file.write(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return part

        mark = str(tmp_path / "killed once more")
        dying = frame.map_partitions(deadly_once, mark, meta=HOLES.iloc[:0])
        same_moments(summarise(dying, target="kind", client=client), want)
        with open(mark) as file:
            assert int(file.read()) != os.getpid()
    same_moments(summarise(frame, target="kind"), want)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of a cluster whose worker was killed
def test_a_part_that_no_worker_survives_is_named(tmp_path):
    dask = pytest.importorskip("dask")
    distributed = pytest.importorskip("distributed")
    import dask.dataframe as dd

    class Fatal(readers.File):
        def parts(self, columns):
            os.kill(os.getpid(), signal.SIGKILL)

    path = written(tmp_path, HOLES, parts=1)[0]
    columns = readers.File(path).complete(Columns("kind", None, None))
    settings = {"distributed.worker.daemon": False, "distributed.scheduler.allowed-failures": 0}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        bad = TABLE.copy()
        bad.loc[5_000, "x"] = np.inf
        with pytest.raises(DataError, match=r"row 500 of partition 2, column 'x' is inf"):
            summarise(dd.from_pandas(bad, npartitions=4), target="kind", client=client)
        for kind in (ValueError, TimeoutError):

            def fails(part, kind=kind):
                if 5_000 in part.index:
                    raise kind("the disk is\nfull")
                return part

            frame = dd.from_pandas(HOLES, npartitions=4).map_partitions(fails, meta=HOLES.iloc[:0])
            for where in (client, None):
                said = rf"partition 2 cannot be computed: {kind.__name__}: the disk is full"
                with pytest.raises(DataError, match=said), dask.config.set(scheduler="synchronous"):
                    summarise(frame, target="kind", client=where)
        with pytest.raises(DataError, match=r"part-0\.parquet': every worker that read it died"):
            list(stream._on_workers(client, [Fatal(path)], partial(stream._of_piece, columns=columns, full=True)))


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_without_workers_is_not_waited_for(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")

    monkeypatch.setattr(stream, "LONELY", 2)
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(DataError, match=r"part-0.parquet. is not read: the cluster has had no worker for 2 s"),
    ):
        summarise(written(tmp_path, HOLES, parts=2), target="kind", client=client)


def test_a_response_that_is_all_but_exact_keeps_its_rows():
    """Noise of a millionth: its variance is a 1e-12th of that of y, and as much of it as rounding would be lost."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4_000, 2))
    y = x @ [1.0, 2.0] + 1e-6 * rng.normal(size=4_000)
    least = np.linalg.lstsq(np.column_stack([np.ones(4_000), x]), y)[1]
    fit = mle(linear_regression, x, y)
    assert fit.compression.startswith("all 4000 rows: near the mode, fewer are")
    np.testing.assert_allclose(fit.params["sigma"].item(), np.sqrt(least / 4_000).item(), rtol=1e-6)
    with pytest.raises(DataError, match="no longer at hand"):
        mle(linear_regression, replace(summarise(x, y), sources=None))


def test_row_labels_of_pandas_are_no_feature(tmp_path):
    shuffled = TABLE.sample(frac=1.0, random_state=0)
    shuffled.to_parquet(tmp_path / "a.parquet")
    assert summarise(tmp_path, target="kind").columns == tuple(FEATURES)
    shuffled.to_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match="a column without a name, as an index has"):
        summarise(tmp_path / "a.csv", target="kind")
    with pytest.raises(DataError, match="holds both kinds of files"):
        summarise(tmp_path, target="kind")


def test_features_are_chosen_alike_everywhere(tmp_path):
    (path,) = written(tmp_path, TABLE, parts=1)
    in_memory = summarise(TABLE[FEATURES], TABLE["kind"], features=["y", "w"])
    same_moments(in_memory, summarise(path, target="kind", features=["y", "w"]))
    assert in_memory.columns == ("y", "w")
    for features, said in ((["y", "y"], "asked for twice"), ("yw", "several names"), ([], "no column")):
        for data in (TABLE[FEATURES], path):
            with pytest.raises(DataError, match=said):
                summarise(data, features=features)
    with pytest.raises(DataError, match="'kind' is asked for twice"):
        summarise(path, features=["y", "kind"], target="kind")


@pytest.mark.slow
def test_a_rare_kind_of_row_that_the_sample_misses_is_not_lost():
    """200,000 rows, 4 of which have a level of a factor that 5,000 of them likely miss; 30 more cells say so."""

    def factor(x, y=None):
        a = numpyro.sample("a", dist.Normal(0, 10).expand([20]).to_event(1))
        s = numpyro.sample("s", dist.HalfNormal(3))
        numpyro.sample("y", dist.Normal(a[x[:, 0].astype(int)], s), obs=y)

    group = RNG.integers(19, size=200_000)
    group[[7, 70_000, 140_000, 199_999]] = 10  # a level between others, which no extreme shows
    group[np.flatnonzero(group == 10)[4:]] = 11
    y = 5.0 * (group == 10) + 0.5 * RNG.normal(size=200_000)
    fit = map_estimate(factor, group[:, None].astype(float), y)
    assert ": exact to" in fit.compression
    for k in (3, 10):
        np.testing.assert_allclose(fit.params["a"][0, 0, k], y[group == k].mean(), rtol=0.01, atol=1e-3)
    residual = y - pd.Series(y).groupby(group).transform("mean")
    np.testing.assert_allclose(fit.params["s"].item(), residual.std(), rtol=1e-3)


def test_a_prior_that_looks_at_the_table_takes_no_weights():
    def looks(x, y=None):
        b = numpyro.sample("b", dist.Normal(0, x[:, 0].std()))
        numpyro.sample("y", dist.Normal(b * x[:, 0], 1.0), obs=y)

    with pytest.raises(ModelError, match="a row stands once and not as often as its weight says"):
        mle(looks, X[:50, :1], X[:50, 1], weights=np.full(50, 2.0))


def test_what_files_must_not_be(tmp_path):
    table = TABLE[FEATURES].iloc[:300].assign(few=[0.0, np.inf] * 150, w2="a", listed=[[1]] * 300, none=None)
    table.to_parquet(tmp_path / "a.parquet")
    path = tmp_path / "a.parquet"
    cases = {
        "must be a finite number, got inf": {"target": "few", "features": ["w"]},
        "column 'w2' holds 'a' in row 0": {"target": "few", "features": ["w"], "weights": "w2"},
        "'listed' of .* holds list": {"target": "listed", "features": ["w"]},
        "weights of files is the name of a column": {"features": ["w"], "weights": np.ones(300)},
        "has no value at all": {"features": ["w", "none"], "target": "x"},
    }
    for said, named in cases.items():
        with pytest.raises(DataError, match=said):
            mle(linear_regression, summarise(path, **named)) if "weights" not in named else summarise(path, **named)


def test_truth_values_are_numbers_and_other_encodings_are_refused(tmp_path):
    table = TABLE[["w", "kind"]].assign(large=TABLE["w"] > 0)[:200]
    table.to_csv(tmp_path / "a.csv", index=False)
    same_moments(summarise(tmp_path / "a.csv", target="kind"), summarise(table[["w", "large"]], table["kind"]))
    (tmp_path / "b.csv").write_bytes("w,kind\n1,\xe9\n2,b\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"'kind' of .* holds bytes, or text that is not UTF-8"):
        summarise(tmp_path / "b.csv", target="kind")
