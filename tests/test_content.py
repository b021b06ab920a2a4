"""What makes a value another: objects of every kind that differ in one number, and what is no difference."""

import copy
import datetime
import enum
import functools
import importlib
import os
import re
import sys
import types
import weakref
from collections import Counter, namedtuple
from contextvars import ContextVar
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter, itemgetter
from types import SimpleNamespace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from bayeszoo.inference import ModelError, map_estimate
from bayeszoo.inference.content import content
from numpyro import sample
from numpyro.distributions import transforms
from scipy import stats
from scipy.interpolate import CubicSpline


class FixedPrior(dist.Distribution):
    """As people write them: what it holds is not among the fields that NumPyro is told of."""

    support = dist.constraints.real

    def __init__(self, width):
        self.width = width
        super().__init__()

    def sample(self, key, sample_shape=()):
        return self.width * jax.random.normal(key, sample_shape)

    def log_prob(self, value):
        return dist.Normal(0, self.width).log_prob(value)


class Scaling(transforms.ParameterFreeTransform):
    def __init__(self, by):
        self.by = by


class Named(str):
    pass


class Settings(dict):
    pass


class Row(list):
    pass


class Column(np.ndarray):
    pass


class Kind(enum.IntEnum):
    ONE = 1
    TWO = 2


class Silent:
    """Whose copies and files do not have what it holds."""

    def __init__(self, by):
        self.by = by

    def __getstate__(self):
        return {}


class Side(enum.Flag):
    LEFT = 1
    RIGHT = 2


def shifted(by):
    return lambda value: value + by


def subtracted(by):
    return lambda value: value - by


def with_width(value, width):
    value.width = width
    return value


