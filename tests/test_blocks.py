"""How queries run: compiled once for tables of like size, and from few draws where these tell all others."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import blocks, fewdraws, laplace, mle
from bayeszoo.inference.declare import declare
from bayeszoo.inference.densities import averaged
from bayeszoo.inference.fewdraws import averaged_by_few
from bayeszoo.inference.table import make_spec
from bayeszoo.models import gaussian_naive_bayes, linear_regression
from sklearn.datasets import load_iris

X, SPECIES = load_iris(return_X_y=True)
QUESTIONS = {
    "label posterior": (gaussian_naive_bayes, lambda fit, n: fit.log_label_posterior(X[:n])),
    "joint, each draw": (gaussian_naive_bayes, lambda fit, n: fit.log_joint(X[:n], draws=True)),
    "generate": (gaussian_naive_bayes, lambda fit, n: fit.generate(n, label=0)),
    "summary": (linear_regression, lambda fit, n: fit.predict(X[:n, :3])),
    "draws of y": (linear_regression, lambda fit, n: fit.predict(X[:n, :3], draws=True)),
}


@cache
def fitted(model):
    return mle(model, X, SPECIES) if model is gaussian_naive_bayes else mle(model, X[:, :3], X[:, 3])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "ask"), QUESTIONS.values(), ids=QUESTIONS)
def test_37_and_then_41_rows_compile_once(model, ask, compilations):
    fit = fitted(model)
    ask(fit, 37)
    with compilations() as found:
        ask(fit, 41)
        assert len(found) == 0
        jax.jit(lambda x: x + 1)(1.0)
        assert len(found) > 0


def test_a_row_is_answered_alike_in_any_table():
    fit = fitted(gaussian_naive_bayes)
    long = np.resize(X, (blocks.BLOCK + 3, X.shape[1]))
    short = fit.log_joint(X).values
    np.testing.assert_allclose(fit.log_joint(long), np.resize(short, (len(long), 3)), rtol=1e-13)


@pytest.mark.slow
def test_an_accelerator_answers_of_wider_blocks(monkeypatch):
    """As JAX's backend decides: 4,096 rows at a time where it is the CPU, else 262,144."""
    fit, seen = laplace(gaussian_naive_bayes, X, SPECIES, draws=10), []
    long = np.resize(X, (5 * blocks.BLOCK, X.shape[1]))

    want = fit.log_joint(long)
    monkeypatch.setattr(blocks.jax, "default_backend", lambda: "gpu")
    size_of = blocks.block_size
    monkeypatch.setattr(blocks, "block_size", lambda *given: seen.append(size_of(*given)) or seen[-1])
    np.testing.assert_allclose(fit.log_joint(long), want, rtol=1e-13)
    assert seen == [8 * blocks.BLOCK]  # the least that holds all rows


ROOMS = [(3, 64), (65, 64), (256, 512), (1_000, 512), (2_048, 4_096), (10**6, 4_096)]


@pytest.mark.parametrize(("rows", "size"), ROOMS)
def test_blocks_are_at_least_half_full_but_for_the_least(rows, size):
    assert blocks.block_size(rows) == size
    assert blocks.room_for(rows) >= min(rows, blocks.BLOCK)


def static(model, classes, question, partly=False):
    keywords = {"model": declare(model), "classes": classes, "sites": ("x", "y")}
    return {**keywords, "question": question, "partly": partly, "alike": False}


@pytest.mark.parametrize("holes", [False, True], ids=["complete", "with missing features"])
@pytest.mark.parametrize("question", ["joint", "posterior"])
def test_few_draws_tell_all_others_of_a_naive_bayes(holes, question):
    fit = laplace(gaussian_naive_bayes, X, SPECIES, draws=100)
    x, codes = np.where(holes & (np.arange(600).reshape(150, 4) % 7 == 0), np.nan, X), np.zeros(150, dtype=int)
    keywords = static(gaussian_naive_bayes, 3, question, holes)
    with jax.enable_x64(True), pytest.MonkeyPatch.context() as patch:
        params = {name: jnp.asarray(value) for name, value in fit.flat_params.items()}
        want = averaged(params, fit.spec, jnp.asarray(x), jnp.asarray(codes), **keywords)
        assert averaged_by_few(params, fit.spec, x, codes, **keywords) is None  # not worth it
        patch.setattr(fewdraws, "WORTH", 0)
        got = averaged_by_few(params, fit.spec, x, codes, **keywords)
        few, _ = fewdraws._few_draws(params, fit.spec, x, codes, **keywords)
    assert few.shape == (3, 13 if holes else 9)  # 1, x_j and x_j^2; where a feature may be missing, 1 of each
    np.testing.assert_allclose(got, want, atol=1e-11)


def parameters(draws):
    rng = np.random.default_rng(0)
    return {"mu": jnp.asarray(rng.normal(size=draws)), "sigma": jnp.asarray(rng.uniform(1, 2, size=draws))}


def normal(x, y=None, *, odd=np.inf):
    """Normal, but for a row at ``odd``, whose density is none of a quadratic polynomial's."""
    mu, sigma = numpyro.sample("mu", dist.Normal(0, 1)), numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("row", len(x)):
        centre = jnp.where(jnp.abs(x[:, 0] - odd) < 1e-6, mu**4, mu)
        numpyro.sample("x", dist.Normal(centre[:, None], sigma).to_event(1), obs=x)


def test_one_row_that_few_draws_do_not_tell_is_found(monkeypatch):
    monkeypatch.setattr(fewdraws, "WORTH", 0)
    x, codes = np.linspace(-3, 3, 5000)[:, None], np.zeros(5000, dtype=int)
    odd = x[2345, 0]
    spec = make_spec(x, None, 1)
    with jax.enable_x64(True):
        search = partial(fewdraws._few_draws, parameters(200), spec, x, codes)
        assert search(**static(partial(normal, odd=odd), 1, "joint"))[0].shape == (1, 3)  # the sample misses it
        assert averaged_by_few(parameters(200), spec, x, codes, **static(normal, 1, "joint")) is not None
        assert averaged_by_few(parameters(200), spec, x, codes, **static(partial(normal, odd=odd), 1, "joint")) is None


def test_memory_of_few_draws_does_not_grow_with_all_draws():
    """What the compiled program of one block allocates: less than a number for each draw and row."""
    draws, rows = 4000, fewdraws.BLOCK
    with jax.enable_x64(True):
        x, spec = jnp.ones((rows, 4)), make_spec(X, None, 3)
        few = {name: jnp.ones((3, 9 + 16, *shape)) for name, shape in [("pi", (3,)), ("mu", (3, 4)), ("sigma", (3, 4))]}
        data = (few, jnp.ones((3, 9, draws)), jnp.arange(16), spec, x, jnp.zeros(rows, dtype=int))
        program = fewdraws._averaged.lower(*data, **static(gaussian_naive_bayes, 3, "posterior"))
        assert program.compile().memory_analysis().temp_size_in_bytes < draws * rows * 8 / 2
