"""Columns of names and counts: names in, names out, and every model of them against an oracle of its own."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, ModelError, impute, laplace, map_estimate, mle, summarise
from bayeszoo.inference.queries import log_likelihood
from bayeszoo.models import (
    categorical_naive_bayes,
    dawid_skene,
    gaussian_naive_bayes,
    hierarchical_regression,
    latent_class,
    mixed_naive_bayes,
)
from bayeszoo.workflow import datasets, store
from scipy import stats
from sklearn.naive_bayes import CategoricalNB
from sklearn.preprocessing import OrdinalEncoder

PENGUINS = datasets.load("penguins").dropna().reset_index(drop=True)
NAMED = PENGUINS[["island", "sex"]]
SPECIES = PENGUINS["species"]
RNG = np.random.default_rng(0)
MIXED = PENGUINS[["island", "bill_length_mm", "sex"]].assign(visits=RNG.poisson(2.0, len(PENGUINS)))


def one(fit, name):
    return fit.posterior()[name].values[0, 0]


@pytest.mark.slow
def test_categorical_naive_bayes_is_scikit_learns(proved):
    """Smoothing by 1 is the mode under Dirichlet(2, ...)."""
    fit = map_estimate(partial(categorical_naive_bayes, alpha=2.0), NAMED, SPECIES)
    codes = OrdinalEncoder().fit_transform(NAMED)
    peer = CategoricalNB(alpha=1.0).fit(codes, SPECIES)
    who = "categorical_naive_bayes", "scikit-learn's CategoricalNB"
    proved(*who, one(fit, "theta_0"), np.exp(peer.feature_log_prob_[0]))
    proved(*who, fit.assign(NAMED, soft=True), peer.predict_proba(codes))


@pytest.mark.slow
def test_names_come_back():
    fit = map_estimate(mixed_naive_bayes, MIXED, SPECIES)
    share = fit.posterior()["theta_0"].sel(label="Adelie", island="Torgersen").item()
    assert share == pytest.approx(np.mean(PENGUINS["island"][SPECIES == "Adelie"] == "Torgersen"), abs=0.01)
    assert fit.posterior()["rate"].sel(count="visits", label="Gentoo").item() == pytest.approx(2.0, abs=0.5)
    assert set(fit.posterior()["mu"].coords["number"].values) == {"bill_length_mm"}
    rows = fit.generate(50, label="Adelie").to_pandas()
    assert set(rows["island"]) <= set(PENGUINS["island"])
    assert set(rows["sex"]) <= set(PENGUINS["sex"])
    assert rows["visits"].dtype.kind == "i"  # counts stay counts, for another fit, too
    bits = map_estimate(mixed_naive_bayes, MIXED.assign(male=PENGUINS["sex"] == "male"), SPECIES)
    assert bits.schema.each_levels[-1] == (False, True)
    assert set(bits.generate(50, label="Adelie").to_pandas()["male"]) == {False, True}
    seen = MIXED.astype({"visits": "Int64"})  # whole numbers, one of which is missing
    seen.loc[5, "visits"] = pd.NA
    assert map_estimate(mixed_naive_bayes, seen, SPECIES).schema.each_levels == bits.schema.each_levels[:-1]
    holes = MIXED.astype({"visits": "Int64"})
    holes.loc[3, "visits"] = pd.NA
    filled = impute(fit, holes)
    assert filled["visits"].dtype.kind == "i"
    assert fit.assign(filled).sizes["row"] == len(MIXED)


@pytest.mark.slow
def test_mixed_naive_bayes_by_hand(proved):
    """Maximum likelihood: each column's own, and log P(x, y) is the sum over columns."""
    table = MIXED.drop(columns="island")  # where a species is on one island only, its share has no maximum
    fit = mle(mixed_naive_bayes, table, SPECIES)
    want = np.empty((len(table), 3))
    for k, label in enumerate(fit.schema.labels):
        own = MIXED[label == SPECIES]
        number = stats.norm(own["bill_length_mm"].mean(), own["bill_length_mm"].std(ddof=0))
        count = stats.poisson(own["visits"].mean())
        want[:, k] = np.log(len(own) / len(MIXED)) + number.logpdf(MIXED["bill_length_mm"])
        want[:, k] += count.logpmf(MIXED["visits"])
        want[:, k] += np.log(table["sex"].map(own["sex"].value_counts(normalize=True)).astype(float))
    proved("mixed_naive_bayes", "each column's own maximum likelihood", fit.log_joint(table), want)


