"""Every model of the zoo, by name: fits with hidden labels and missing cells, Bayes' identity, names, generation, and
cells that it has no place for, said by row, column and value.

A model that is added to the catalogue is met here, on a table of the kind that it takes.
"""

import warnings
from functools import partial

import jax
import numpy as np
import pandas as pd
import pytest
from bad_cells import refuses_bad_cells
from bayeszoo.inference import FitWarning, NoMaximumError, laplace, map_estimate, mle, nuts, svi
from bayeszoo.inference.problem import Problem
from bayeszoo.inference.target import log_target
from bayeszoo.models.catalogue import ZOO

ROWS = 150
RNG = np.random.default_rng(0)
KIND = np.arange(ROWS) % 3
NUMBERS = pd.DataFrame(
    RNG.normal(size=(ROWS, 3)) + 1.5 * KIND[:, None] * [1, -1, 0.5], columns=["width", "depth", "mass"]
)
COUNTS = pd.DataFrame(RNG.poisson(2.0 + 3 * KIND[:, None] * [1, 0, 0.5]), columns=["visits", "calls", "mails"])
BITS = pd.DataFrame(
    (RNG.random((ROWS, 3)) < 0.2 + 0.3 * KIND[:, None] * [1, 0.5, 1]).astype(float), columns=list("abc")
)
NAMES = pd.DataFrame(
    {
        "colour": np.array(["red", "green", "blue"])[(KIND + RNG.choice(3, ROWS, p=[0.6, 0.2, 0.2])) % 3],
        "shape": np.where(RNG.random(ROWS) < 0.2 + 0.3 * KIND, "round", "long"),
        "taste": np.where(RNG.random(ROWS) < 0.8 - 0.3 * KIND, "sweet", "sour"),
    }
)
MIXED = NUMBERS[["width"]].join(COUNTS[["visits"]]).join(NAMES[["colour"]])
VOTES = pd.DataFrame({f"rater {r}": np.array(["no", "yes"])[(KIND + (RNG.random(ROWS) < 0.15)) % 2] for r in range(3)})
LABEL = pd.Series(np.array(["ant", "bee", "cow"])[KIND], name="animal")
LEVEL = NUMBERS["width"] + RNG.normal(size=ROWS)  # labels that overlap, so that no regression separates them
TWO, THREE = (pd.Series(np.asarray(pd.cut(LEVEL, cuts, labels=list(names))), name="size") for cuts, names in (
    ([-np.inf, 1.0, np.inf], "ab"), ([-np.inf, 0.5, 2.5, np.inf], "abc")))  # fmt: skip
NUMBER = (1.0 + NUMBERS["width"] + RNG.normal(size=ROWS)).rename("score")
COUNT = pd.Series(RNG.poisson(np.exp(0.3 + 0.3 * NUMBERS["width"])), name="events")
TABLES = {
    "linear_regression": (NUMBERS, NUMBER),
    "robust_regression": (NUMBERS, (NUMBERS["width"] + RNG.standard_t(2, ROWS)).rename("score")),
    "horseshoe_regression": (NUMBERS, NUMBER),
    "mixture_of_regressions": (NUMBERS, NUMBER),
    "poisson_regression": (NUMBERS, COUNT),
    "negative_binomial_regression": (NUMBERS, COUNT),
    "logistic_regression": (NUMBERS, TWO),
    "softmax_regression": (NUMBERS, THREE),
    "ordinal_regression": (NUMBERS, THREE),
    "hierarchical_regression": (NAMES[["colour"]].join(NUMBERS[["width"]]), NUMBER),
    "fixed_variance_mixture": (NUMBERS, None),
    "gaussian_mixture": (NUMBERS, None),
    "latent_class": (NAMES, None),
    "probabilistic_pca": (NUMBERS, None),
    "bernoulli_naive_bayes": (BITS, LABEL),
    "poisson_naive_bayes": (COUNTS, LABEL),
    "multinomial_naive_bayes": (COUNTS, LABEL),
    "categorical_naive_bayes": (NAMES, LABEL),
    "mixed_naive_bayes": (MIXED, LABEL),
    "dawid_skene": (VOTES, None),
}
# Of documents only totals are modelled, of which a word that nobody counted is none; regressions have no P(x).
WHOLE = {"multinomial_naive_bayes"} | {name for name in ZOO if "regression" in name}
FITS = {
    "map": map_estimate,
    "mle": mle,
    "laplace": partial(laplace, draws=50, chains=2),
    "svi": partial(svi, draws=50, steps=200),
    "nuts": partial(nuts, draws=50, warmup=100, chains=2),
}
ROTATES = {"probabilistic_pca", "pca_discriminant"}  # factors that turn at no cost: no normal has that shape
LONG = [pytest.param(name, marks=pytest.mark.long) for name in FITS if name != "map"]


