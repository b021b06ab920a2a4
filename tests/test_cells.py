"""Single cells that a table should not have: what each is called, where it lies, and what to do about it."""

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, FitWarning, ModelError, map_estimate, mle
from bayeszoo.models import (
    dawid_skene,
    hierarchical_regression,
    mixed_naive_bayes,
    multinomial_naive_bayes,
    poisson_naive_bayes,
    poisson_regression,
)

RNG = np.random.default_rng(5)
LABEL = pd.Series(RNG.choice(["p", "q"], 60))
INDEX = [f"r{i}" for i in range(60)]
TABLE = pd.DataFrame({"flag": RNG.random(60) < 0.4, "visits": RNG.poisson(3, 60)}, INDEX)
COUNTS = pd.DataFrame(RNG.poisson(4, (60, 3)), INDEX, ["a", "b", "c"])


def with_cell(table, column, value):
    bad = table.astype({column: object})
    bad.loc["r7", column] = value
    return bad


@pytest.mark.slow
@pytest.mark.parametrize("value", [-1, 1.5])
def test_counts_but_for_one_cell_are_numbers_which_is_said(value):
    with pytest.warns(FitWarning, match=rf"'visits' is taken for numbers, as row r7 is {value}; all but 1 of 60 "):
        fit = map_estimate(mixed_naive_bayes, with_cell(TABLE, "visits", value), LABEL)
    assert len(fit.warnings) == 1
    assert "mu" in fit.params


def test_numbers_of_which_several_are_no_counts_are_numbers():
    table = TABLE.assign(visits=np.where(np.arange(60) < 2, 0.5, TABLE["visits"]))
    assert map_estimate(mixed_naive_bayes, table, LABEL).warnings == ()
    assert map_estimate(mixed_naive_bayes, TABLE, LABEL).warnings == ()


def test_truth_values_beside_a_number():
    bad = with_cell(TABLE, "flag", 2)
    said = "row r7, column 'flag' is 2, where others hold True or False; use one kind"
    with pytest.raises(DataError, match=said):
        map_estimate(mixed_naive_bayes, bad, LABEL)
    fit = map_estimate(mixed_naive_bayes, TABLE, LABEL)
    with pytest.raises(DataError, match=said):
        fit.log_joint(bad)
    one = TABLE.astype({"flag": int}).astype({"flag": object})
    one.loc["r7", "flag"] = True
    with pytest.raises(DataError, match="row r7, column 'flag' is True, where others hold numbers"):
        map_estimate(mixed_naive_bayes, one, LABEL)


def test_whole_numbers_beyond_float64():
    huge = 10**400
    said = "row r7, column 'b' is beyond 1.8e\\+308"
    with pytest.raises(DataError, match=said):
        mle(poisson_naive_bayes, with_cell(COUNTS, "b", huge), LABEL)
    fit = mle(poisson_naive_bayes, COUNTS, LABEL)
    with pytest.raises(DataError, match=said):
        fit.log_joint(with_cell(COUNTS, "b", -huge))
    with pytest.raises(DataError, match=r"row 7, column 1 \(from 0\) is beyond"):
        fit.log_joint(with_cell(COUNTS, "b", huge).to_numpy())
    response = pd.Series([1] * 7 + [huge] + [2] * 52)
    with pytest.raises(DataError, match="row 7: the response 'y' is beyond"):
        mle(poisson_regression, COUNTS, response)


def test_a_missing_cell_of_a_model_that_has_no_rule_for_fewer_columns():
    bad = COUNTS.astype(float)
    bad.loc["r7", "b"] = np.nan
    said = r"row {}, column 'b' is missing, which cannot be integrated out of P\(x\) of multinomial_naive_bayes; drop"
    with pytest.raises(DataError, match=said.format("r7")):
        map_estimate(multinomial_naive_bayes, bad, LABEL)
    fit = map_estimate(multinomial_naive_bayes, COUNTS, LABEL)
    with pytest.raises(DataError, match=said.format(7)):
        fit.log_label_posterior(bad)
    with pytest.raises(DataError, match=said.format("r7")):
        fit.update(bad, LABEL)


def test_columns_that_a_model_has_no_place_for_are_named():
    votes = pd.DataFrame({"ann": RNG.choice(list("ab"), 30), "bob": RNG.choice(list("abc"), 30)})
    with pytest.raises(ModelError, match="same names, and column 'ann' holds 2 names, where another holds 3; make"):
        map_estimate(dawid_skene, votes)
    two = pd.DataFrame({"town": list("ab") * 15, "street": list("xyz") * 10, "size": RNG.normal(size=30)})
    with pytest.raises(ModelError, match=r"takes one column of names.* and column 'street' holds names, too; leave"):
        map_estimate(hierarchical_regression, two, RNG.normal(size=30))
    with pytest.raises(ModelError, match="cannot be run: it takes one column of names"):
        map_estimate(hierarchical_regression, two[["size"]], RNG.normal(size=30))