def test_a_missing_name_is_summed_out():
    fit = map_estimate(mixed_naive_bayes, MIXED, SPECIES)
    holes = MIXED[:6].copy()
    holes["island"] = None
    each = [fit.log_joint(MIXED[:6].assign(island=name)).values for name in sorted(set(MIXED["island"]))]
    np.testing.assert_allclose(fit.log_joint(holes), np.logaddexp.reduce(each), rtol=1e-9)
    some = MIXED.astype({"island": object})
    some.loc[::9, "island"] = None
    assert np.isfinite(map_estimate(mixed_naive_bayes, some, SPECIES).log_marginal(some)).all()


@pytest.mark.slow
def test_a_stored_fit_knows_its_names(tmp_path):
    fit = laplace(mixed_naive_bayes, MIXED, SPECIES, draws=20)
    store.save(fit, tmp_path)
    again = store.load(tmp_path)
    np.testing.assert_allclose(again.log_joint(MIXED), fit.log_joint(MIXED))
    assert again.update(MIXED[:9], SPECIES[:9]).summary.rows == len(MIXED) + 9


@pytest.mark.slow
def test_categories_that_no_row_shows_are_names():
    islands = pd.CategoricalDtype(["Biscoe", "Dream", "Torgersen", "Elsewhere"])
    fit = map_estimate(categorical_naive_bayes, NAMED.astype({"island": islands}), SPECIES)
    assert one(fit, "theta_0").shape == (3, 4)


def test_what_holds_no_names_or_others_is_said():
    fit = map_estimate(mixed_naive_bayes, MIXED, SPECIES)
    with pytest.raises(DataError, match="row 0, column 'island' is 'Atlantis', which is not one of Biscoe, Dream"):
        fit.assign(MIXED[:3].assign(island="Atlantis"))
    with pytest.raises(DataError, match="row 0, column 'visits' is -1, but it held counts"):
        fit.assign(MIXED[:3].assign(visits=-1))
    with pytest.raises(
        ModelError, match="takes columns of names, and column 'bill_length_mm' holds numbers; make it text"
    ):
        mle(categorical_naive_bayes, PENGUINS[["island", "bill_length_mm"]], SPECIES)
    with pytest.raises(DataError, match=r"column 'island' is constant .'here' in every row."):
        mle(categorical_naive_bayes, PENGUINS[["island", "sex"]].assign(island="here"), SPECIES)
    with pytest.raises(DataError, match="column 'island' holds 'Torgersen' in row 0, which is no number"):
        mle(gaussian_naive_bayes, MIXED, SPECIES)
    with pytest.raises(DataError, match=r"column .island. holds names .Biscoe, Dream, Torgersen., and gaussian"):
        mle(gaussian_naive_bayes, summarise(MIXED, SPECIES))


@pytest.mark.long
def test_latent_classes_are_found():
    """Two classes that answer ten questions alike with probability 0.9: all but a few rows are told apart."""
    truth = RNG.integers(0, 2, 400)
    x = pd.DataFrame(np.where((RNG.random((400, 10)) < 0.9) == truth[:, None], "yes", "no")).rename(columns=str)
    found = map_estimate(latent_class, x).assign(x).values
    assert max(np.mean(found == truth), np.mean(found != truth)) > 0.97


