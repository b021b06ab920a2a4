"""Models that are edited between two fits of a process, as in a notebook: the second fit is of the new one."""

import importlib
import sys

import numpy as np
import numpyro.distributions as dist
import pytest
from bayeszoo.inference import ModelError, map_estimate
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
