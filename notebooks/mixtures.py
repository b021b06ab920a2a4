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
# # k-means is maximum likelihood
#
# Clusters are labels that nobody saw. A mixture $P(x) = \sum_k \pi_k N(x; \mu_k, \sigma^2 I)$ sums them out; k-means is
# what is left of it as $\sigma \to 0$, and Bayes' rule gives back how sure a row's cluster is.

# %%
from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from bayeszoo.inference import mle, nuts
from bayeszoo.inference.relabel import relabel
from bayeszoo.inference.sampling import convergence
from bayeszoo.models import fixed_variance_mixture, full, gaussian_mixture
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

iris = load_iris(as_frame=True)
x = iris.data[["petal length (cm)", "petal width (cm)"]]

# %% [markdown]
# ## The limit
# Both maximise the same thing once $\sigma$ is small: the squared distance to the nearest centre.

# %%
tight = mle(partial(fixed_variance_mixture, k=3, sigma=0.02, equal_weights=True), x)
kmeans = KMeans(3, n_init=10, random_state=0).fit(x)
mine, theirs = (np.sort(centres, axis=0) for centres in (tight.params["mu"][0, 0], kmeans.cluster_centers_))
print(np.round(mine, 4), np.round(theirs, 4), sep="\n")
assert np.allclose(mine, theirs, atol=1e-4)

# %% [markdown]
# ## Soft clusters
# With a width that the data have, the rows between two clusters belong to both.

# %%
fit = nuts(partial(fixed_variance_mixture, k=3, sigma=0.3), x)
share = fit.assign(x, soft=True)
plt.scatter(*x.to_numpy().T, c=share.max("label"), cmap="viridis", s=20)
plt.colorbar(label="probability of the most probable cluster")
plt.gca().set(xlabel=x.columns[0], ylabel=x.columns[1])
plt.show()

# %% [markdown]
# ## Names that switch
# Clusters have no names, so chains may call them differently. Draws are renamed by the assignment that brings their
# responsibilities closest to one draw's, and both R-hats are told. Here half of the draws are renamed on purpose.

# %%
mixed = {name: value.copy() for name, value in fit.params.items()}
for value in mixed.values():
    value[::2] = np.roll(value[::2], 1, axis=2)
mixed = replace(fit, params=mixed)
back = relabel(mixed)
before, after = (convergence(one.params)["max_rhat"] for one in (mixed, back))
print(f"R-hat of the mixed draws {before:.2f}, renamed {after:.3f}")
assert before > 1.5 > 1.02 > after

# %% [markdown]
# ## Any shape
# A covariance for each cluster. The likelihood alone is without bound where a cluster shrinks around a row; the prior
# of the widths keeps it.

# %%
shaped = nuts(partial(gaussian_mixture, k=2, covariance=full), x)
grid = np.stack(np.meshgrid(np.linspace(0.5, 7.5, 80), np.linspace(-0.2, 2.8, 80)), axis=-1)
density = shaped.log_marginal(grid.reshape(-1, 2)).values.reshape(80, 80)
plt.contour(grid[..., 0], grid[..., 1], density, levels=np.linspace(-8, density.max(), 12))
plt.plot(*x.to_numpy().T, ".", color="black", ms=3)
plt.gca().set(xlabel=x.columns[0], ylabel=x.columns[1], title="log P(x), averaged over the posterior")
plt.show()
setosa = iris.target.to_numpy() == 0
found = shaped.assign(x).values
agree = max(np.mean(setosa == (found == k)) for k in range(2))
print(f"one of the two clusters is setosa, for {agree:.0%} of the flowers")
assert agree > 0.98
