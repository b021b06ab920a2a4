"""Models that are edited between two fits of a process, as in a notebook: the second fit is of the new one."""

import importlib
import sys
from collections import deque
from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import ModelError, map_estimate
from bayeszoo.models import linear_regression
from numpyro import sample

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 1)), 1 + RNG.normal(size=60)
MEAN = pytest.approx(Y.mean(), rel=1e-3)
LESS_5 = pytest.approx(Y.mean() - 5, rel=1e-3)


def fitted(model):
    return map_estimate(model, X, Y).posterior()["a"].item()


class Shifted(dist.Normal):
    by = 0.0

    def further(self):
        return 0.0

    def log_prob(self, value):
        return dist.Normal(self.loc + self.by + self.further(), self.scale).log_prob(value)


class Below(Shifted):
    pass


def below(x, y=None):
    sample("y", Below(sample("a", dist.Normal(0, 100)) + 0 * x[:, 0], 1.0), obs=y)


@pytest.mark.parametrize(("name", "value"), [("by", 5.0), ("further", lambda self: 5.0)], ids=["value", "method"])
def test_a_base_class_with_another_value_or_method(monkeypatch, name, value):
    assert fitted(below) == MEAN
    monkeypatch.setattr(Shifted, name, value)
    assert fitted(below) == LESS_5


def test_a_class_that_is_written_anew(monkeypatch):
    assert fitted(below) == MEAN
    again = type("Below", (Shifted,), {"further": lambda self: 5.0})
    monkeypatch.setitem(globals(), "Below", again)
    assert fitted(below) == LESS_5


@pytest.mark.slow
def test_a_module_that_is_edited_and_read_again(monkeypatch, tmp_path):
    def write(by):
        (tmp_path / "edited_module.py").write_text(f"def shifted(value):\n    return value + {by}\nBY = {by}\n")
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write(0.0)
    module = importlib.import_module("edited_module")

    def called(x, y=None):
        sample("y", dist.Normal(module.shifted(sample("a", dist.Normal(0, 100))) + 0 * x[:, 0], 1.0), obs=y)

    def inside(x, y=None):
        from edited_module import BY

        sample("y", dist.Normal(sample("a", dist.Normal(0, 100)) + BY + 0 * x[:, 0], 1.0), obs=y)

    fits = [map_estimate(model, X, Y) for model in (called, inside)]
    assert [fit.posterior()["a"].item() for fit in fits] == [MEAN, MEAN]
    write(5.0)
    importlib.reload(module)
    assert [fitted(called), fitted(inside)] == [LESS_5, LESS_5]
    for fit in fits:
        with pytest.raises(ModelError, match="has changed since it was fitted"):
            fit.log_conditional(X, Y)
    monkeypatch.delitem(sys.modules, "edited_module")


@dataclass(slots=True)
class Slotted:
    scale: float


@pytest.mark.slow
def test_what_is_held_in_slots_deques_indices_and_function_attributes():
    slotted, row, series = Slotted(100.0), deque([100.0]), pd.Series([100.0, 0.01], index=["wide", "narrow"])

    def attribute():
        return attribute.scale

    def told():
        raise AssertionError("it is never called")

    attribute.scale = told.scale = 100.0
    models = {}
    for name, scale in (
        ("slots", lambda: slotted.scale),
        ("deque", lambda: row[0]),
        ("index", lambda: series["wide"]),
        ("attribute", attribute),
        ("another's attribute", lambda: told.scale),
    ):

        def model(x, y=None, scale=scale):
            sample("y", dist.Normal(sample("a", dist.Normal(0, scale())) + 0 * x[:, 0], 1.0), obs=y)

        models[name] = model
    assert [fitted(model) for model in models.values()] == [MEAN] * 5
    slotted.scale = row[0] = attribute.scale = told.scale = 0.01
    series.index = ["narrow", "wide"]
    for model in models.values():
        assert abs(fitted(model)) < 0.1


def test_a_table_that_is_bound_is_known_by_its_names():
    def model(x, y=None, *, scales):
        sample("y", dist.Normal(sample("a", dist.Normal(0, scales["a"])) + 0 * x[:, 0], 1.0), obs=y)

    one = pd.Series([100.0, 0.01], index=["a", "b"])
    assert fitted(partial(model, scales=one)) == MEAN
    assert abs(fitted(partial(model, scales=one.set_axis(["b", "a"])))) < 0.1


KEY = jax.random.key(3)
shape = 1


class Lazy:
    @cached_property
    def scale(self):
        return 100.0

    def __call__(self, x, y=None):
        jitter = 0 * jax.random.normal(KEY)
        sample(
            "y", dist.Normal(sample("a", dist.Normal(0, self.scale)) + jitter + jax.numpy.zeros(x.shape[0]), 1.0), obs=y
        )


KNOT = 0.0


def hinge(x, spec, outputs, loc=0.0, scale=1.0):
    return sample("b", dist.Normal(0, 10)) + sample("w", dist.Normal(0, 10)) * jnp.maximum(x[:, 0] - KNOT, 0)


