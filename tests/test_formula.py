"""Formulae of docstrings as HTML: every model's mathematics is set, and prose and names stay."""

import re

import pytest
from bayeszoo.models.catalogue import ZOO
from bayeszoo.workflow.formula import formula


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("sigma_kj^2 ~ Gamma(1, 2)", "σ<sub>kj</sub><sup>2</sup> ∼ Gamma(1, 2)"),
        ("prod_j theta_kj^x_j (1 - theta_kj)^(1 - x_j)",
         "∏<sub>j</sub> θ<sub>kj</sub><sup>x<sub>j</sub></sup> (1 - θ<sub>kj</sub>)<sup>1 - x<sub>j</sub></sup>"),
        ("c_k - c_(k-1) = gap_k", "c<sub>k</sub> - c<sub>k-1</sub> = gap<sub>k</sub>"),
        ("exp f_w(x)_k / sum_l", "exp f<sub>w</sub>(x)<sub>k</sub> / ∑<sub>l</sub>"),
        ("P(y <= k) < 1 & 2", "P(y ≤ k) &lt; 1 &amp; 2"),
        ("Site ``theta_j``: (label, label_2), see spec.mu and mixture_of_regressions, alpha=1",
         "Site <code>theta_j</code>: (label, label_2), see spec.mu and mixture_of_regressions, alpha=1"),
        ("<script>mu</script>", "&lt;script&gt;μ&lt;/script&gt;"),
        ("pizza, summary, in_place, a sum of money", "pizza, summary, in_place, a sum of money"),
    ],
)  # fmt: skip
def test_a_line_is_set(text, want):
    assert formula(text) == want


@pytest.mark.parametrize("name", ZOO)
def test_the_mathematics_of_every_model_is_set(name):
    first = formula(ZOO[name].model.__doc__.splitlines()[0])
    assert not re.search(r"[_^~]", first)
    plain = re.sub(r"<[^>]*>", "", first)
    assert not re.search(r"\b(mu|sigma|theta|pi|rho|nu|phi|sum|prod)\b", plain)
