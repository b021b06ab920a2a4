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
# # Generating digits by label
#
# A joint distribution can be asked for a seven. Two models of $P(x \mid y)$ draw digits; a classifier that was
# trained on real ones, and one that tries to tell real from generated, say how good they are.

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from bayeszoo.inference import map_estimate
from bayeszoo.models import gaussian_naive_bayes, pca_discriminant
from bayeszoo.workflow import datasets
from bayeszoo.workflow.plots import plot_images
from sklearn.ensemble import RandomForestClassifier

digits = datasets.load("digits")
digits["target"] = digits["target"].astype(str)
x, y, _ = datasets.choose_columns(digits, "target", None)

# %% [markdown]
# ## Two class-conditionals
# Naive Bayes draws every pixel for itself; a plane of a few factors for each digit lets pixels move together.

# %%
fits = {
    "naive Bayes": map_estimate(gaussian_naive_bayes, x, y),
    "plane of 12": map_estimate(partial(pca_discriminant, components=12), x, y),
}
for fit in fits.values():
    plot_images(fit.to_arviz())
    plt.show()

# %% [markdown]
# ## Are they sevens?
# A random forest that has seen real digits only reads the generated ones.

# %%
reader = RandomForestClassifier(200, random_state=0).fit(x, y)
read = {}
for name, fit in fits.items():
    made = fit.generate(50, label=fit.label_coordinate.tolist(), seed=1).to_pandas()
    read[name] = np.mean(reader.predict(made[list(x.columns)]) == made["target"])
    print(f"{name}: {read[name]:.0%} are read as what they were asked to be")
assert read["plane of 12"] > 0.9

# %% [markdown]
# ## Real or generated?
# A second forest learns to tell them apart; 50 % would mean that it cannot.

# %%
told = {}
for name, fit in fits.items():
    made = fit.generate(180, label=fit.label_coordinate.tolist(), seed=2).to_pandas()[list(x.columns)]
    made = made.sample(len(x), random_state=0)
    both = np.concatenate([x, made]).clip(0, 16).round()
    truth = np.repeat([0, 1], len(x))
    order = np.random.default_rng(0).permutation(len(both))
    half = len(both) // 2
    judge = RandomForestClassifier(200, random_state=0).fit(both[order[:half]], truth[order[:half]])
    told[name] = judge.score(both[order[half:]], truth[order[half:]])
    print(f"{name}: told apart in {told[name]:.0%} of the cases")
assert 0.5 < told["plane of 12"] < told["naive Bayes"] + 0.02