@pytest.mark.slow
def test_raters_are_told_apart(proved):
    """Five raters of skill 0.95 to 0.4 among three names: EM of Dawid and Skene, written here, agrees to 1e-4."""
    rng = np.random.default_rng(1)
    names = pd.CategoricalDtype(["a", "b", "c"])
    truth, skill = rng.integers(0, 3, 300), [0.95, 0.9, 0.8, 0.6, 0.4]
    said = np.array([np.where(rng.random(300) < s, truth, rng.integers(0, 3, 300)) for s in skill]).T
    votes = pd.DataFrame(np.array(names.categories)[said], columns=list("vwxyz")).astype(names)
    fit = map_estimate(dawid_skene, votes, labels=["a", "b", "c"])
    share = np.eye(3)[stats.mode(said, axis=1).mode]
    for _ in range(2_000):
        pi = share.mean(axis=0)
        counts = np.array([[[share[said[:, j] == c, k].sum() for c in range(3)] for k in range(3)] for j in range(5)])
        counts = counts + 2.0 * np.eye(3)  # the mode under Dirichlet(1, 3, 1)
        theta = counts / counts.sum(axis=-1, keepdims=True)
        log = np.log(pi) + sum(np.log(theta[j][:, said[:, j]]).T for j in range(5))
        new = np.exp(log - log.max(axis=1, keepdims=True))
        new /= new.sum(axis=1, keepdims=True)
        if np.abs(new - share).max() < 1e-10:
            break
        share = new
    who = "dawid_skene", "EM of Dawid and Skene"
    proved(*who, fit.assign(votes, soft=True), share, 1e-4)
    proved(*who, one(fit, "theta"), theta, 1e-4)
    assert fit.posterior()["theta"].sel(feature="v", label="a", label_2="b").shape == (1, 1)
    with pytest.raises(ModelError, match=r"column .v. holds 2 names.*make all columns categories of one list"):
        map_estimate(dawid_skene, votes.astype({"v": str}).assign(v=["a", "b"] * 150))
    with pytest.raises(DataError, match="hold labels, all of one list, and got x, y, z beside a, b, c"):
        map_estimate(dawid_skene, votes.assign(v=["x", "y", "z"] * 100))
    with pytest.raises(DataError, match="label 'yes' is not one of a, b, c"):
        map_estimate(dawid_skene, votes, ["yes", "no"] * 150)


@pytest.mark.slow
def test_what_raters_say_are_the_labels_in_their_own_order():
    names = pd.CategoricalDtype(["low", "high"])  # not in the order of the alphabet
    rng = np.random.default_rng(2)
    truth = np.where(rng.random(300) < 0.35, "low", "high")
    other = np.where(truth == "low", "high", "low")
    said = {name: np.where(rng.random(300) < 0.9, truth, other) for name in "uvw"}
    for y in (None, pd.Series(truth, dtype=names), pd.Series(truth)):
        fit = map_estimate(dawid_skene, pd.DataFrame(said).astype(names), y)
        right = fit.posterior()["theta"].sel(feature="u", label="high", label_2="high").item()
        assert right == pytest.approx(0.9, abs=0.06)
        assert np.mean(fit.assign(pd.DataFrame(said).astype(names)).values == truth) > 0.93


@pytest.mark.slow
def test_groups_are_pooled(proved):
    """log P(y | parameters) by hand, and a group of two rows is drawn to the others."""
    group = np.repeat(["a", "b", "c", "d", "e"], [40, 40, 40, 40, 2])
    x = pd.DataFrame({"school": group, "u": RNG.normal(size=162)})
    y = (3.0 + x["u"] + RNG.normal(size=162) + np.where(group == "e", 6.0, 0.0)).rename("score")
    fit = laplace(hierarchical_regression, x, y, draws=50)
    values = {name: value.reshape(200, *value.shape[2:])[7] for name, value in {**fit.params, **fit.derived}.items()}
    code = np.unique(group, return_inverse=True)[1]
    f = values["a_group"][code] + values["w_group"][code, 0] * (x["u"] - x["u"].mean())
    want = stats.norm(f, values["sigma"]).logpdf(y)
    rows = np.column_stack([code, x["u"]])
    got = log_likelihood(fit, rows, y.to_numpy()).reshape(200, -1)[7]
    proved("hierarchical_regression", "log P(y | x) of a draw by hand", got, want, 1e-8)
    level = fit.posterior()["a_group"].mean(("chain", "draw"))
    assert dict(level.coords.items())["school"].values.tolist() == list("abcde")
    assert fit.posterior()["w_group"].sel(school="e", number="u").shape == (4, 50)
    level = level.values
    alone = (y - (x["u"] - x["u"].mean()))[group == "e"].mean()  # the slope is about 1 in every group
    assert level[:4].max() < level[4] < alone