@pytest.mark.slow
def test_what_a_bound_hypothesis_reads(monkeypatch):
    """Programs that are compiled go on with the old value, so that none may be compiled with the new one."""
    model = partial(linear_regression, hypothesis=hinge)
    old = map_estimate(model, X, Y)
    few = old.predict(X[:2])["mean"].values
    monkeypatch.setitem(globals(), "KNOT", 0.5)
    assert np.array_equal(old.predict(X[:2])["mean"].values, few)
    with pytest.raises(ModelError, match="reads from outside has changed since it was fitted; fit it again"):
        old.predict(np.zeros((1_000, 1)))
    with pytest.raises(ModelError, match="has changed since it was fitted; fit it again"):
        old.update(X[:2], Y[:2])
    new = map_estimate(model, X, Y).posterior()
    design = np.column_stack([np.ones(60), np.maximum(X[:, 0] - 0.5, 0)])
    assert [new["b"].item(), new["w"].item()] == pytest.approx(np.linalg.lstsq(design, Y)[0], rel=0.02)  # of the prior


class Centred:
    """Keeps what it has worked out from the first table that it saw."""

    shift = None

    def __call__(self, x):
        self.shift = 0.0 if self.shift is None else self.shift
        return x[:, 0] - self.shift


def test_a_bound_object_may_keep_what_it_works_out():
    def model(x, y=None, *, basis):
        sample("y", dist.Normal(sample("a", dist.Normal(0, 100)) + 0 * basis(x), 1.0), obs=y)

    fit = map_estimate(partial(model, basis=Centred()), X, Y)
    assert fit.posterior()["a"].item() == MEAN
    assert fit.predict(np.zeros((1_000, 1)))["mean"].values[0] == MEAN


MEMO, TIMES = {}, [0]


@pytest.mark.slow
def test_a_model_may_note_what_it_works_out():
    """A memo, a count of its own runs, and an attribute; an edit of the memo is one all the same."""

    class Object:
        def __call__(self, x, y=None):
            self.shape = x.shape
            TIMES[0] += 1
            width = MEMO.setdefault("width", 100.0)
            sample("y", dist.Normal(sample("a", dist.Normal(0, width)) + 0 * x[:, 0], 1.0), obs=y)

    model = Object()
    fits = [map_estimate(model, X, Y) for _ in range(2)]
    for fit in (*fits, *fits):
        assert fit.predict(np.zeros((TIMES[0] * 1_000, 1)))["mean"].values[0] == MEAN
    MEMO["width"] = 0.01
    with pytest.raises(ModelError, match="has changed since it was fitted"):
        fits[0].update(X, Y)
    assert abs(fitted(model)) < 0.1


LEVEL = 0.0


def raised(value, by):
    return value + by + LEVEL


@pytest.mark.parametrize("transform", [jax.vmap, jnp.vectorize])
def test_a_partial_in_a_transform_of_jax(monkeypatch, transform):
    wrapped = transform(partial(raised, by=0.0))

    def model(x, y=None):
        sample("y", dist.Normal(wrapped(sample("a", dist.Normal(0, 100)) + 0 * x[:, 0]), 1.0), obs=y)

    fit = map_estimate(model, X, Y)
    assert fit.posterior()["a"].item() == MEAN
    monkeypatch.setitem(globals(), "LEVEL", 5.0)
    assert fitted(model) == LESS_5
    with pytest.raises(ModelError, match="has changed since it was fitted"):
        fit.predict(np.zeros((1_000, 1)))


def test_what_is_no_change(monkeypatch):
    """A value that is computed when it is asked for, a key of JAX's, and a global named like an attribute."""
    fit = map_estimate(Lazy(), X, Y)
    assert fit.posterior()["a"].item() == MEAN
    monkeypatch.setitem(globals(), "shape", 2)
    assert np.isfinite(fit.log_conditional(X, Y)).all()


def test_modules_that_import_one_another(monkeypatch, tmp_path):
    """Ten of them, each of which the model names; and one that it imports from its own package."""
    names = [f"module_{i}" for i in range(10)]
    package = tmp_path / "edited_package"
    package.mkdir()
    lines = "\n".join(f"    from . import {name}" for name in names)
    text = f"import numpyro\nimport numpyro.distributions as dist\n\ndef model(x, y=None):\n{lines}\n"
    text += '    a = numpyro.sample("a", dist.Normal(0, 100))\n'
    text += f'    numpyro.sample("y", dist.Normal(a + {names[0]}.BY + 0 * x[:, 0], 1.0), obs=y)\n'
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(text)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in names:
        (package / f"{name}.py").write_text("\n".join(f"from . import {other}" for other in names) + "\nBY = 0.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    model = importlib.import_module("edited_package.models").model
    assert fitted(model) == MEAN
    sys.modules["edited_package.module_0"].BY = 5.0
    assert fitted(model) == LESS_5
    for name in [name for name in sys.modules if name.startswith("edited_package")]:
        monkeypatch.delitem(sys.modules, name)
