"""gaussian_mixture against scikit-learn's GaussianMixture(n_init=10): a likelihood that is never lower."""

import warnings
from functools import partial

import pytest
from bayeszoo.inference import mle
from bayeszoo.models import diagonal, full, gaussian_mixture, spherical, tied
from bayeszoo.workflow import datasets
from sklearn.mixture import GaussianMixture

COVARIANCES = {"spherical": spherical, "diag": diagonal, "tied": tied, "full": full}
TABLES = ("iris", "wine", "penguins")


@pytest.mark.parametrize("kind", COVARIANCES)
@pytest.mark.parametrize("name", TABLES)
def test_the_likelihood_is_never_lower(name, kind, proved):
    table = datasets.load(name).drop(columns="target", errors="ignore").select_dtypes("number")
    x = table.dropna().drop(columns="year", errors="ignore").to_numpy(dtype=float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)  # scikit-learn adds 1e-6 to variances, whatever their unit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = GaussianMixture(3, covariance_type=kind, n_init=10, random_state=0, tol=1e-6, max_iter=2000).fit(x)
    theirs = peer.score(x) * len(x)
    ours = mle(partial(gaussian_mixture, k=3, covariance=COVARIANCES[kind]), x).diagnostics["log_density"]
    short = max(theirs - ours, 0.0)
    proved.within("gaussian_mixture", f"likelihood of GaussianMixture, {kind}", short, 1e-3, " nats below")
