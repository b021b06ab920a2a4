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
# # Penguins, the whole workflow
#
# Declare, look at the prior, fit, check, ask, generate. The questions: which species is a bird, which birds are odd,
# what would a missing measurement have been, and what to do about a label that is not sure.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
from bayeszoo.inference import (
    cost_of_error,
    decide,
    estimate_label_prior,
    impute,
    label_posterior_under,
    label_uncertainty,
    nuts,
    outliers,
    reject,
)
from bayeszoo.models import gaussian_naive_bayes, quadratic_discriminant, softmax_regression
from bayeszoo.workflow import datasets
from bayeszoo.workflow.compare import compare
from bayeszoo.workflow.left_out import own_label_posterior
from bayeszoo.workflow.plots import (
    plot_forest,
    plot_generated,
    plot_label_calibration,
    plot_predictive_by_class,
    plot_prior_predictive,
    plot_rank,
)
from bayeszoo.workflow.report import report
from bayeszoo.workflow.verdict import check

columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
x, y, _ = datasets.choose_columns(datasets.load("penguins"), "species", columns)
rng = np.random.default_rng(0)
held = rng.permutation(len(x))[:80]
train = np.setdiff1d(np.arange(len(x)), held)
new_x, new_y = x.iloc[held], y.iloc[held]
x, y = x.iloc[train].reset_index(drop=True), y.iloc[train].reset_index(drop=True)

# %% [markdown]
# ## Fit
# $P(y = k) = \pi_k$ and $P(x \mid y = k) = N(x; \mu_k, \Sigma_k)$: bills and flippers depend on each other within a
# species. Two birds miss all measurements; what is missing is integrated out.

# %%
fit = nuts(quadratic_discriminant, x, y)
tree = fit.to_arviz()
plot_prior_predictive(tree)
plt.show()

# %% [markdown]
# ## Is it to be trusted?
# Every check is a number with a threshold, and what to do where it fails.

# %%
table = check(fit, tree)
print(table.to_string())
assert table.set_index("name").loc["R-hat, the largest", "passed"]
plot_rank(tree)
plot_forest(tree)
plot_predictive_by_class(tree)
p, _ = own_label_posterior(fit, tree)
plot_label_calibration(tree, p)
plt.show()

# %% [markdown]
# ## Which model?
# Joint and conditional models on equal terms: $\log P(y_i \mid x_i)$ of rows that are left out. The conditional model
# cannot use birds that miss a measurement, so all three are fitted to whole rows.

# %%
whole = x.notna().all(axis=1)
fits = {
    "quadratic discriminant": nuts(quadratic_discriminant, x[whole], y[whole]),
    "naive Bayes": nuts(gaussian_naive_bayes, x[whole], y[whole]),
    "softmax": nuts(softmax_regression, x[whole], y[whole]),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a few birds move a posterior much, which ArviZ says for each fit
    print(compare(fits).to_string())

# %% [markdown]
# ## Ask
# The labels of new birds; the ones it is unsure of, and why; the ones that look like none of the species.

# %%
right = fit.assign(new_x).values == new_y.values
print(f"accuracy {right.mean():.3f}")
assert right.mean() > 0.95
unsure = label_uncertainty(fit, new_x)
print(unsure.to_dataframe().nlargest(3, "total").round(3))
odd = outliers(fit, new_x[1::2], held_out=new_x[::2])  # as rare among birds that the fit has not seen
print(odd.to_dataframe().nsmallest(3, "tail_probability").round(3))

# %% [markdown]
# Reject the label where it would be wrong too often, and decide under costs: taking a Chinstrap for an Adelie is
# three times as bad as any other mistake.

# %%
cost = cost_of_error(fit, new_x[::2], new_y[::2], error=0.01)  # learnt on one half of the new birds
kept = ~reject(fit, new_x[1::2], cost=cost)["rejected"].values  # and tried on the other
wrong = ~right[1::2][kept]
print(f"names {kept.mean():.0%} of the other birds, {wrong.sum()} of {kept.sum()} wrongly")
assert wrong.mean() < 0.1
labels = fit.label_coordinate.tolist()
costs = {truth: {said: float(truth != said) for said in labels} for truth in labels}
costs["Chinstrap"]["Adelie"] = 3.0
careful = decide(fit, new_x, costs)["decision"].values
print(f"{np.sum(careful != fit.assign(new_x).values)} birds are called otherwise under these costs")

# %% [markdown]
# On another island, species may be as likely as not: what was learnt of $P(x \mid y)$ stays, $P(y)$ is another, given
# or estimated from birds whose species nobody wrote down.

# %%
fewer = new_x[(new_y != "Gentoo").values]  # an island without Gentoos
found = estimate_label_prior(fit, fewer)
print(found.to_series().round(3).to_string())
assert found.sel(label="Gentoo") < 0.02
moved = label_posterior_under(fit, fewer, found)
print(f"{np.sum(moved.argmax('label').values != fit.log_label_posterior(fewer).argmax('label').values)} change")

# %% [markdown]
# ## Fill in, and generate
# A bill without its depth, given the rest of the bird; and birds of a species that nobody has measured.

# %%
some = new_x.dropna().copy()
truth = some["bill_depth_mm"].copy()
some["bill_depth_mm"] = np.nan
filled = impute(fit, some)["bill_depth_mm"]
error = np.sqrt(np.mean((filled - truth) ** 2))
print(f"depth is filled in to {error:.2f} mm; the column's mean would be {np.std(truth):.2f} mm off")
assert error < 0.6 * np.std(truth)
plot_generated(tree)
plt.show()

# %% [markdown]
# ## On one page
# All of it, for someone who was not here: `report.html` needs no other file.

# %%
page = report(fit, tree)
assert page.startswith("<!doctype html>")
print(f"{len(page) / 1e6:.1f} MB with {page.count('<img')} pictures")