Point = namedtuple("Point", "a b")
PAIRS = {
    "distribution of one's own": (FixedPrior(10.0), FixedPrior(0.01)),
    "transform of one's own": (Scaling(1.0), Scaling(2.0)),
    "distribution": (dist.Normal(0, 1), dist.Normal(0, 2)),
    "truncated": (dist.TruncatedNormal(0, 1, low=0.0), dist.TruncatedNormal(0, 1, low=0.5)),
    "transform": (transforms.AffineTransform(0, 1), transforms.AffineTransform(0, 2)),
    "composed": tuple(transforms.ComposeTransform([transforms.AffineTransform(0, k)]) for k in (1, 2)),
    "constraint": (dist.constraints.interval(0, 1), dist.constraints.interval(0, 2)),
    "timestamp": (pd.Timestamp("2021-05-15"), pd.Timestamp("2020-02-01")),
    "time zone": (pd.Timestamp("2020", tz="UTC"), pd.Timestamp("2020")),
    "period": (pd.Period("2020"), pd.Period("2021")),
    "offset": (pd.offsets.Day(1), pd.offsets.Day(2)),
    "pandas interval": (pd.Interval(0, 1), pd.Interval(0, 2)),
    "index": (pd.Index([1]), pd.Index([2])),
    "categories": (pd.Categorical(["a"], ["a", "b"]), pd.Categorical(["a"], ["b", "a"])),
    "date": (datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)),
    "datetime": (datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2)),
    "datetime64": (np.datetime64("2020"), np.datetime64("2021")),
    "decimal": (Decimal(1), Decimal(2)),
    "fraction": (Fraction(1, 2), Fraction(1, 3)),
    "range": (range(3), range(4)),
    "slice": (slice(1), slice(2)),
    "pattern": (re.compile("a"), re.compile("b")),
    "enumeration": (Kind.ONE, Kind.TWO),
    "counter": (Counter("a"), Counter("b")),
    "namespace": (SimpleNamespace(a=1), SimpleNamespace(a=2)),
    "named tuple": (Point(1, 2), Point(1, 3)),
    "dict with an attribute": (with_width(Settings(), 1), with_width(Settings(), 2)),
    "list with an attribute": (with_width(Row(), 1), with_width(Row(), 2)),
    "text with an attribute": (with_width(Named("a"), 1), with_width(Named("a"), 2)),
    "array with an attribute": tuple(with_width(np.zeros(2).view(Column), k) for k in (1, 2)),
    "object that hides its state": (Silent(1), Silent(2)),
    "method of a distribution": (dist.Normal(0, 1).expand, dist.Normal(0, 2).expand),
    "method of an array": (jnp.ones(2).dot, jnp.zeros(2).dot),
    "method of a list": ([1].append, [2].append),
    "method of a number": ((1).__add__, (2).__add__),
    "method of a spline": tuple(CubicSpline([0, 1, 2], [0, 1, k]).derivative for k in (0, 1)),
    "method of scipy's": (stats.norm(0, 1).logpdf, stats.norm(0, 2).logpdf),
    "function of a library": (np.exp, np.log),
    "built-in function": (len, max),
    "itemgetter": (itemgetter(0), itemgetter(1)),
    "compiled partial": (jax.jit(functools.partial(max, 1)), jax.jit(functools.partial(max, 2))),
    "mapped partial": (jax.vmap(functools.partial(max, 1)), jax.vmap(functools.partial(max, 2))),
    "function that remembers": tuple(functools.cache(shifted(k)) for k in (1, 2)),
    "function for arrays": tuple(np.frompyfunc(shifted(k), 1, 1) for k in (1, 2)),
    "class": tuple(type("One", (), {"__level__": k}) for k in (1, 2)),
    "vectorised function": (np.vectorize(lambda x: x), np.vectorize(lambda x: x + 1)),
    "random numbers": (np.random.default_rng(1), np.random.default_rng(2)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_differs_is_told_apart(name):
    one, other = PAIRS[name]
    assert content(one) == content(one)
    assert hash(content(one)) == hash(content(one))
    assert content(one) != content(other)


COPIED = ("timestamp", "period", "datetime", "decimal", "pattern", "transform", "compiled partial", "method of a list")


@pytest.mark.parametrize("name", ["distribution of one's own", "named tuple", "list with an attribute", *COPIED])
def test_copies_are_the_same(name):
    """Each fit copies what is bound, and shares the programs of an earlier one."""
    one, _ = PAIRS[name]
    assert content(copy.deepcopy(one)) == content(one)


def test_what_is_worked_out_later_is_no_difference():
    period, transform, frozen = pd.Period("2020"), transforms.ExpTransform(), stats.norm(0, 1)
    before = content((period, transform, frozen, Side))
    assert (Side.LEFT | Side.RIGHT).value == 3
    assert (str(period.freq), transform.inv(1.0), frozen.logpdf(0.0) < 0) == ("<YearEnd: month=12>", 0.0, True)
    frozen.rvs(3)
    assert content((period, transform, frozen, Side)) == before


def test_code_that_is_replaced_and_what_a_weak_reference_leads_to():
    """As IPython does where it reads a module again."""
    function, point = shifted(1), with_width(Row(), 1)
    reference = weakref.ref(point)
    before = content(function), content(reference)
    assert before == (content(function), content(reference))
    function.__code__, point.width = subtracted(1).__code__, 2
    assert content(function) != before[0]
    assert content(reference) != before[1]


settings = types.ModuleType("settings_of_a_model")
K = 2.0
VARYING = ContextVar("VARYING", default=2.0)
BYTES = bytearray(b"2")
VIEW = memoryview(BYTES)


class Meta(type):
    width = 2.0


class Model(metaclass=Meta):
    pass


READERS = {
    "getattr": lambda: getattr(settings, "width"),  # noqa: B009
    "vars": lambda: vars(settings)["width"],
    "__dict__": lambda: settings.__dict__["width"],
    "attrgetter": lambda: attrgetter("width")(settings),
    "sys.modules": lambda: sys.modules["settings_of_a_model"].width,
    "import_module": lambda: importlib.import_module("settings_of_a_model").width,
    "globals": lambda: globals()["K"],
    "its own module": lambda: sys.modules[__name__].K,
    "os.environ": lambda: os.environ["WIDTH"],
    "os.getenv": lambda: os.getenv("WIDTH"),
    "context": lambda: VARYING.get(),
    "memory": lambda: VIEW[0],
    "metaclass": lambda: Model.width,
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_read_by_a_text_or_through_another(name, monkeypatch):
    """What a function reads is told apart, and what stands beside it is no difference."""

    def put(value):
        monkeypatch.setattr(settings, "width", value, raising=False)
        monkeypatch.setitem(globals(), "K", value)
        monkeypatch.setenv("WIDTH", str(value))
        monkeypatch.setattr(Meta, "width", value)
        VARYING.set(value)
        BYTES[0] = int(value)

    monkeypatch.setitem(sys.modules, "settings_of_a_model", settings)
    put(2.0)
    read = READERS[name]
    before, answer = content(read), read()
    monkeypatch.setattr(settings, "other", 1, raising=False)
    monkeypatch.setenv("OTHER", "1")
    assert content(read) == before or name == "__dict__"  # which is all of a module
    put(3.0)
    assert read() != answer
    assert content(read) != before


def test_sites_and_lists_of_classes_are_no_difference(monkeypatch):
    """A site may have the name of a global of the data, and a class of classes may list all that there are."""

    class Listing(type):
        every: ClassVar[dict] = {}

        def __init__(cls, name, bases, held):
            super().__init__(name, bases, held)
            Listing.every[name] = cls

    class Listed(metaclass=Listing):
        width = 2.0

    def model():
        sample("y_of_the_data", dist.Normal(globals()["K"], Listed.width))
        return importlib.import_module("settings_of_a_model")

    monkeypatch.setitem(globals(), "y_of_the_data", 1.0)
    before = content(model)
    monkeypatch.setitem(globals(), "y_of_the_data", 2.0)
    type("Another", (Listed,), {})
    assert content(model) == before
    monkeypatch.setitem(globals(), "K", 5.0)
    assert content(model) != before


@pytest.mark.slow
def test_a_prior_of_ones_own_that_is_bound_anew():
    x, y = np.zeros((400, 1)), 1 + np.random.default_rng(0).normal(size=400)

    def model(x, y=None, *, prior):
        sample("y", dist.Normal(sample("a", prior) + 0 * x[:, 0], 1.0), obs=y)

    for width in (10.0, 0.01):
        mode = map_estimate(functools.partial(model, prior=FixedPrior(width)), x, y).posterior()["a"].item()
        assert mode == pytest.approx(y.sum() / (400 + width**-2), rel=1e-6)
    with pytest.raises(ModelError, match="'prior' is a memoryview and cannot be copied"):
        map_estimate(functools.partial(model, prior=memoryview(b"a")), x, y)