def table_of(name):
    """x with every tenth cell missing, and y with every third label hidden, where the model can do without these."""
    x, y = TABLES.get(name, (NUMBERS, LABEL))
    if name not in WHOLE:
        x = x.mask(np.random.default_rng(1).random(x.shape) < 0.1)
        x = x.astype({c: "Int64" for c in x if c == "visits"})  # whole numbers stay whole numbers
        y = None if y is None else y.astype(object).where(np.arange(ROWS) % 4 > 0)
    return x, y


@pytest.mark.slow
@pytest.mark.parametrize("by", ["map", *LONG])
@pytest.mark.parametrize("name", ZOO)
def test_it_is_fitted_asked_and_generates(name, by):
    """Rows generated for a label are given it as often as P(label) says: 5 standard errors, false-alarm rate 6e-7."""
    x, y = table_of(name)
    if name in ROTATES and by in ("laplace", "svi"):
        with pytest.raises(NoMaximumError, match="no normal fits there; use nuts"):
            FITS[by](ZOO[name].model, x, y)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # the runs are short
        fit = FITS[by](ZOO[name].model, x, y)
    assert all(np.isfinite(value).all() for value in fit.params.values())
    assert fit.schema.columns == tuple(x.columns)
    if y is not None:
        known = y.notna().to_numpy()
        assert np.isfinite(fit.log_conditional(x[known], y[known])).all()
        if name != "robust_regression":  # whose y may have no variance, as predict says
            assert fit.predict(x).sizes["row"] == ROWS
    if by == "map":
        refuses_bad_cells(fit, partial(map_estimate, ZOO[name].model), x, y)
    if not fit.shape.generative:
        return
    labels = fit.label_coordinate.tolist() if fit.shape.classes else None
    if labels is None:
        assert np.isfinite(fit.log_marginal(x)).all()
        assert list(fit.generate(20).to_pandas()) == list(x.columns)
        return
    assert y is None or labels == sorted(set(y.dropna()))
    joint = fit.log_joint(x)
    one_way = fit.log_label_prior() + fit.log_class_conditional(x)
    other_way = fit.log_marginal(x) + fit.log_label_posterior(x)
    np.testing.assert_allclose(one_way.transpose(*joint.dims), joint, atol=1e-8)
    np.testing.assert_allclose(other_way.transpose(*joint.dims), joint, atol=1e-8)
    rows = fit.generate(300, label=labels).to_pandas()
    assert set(rows) - {fit.schema.target} == set(x.columns)
    for column in x:
        assert rows[column].dtype.kind in "biuf" or set(rows[column]) <= set(x[column].dropna())
    asked = np.repeat(np.arange(len(labels)), 300)
    if fit.schema.target in rows:
        asked = np.array([labels.index(label) for label in rows[fit.schema.target].tolist()])
    given = fit.log_class_conditional(rows[list(x.columns)]).transpose("row", "label").values
    p = np.exp(given - np.logaddexp.reduce(given, axis=1)[:, None])  # of labels that are equally frequent
    surest, right = p.max(axis=1), p.argmax(axis=1) == asked
    assert abs((right - surest).sum()) < 5 * np.sqrt((surest * (1 - surest)).sum()) + 1e-6


COMPRESSED = {  # rows that 4,500, some of them with missing cells, come to at most
    "linear_regression": 10,
    "gaussian_naive_bayes": 60,
    "bernoulli_naive_bayes": 400,
    "categorical_naive_bayes": 400,
    "multinomial_naive_bayes": 400,
    "poisson_naive_bayes": 1_500,
    "mixed_naive_bayes": 1_500,
    "linear_discriminant": 120,
    "quadratic_discriminant": 120,
}
REFUSED = ("robust_regression", "softmax_regression", "logistic_regression", "fixed_variance_mixture")


def many(name):
    """The table 30 times over, its numbers with noise, and all labels known."""
    x, y = table_of(name)
    x, y = (None if part is None else pd.concat([part] * 30, ignore_index=True) for part in (x, y))
    for column in x:
        if column in NUMBERS:
            x[column] += np.random.default_rng(2).normal(size=len(x))
    return x, None if y is None else y.fillna("ant") if y.dtype == object else y


@pytest.mark.parametrize("name", [*COMPRESSED, *REFUSED])
def test_few_rows_have_the_posterior_of_all_or_are_not_taken(name):
    """The log posterior differs from that of all rows by a constant, to 1e-9, at vectors the engine did not see."""
    x, y = many(name)
    with jax.enable_x64(True):
        few, every = (Problem(ZOO[name].model, x, y, compression=compression) for compression in (True, False))
        if name in REFUSED:
            assert few.compression.startswith(f"all {len(x)} rows"), few.compression
            return
        assert int(few.compression.split()[3].rstrip(",")) <= COMPRESSED[name], few.compression
        a, b = (
            np.array([float(log_target(v, p.spec, p.rows, prior=True, jacobian=True, **p.keywords)) for v in vectors])
            for p in (few, every)
            for vectors in [few.prior_draws(7)[:4]]
        )
    constant = (a - b)[np.abs(b).argmin()]
    np.testing.assert_allclose(a - constant, b, rtol=1e-9)
