"""``pytest --record FILE`` writes down how near models came to their oracles, for the zoo's catalogue."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

# Workers, kernels of notebooks, the command line and other processes that tests start share what one of them compiled.
CACHE = Path(__file__).parents[1] / ".pytest_cache"
os.environ["XDG_CACHE_HOME"] = str(CACHE)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(CACHE / "bayeszoo")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"

UNOPTIMISED = "--xla_backend_optimization_level=0"

import jax  # noqa: E402
import matplotlib.font_manager  # noqa: E402, F401  it looks for fonts now, and says so on no test's stderr


def pytest_addoption(parser):
    parser.addoption("--record", help="write the largest error of each model against each oracle to this JSON file")


@pytest.fixture
def proved(record_property):
    """Assert that a model's numbers are an oracle's, to ``limit`` in |got - want| / (1 + |want|)."""

    def check(model, oracle, got, want, limit=1e-6):
        got, want = np.asarray(got, dtype=float), np.asarray(want, dtype=float)
        assert got.shape == want.shape
        within(model, oracle, np.max(np.abs(got - want) / (1 + np.abs(want))), limit)

    def within(model, oracle, error, limit, unit=""):
        record_property("proof", (model, oracle, float(error), float(limit), unit))
        assert error <= limit, f"{model} against {oracle}: {error:.3g}, limit {limit:g}"

    check.within = within
    return check


@pytest.fixture
def optimised(monkeypatch):
    """Processes that a test starts optimise their programs, as where running them takes longer than compiling."""
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", "").replace(UNOPTIMISED, "").strip())


@pytest.fixture
def compilations():
    """A context that gives a list, which gets one entry a program compiled."""

    @contextmanager
    def listening():
        found = []

        def listen(name, seconds, **_):
            if name == "/jax/core/compile/backend_compile_duration":
                found.append(seconds)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield found
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return listening


class Recorder:
    def __init__(self):
        self.found = {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            for name, proof in report.user_properties:
                if name == "proof":
                    model, oracle, error, limit, unit = proof
                    key = model, oracle
                    self.found[key] = max(self.found.get(key, (0.0, 0.0, "")), (error, limit, unit))

    def pytest_sessionfinish(self, session):
        models = {}
        for (model, oracle), (error, limit, unit) in sorted(self.found.items()):
            models.setdefault(model, []).append({"oracle": oracle, "error": error, "limit": limit, "unit": unit})
        with open(session.config.getoption("record"), "w") as file:
            json.dump(models, file)


def pytest_configure(config):
    if "not long" in config.option.markexpr:
        # Most programs of these tests run once, on few rows: compiling them takes longer than running them without
        # optimisation. JAX reads this when it compiles first.
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {UNOPTIMISED}"
    if config.getoption("record") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())
