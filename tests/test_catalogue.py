"""The zoo's catalogue: every model is there with its proof, and the page is what the proofs and docstrings say."""

import json
from pathlib import Path

import pytest
from bayeszoo.models.catalogue import ZOO
from bayeszoo.workflow.catalogue import PROOFS, REMADE, entry, page, shape_of
from bayeszoo.workflow.cli import app
from typer.testing import CliRunner

PAGE = Path(__file__).parent.parent / "docs" / "zoo.md"
KNOWN = json.loads(PROOFS.read_text())


@pytest.mark.slow
def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), f"run {REMADE} --page"


def test_every_reference_posterior_is_on_the_page():
    known = sorted(file.stem for file in (Path(__file__).parent / "posteriordb").glob("*.json"))
    assert len(known) == 10
    assert [name for name in known if f"posteriordb, {name}" not in page()] == []


@pytest.mark.parametrize("name", ZOO)
def test_every_model_is_proved(name):
    """A log joint by hand, and calibration by NUTS over enough simulations that a wrong scale would show.

    With labels hidden, too, but for pca_discriminant, two hundred tables of which take NUTS hours there.
    """
    oracles = {one["oracle"]: one for one in KNOWN["oracles"][name]}
    assert any("by hand" in oracle for oracle in oracles)
    assert all(one["error"] <= one["limit"] for one in oracles.values())
    told = KNOWN["calibration"][name]
    assert {"nuts", "laplace", "svi"} <= set(told)
    assert told["nuts"]["simulations"] >= 400
    assert told["nuts"]["failed"] == []
    shape = shape_of(ZOO[name])
    if shape.generative and shape.classes and name != "pca_discriminant":
        assert told["nuts, labels hidden"]["simulations"] >= 200
        assert told["nuts, labels hidden"]["failed"] == []


def test_one_model_is_shown():
    shown = CliRunner().invoke(app, ["models", "gaussian_naive_bayes"]).output
    assert shown.strip() == entry("gaussian_naive_bayes").strip()
    assert "P(y = k) = pi_k,  P(x | y = k) = prod_j Normal" in shown
    assert "scikit-learn's GaussianNB" in shown
    assert "generates rows of a label" in shown
    listed = CliRunner().invoke(app, ["models"]).output
    assert all(f"{name} " in listed and exhibit.purpose in listed for name, exhibit in ZOO.items())
