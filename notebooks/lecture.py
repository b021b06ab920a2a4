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
# # Learning is learning a distribution
#
# Four steps, each a formula beside the line that computes it: least squares is maximum likelihood, a softmax is a
# conditional distribution, k-means is a mixture, and a joint distribution answers every question by Bayes' rule.

# %%
from functools import partial
from itertools import permutations

import matplotlib.pyplot as plt
import numpy as np
from bayeszoo.inference import mle, nuts
from bayeszoo.models import (
    fixed_variance_mixture,
    gaussian_naive_bayes,
    linear_regression,
    polynomial,
    softmax_regression,
)
from bayeszoo.workflow import datasets
from sklearn.cluster import KMeans

x, y, _ = datasets.choose_columns(datasets.load("penguins"), "species", ["bill_length_mm", "flipper_length_mm"])
whole = x.notna().all(axis=1)
x, y = x[whole].reset_index(drop=True), y[whole].reset_index(drop=True)

# %% [markdown]
# ## Least squares
# $P(y \mid x) = N(y; f_w(x), \sigma^2)$, so $-\log P(y \mid x) = (y - f_w(x))^2 / 2\sigma^2 + \log\sigma + c$:
# the most likely $w$ has the least squares.

# %%
bill, flipper = x["bill_length_mm"], x[["flipper_length_mm"]]
line = mle(linear_regression, flipper, bill)
slope, intercept = np.polyfit(flipper.values[:, 0], bill, 1)
assert np.isclose(line.posterior()["w"].item(), slope, rtol=1e-6)
sigma = line.posterior()["sigma"].item()
left = bill - (intercept + slope * flipper.values[:, 0])
minus_log_p = left**2 / (2 * sigma**2) + np.log(sigma) + 0.5 * np.log(2 * np.pi)
assert np.allclose(-line.log_conditional(flipper, bill), minus_log_p)

# %% [markdown]
# The hypothesis $f_w$ is exchangeable, the likelihood stays. The band is the posterior predictive, by NUTS.

# %%
curve = nuts(partial(linear_regression, hypothesis=partial(polynomial, degree=3)), flipper, bill)
grid = np.linspace(170, 235, 100)[:, None]
band = curve.predict(grid)
plt.plot(flipper, bill, "o", ms=3, alpha=0.5)
plt.fill_between(grid[:, 0], band["lower"], band["upper"], alpha=0.2, label="90 % of new rows")
plt.plot(grid, band["mean"], label="cubic, posterior mean")
plt.plot(grid, intercept + slope * grid, "--", label="least squares line")
plt.gca().set(xlabel="flipper_length_mm", ylabel="bill_length_mm")
plt.legend()
plt.show()

# %% [markdown]
# ## The softmax classifier
# $P(y = k \mid x) = \exp f_w(x)_k / \sum_l \exp f_w(x)_l$. It has no $P(x)$, and says so when asked.

# %%
softmax = nuts(softmax_regression, x, y)
draw = softmax.posterior().isel(chain=0, draw=0)
f = draw["intercept"].values + x.values @ draw["w"].values.T
by_hand = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
one_draw = np.exp(softmax.log_label_posterior(x, draws=True).isel(chain=0, draw=0))
assert np.allclose(one_draw.transpose("row", "label"), by_hand)
try:
    softmax.log_marginal(x)
except ValueError as error:
    print(error)

# %% [markdown]
# ## k-means is a mixture
# $P(x) = \frac{1}{K} \sum_k N(x; \mu_k, \sigma^2 I)$. As $\sigma \to 0$ each row belongs to its nearest centre.

# %%
mixture = mle(partial(fixed_variance_mixture, k=3, sigma=0.2, equal_weights=True), x)
mu = mixture.posterior()["mu"].isel(chain=0, draw=0).values
normals = np.exp(-((x.values[:, None] - mu) ** 2).sum(axis=2) / (2 * 0.2**2)) / (2 * np.pi * 0.2**2)
with np.errstate(divide="ignore"):
    log_p = np.log(normals.mean(axis=1))
there = normals.mean(axis=1) > 1e-300  # of a density that is no smaller than a float64 can be
assert np.allclose(mixture.log_marginal(x)[there], log_p[there])
ours = mixture.assign(x).values
peer = KMeans(3, n_init=10, random_state=0).fit_predict(x)
same = max(np.mean(np.array(names)[ours] == peer) for names in permutations(range(3)))
assert same > 0.99
soft = mixture.assign(x, soft=True).max("label")
plt.scatter(*x.values.T, c=ours, cmap="viridis", s=12 * soft**4 + 2)
centres = mixture.posterior()["mu"].isel(chain=0, draw=0)
plt.plot(*centres.values.T, "r+", ms=14, mew=2, label="means, as k-means' centres")
plt.gca().set(xlabel=x.columns[0], ylabel=x.columns[1], title="small dots: rows of which the mixture is unsure")
plt.legend()
plt.show()

# %% [markdown]
# ## Bayes' rule
# $P(y \mid x) = P(y)\,P(x \mid y) / P(x)$, every term from one joint.

# %%
joint = nuts(gaussian_naive_bayes, x, y)
right = joint.log_label_prior() + joint.log_class_conditional(x) - joint.log_marginal(x)
assert np.allclose(right.transpose("row", "label"), joint.log_label_posterior(x), atol=1e-8)
accuracy = np.mean(joint.assign(x).values == y.values)
assert accuracy > 0.93
print(f"accuracy on the rows it was fitted to: {accuracy:.3f}")

# %% [markdown]
# Decision regions: the colour is the most probable species, and it fades where the model is unsure. Crosses are rows
# generated for the species named.

# %%
side = [np.linspace(x[c].min() - 3, x[c].max() + 3, 120) for c in x.columns]
points = np.stack(np.meshgrid(*side), axis=-1).reshape(-1, 2)
fig, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharex=True, sharey=True)
species = joint.label_coordinate.tolist()
colours = np.array([plt.get_cmap("tab10")(k)[:3] for k in range(3)])
for axis, fit, title in ((axes[0], joint, "naive Bayes, P(x, y)"), (axes[1], softmax, "softmax, P(y | x)")):
    posterior = np.exp(fit.log_label_posterior(points)).values
    sure = (posterior.max(axis=1, keepdims=True) - 1 / 3) * 1.5
    picture = 1 - 0.6 * sure * (1 - colours[posterior.argmax(axis=1)])
    extent = (side[0][0], side[0][-1], side[1][0], side[1][-1])
    axis.imshow(picture.reshape(120, 120, 3), origin="lower", aspect="auto", extent=extent)
    axis.set(title=title, xlabel=x.columns[0], ylabel=x.columns[1])
    for k, name in enumerate(species):
        axis.plot(*x[y == name].values.T, "o", color=colours[k], ms=3, label=name)
made = joint.generate(60, label="Gentoo").to_pandas()
axes[0].plot(made.iloc[:, 0], made.iloc[:, 1], "kx", ms=4, label="generated Gentoo")
axes[0].legend()
plt.show()
