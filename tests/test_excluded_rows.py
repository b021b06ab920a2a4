"""Rows that a model has no density for, though they lie in its supports: none is lost in moments, old or new."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import DataError, NoMaximumError, map_estimate
from bayeszoo.models import bernoulli_naive_bayes, poisson_naive_bayes
from numpyro import plate, sample

RNG = np.random.default_rng(0)
ROWS = 20_000
UNSEEN = next(i for i in range(10, 100) if i not in set(np.random.default_rng(0).choice(ROWS, 5_000, replace=False)))


def exposed(x, y=None):
    """Counts by exposure: of none, no hit is possible."""
    sample("y", dist.Poisson(sample("a", dist.HalfNormal(2.0)) * x[:, 0]), obs=y)


@pytest.mark.slow
def test_a_hit_without_exposure():
    x = RNG.integers(1, 4, size=(ROWS, 1)).astype(float)
    y = RNG.poisson(2 * x[:, 0]).astype(float)
    assert "mean of each group" in map_estimate(exposed, x, y).compression
    x[UNSEEN], y[UNSEEN] = 0.0, 1.0
    x[UNSEEN - 1] = y[UNSEEN - 1] = 0.0  # which may be, and is an extreme of its column
    for compress in (True, False):
        with pytest.raises(NoMaximumError):
            map_estimate(exposed, x, y, compress=compress)


@pytest.mark.slow
def test_words_of_another_number():
    """Two rows, of eleven words and of nine, among rows of ten: their mean is ten."""

    def ten(x):
        p = sample("p", dist.Dirichlet(jnp.ones(2)))
        with plate("row", len(x)):
            sample("x", dist.Multinomial(10, p), obs=x)

    hits = RNG.binomial(10, 0.4, ROWS)
    x = np.column_stack([hits, 10 - hits]).astype(float)
    assert "mean of each group" in map_estimate(ten, x).compression
    unseen = [i for i in range(200) if i not in set(np.random.default_rng(0).choice(ROWS, 5_000, replace=False))][:2]
    x[unseen] = [[5.0, 6.0], [4.0, 5.0]]
    for compress in (True, False):
        with pytest.raises(NoMaximumError):
            map_estimate(ten, x, compress=compress)


class Ruled(dist.CategoricalProbs):
    """A label prior that excludes rows by a rule of the user's own."""

    def __init__(self, probs, ok):
        self.ok = ok
        super().__init__(probs)

    def log_prob(self, value):
        return super().log_prob(value) + jnp.log(1.0 * self.ok)


@pytest.mark.slow
def test_a_rule_of_the_label_prior():
    def model(x, y=None):
        p = sample("p", dist.Dirichlet(jnp.ones(2)))
        with plate("label", 2):
            m = sample("m", dist.Normal(0, 3).expand([3]).to_event(1))
        with plate("row", len(x)):
            ok = jnp.ones(len(x)) if x is None else x[:, 1] * x[:, 2] < 9
            y = sample("y", Ruled(p, ok), obs=y)
            sample("x", dist.Normal(m[y], 1.0).to_event(1), obs=x)

    x, y = RNG.normal(size=(ROWS, 3)), RNG.integers(2, size=ROWS)
    x[x[:, 1] * x[:, 2] >= 9, 1] = 0
    assert len(map_estimate(model, x, y).params) == 2
    x[UNSEEN, 1:] = -3.05
    with pytest.raises(NoMaximumError):
        map_estimate(model, x, y)


@pytest.mark.slow
def test_new_rows_are_looked_at_before_they_are_left_behind():
    bits = (RNG.random((ROWS, 3)) < 0.4).astype(float)
    counts, label = RNG.poisson(3, size=(ROWS, 3)).astype(float), RNG.integers(2, size=ROWS)
    for model, x, wrong in ((bernoulli_naive_bayes, bits, 0.5), (poisson_naive_bayes, counts, 1.5)):
        fit = map_estimate(model, x[:500], label[:500])
        new = x[500:].copy()
        new[UNSEEN, 0] = wrong
        with pytest.raises(DataError, match=rf"row {UNSEEN}, column 'x0' is {wrong}, but {model.__name__} takes"):
            fit.update(new, label[500:])
    x = RNG.integers(1, 4, size=(ROWS, 1)).astype(float)
    y = RNG.poisson(2 * x[:, 0]).astype(float)
    fit = map_estimate(exposed, x[:500], y[:500])
    assert fit.update(x[500:], y[500:]).summary.rows == ROWS
    x[UNSEEN + 500] = 0.0
    y[UNSEEN + 500] = 2.0
    with pytest.raises(DataError, match=rf"row {UNSEEN} cannot be under exposed, whose density is 0 there"):
        fit.update(x[500:], y[500:])
    with pytest.raises(DataError, match="row 3, column 'x0' is missing"):
        fit.update(np.where(np.arange(9)[:, None] == 3, np.nan, x[:9]), y[:9])
