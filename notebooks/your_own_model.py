# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Write your own model, and get everything
#
# Any NumPyro function with sites `x` and `y` is a citizen: fits, Bayes' questions, generation, hidden labels, missing
# features, compression, calibration, the report. Here: birds whose size follows one skewed scale, by species.

# %%
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
from bayeszoo.inference import calibrate, laplace, map_estimate, nuts, outliers
from bayeszoo.workflow import datasets
from bayeszoo.workflow.check import plot_calibration, verdicts
from bayeszoo.workflow.plots import plot_generated
from bayeszoo.workflow.report import report
from bayeszoo.workflow.verdict import check


def lognormal_species(x=None, y=None, *, spec):
    """P(y = k) = pi_k,  P(x | y = k) = prod_j LogNormal(x_j; m_kj, s_kj)."""
    pi = numpyro.sample("pi", dist.Dirichlet(jnp.ones(spec.classes)), infer={"event_dims": ["label"]})
    with numpyro.plate("label", spec.classes, dim=-2), numpyro.plate("feature", spec.features, dim=-1):
        m = numpyro.sample("m", dist.Normal(jnp.log(spec.loc), 1.0))
        s = numpyro.sample("s", dist.LogNormal(jnp.log(0.1), 0.5))
    with numpyro.plate("row", spec.rows):
        y = numpyro.sample("y", dist.Categorical(pi), obs=y)
        numpyro.sample("x", dist.LogNormal(m[y], s[y]).to_event(1), obs=x)


columns = ["bill_length_mm", "flipper_length_mm", "body_mass_g"]
x, y, _ = datasets.choose_columns(datasets.load("penguins"), "species", columns)
fit = nuts(lognormal_species, x, y)
print(fit)

# %% [markdown]
# The plates `label` and `feature` gave the parameters the species' and the columns' names. Two birds miss all columns,
# which were integrated out; and the engine says whether fewer rows would have done.

# %%
print(fit.posterior()["m"].mean(("chain", "draw")).to_pandas().round(3))
print(fit.compression)
assert fit.posterior()["m"].sel(label="Gentoo", feature="body_mass_g").mean() > 8.4
print(check(fit)[["name", "value", "passed"]].to_string())

# %% [markdown]
# ## Every question

# %%
whole = x.dropna()
identity = fit.log_joint(whole) - fit.log_marginal(whole) - fit.log_label_posterior(whole)
assert abs(identity).max() < 1e-8
print(outliers(fit, whole).to_dataframe().nsmallest(3, "log_marginal").round(3))
plot_generated(fit.to_arviz())
plt.show()

# %% [markdown]
# ## Hidden labels, other fitters, the report
# Half of the species forgotten: their rows are summed over all species, and teach as far as they can. By the mode,
# which takes a second; `mle`, `laplace` and `svi` are called alike.

# %%
half = y.astype(object).where(np.arange(len(y)) % 2 == 0)
mode = map_estimate(lognormal_species, x, half)
hidden = half.isna().to_numpy()
right = np.mean(mode.assign(x[hidden]).values == y[hidden])
print(f"{right:.0%} of {hidden.sum()} hidden species are found")
assert right > 0.7
page = report(laplace(lognormal_species, x, y, draws=200))
print(f"the report has {page.count('<img')} pictures")

# %% [markdown]
# ## Is the fitter right for it?
# Simulation-based calibration: tables from its own prior, fitted, and the ranks of the truth looked at.

# %%
ranks = calibrate(lognormal_species, fitters=("nuts",), simulations=100, labels=2)
worst = min(verdicts(ranks), key=lambda one: one.p)
print(f"the least even quantity is {worst.quantity}, p = {worst.p:.2f}")
assert worst.passed
plot_calibration(ranks["nuts"], "lognormal_species by NUTS")
plt.show()

# %% [markdown]
# Kept in a file, it goes with every verb of the command line, too: `bayeszoo fit FILE.py:lognormal_species ...` writes
# a run folder with the report, which `predict`, `generate`, `compare` and the others take.
