"""gaussian_mixture against scikit-learn's GaussianMixture(n_init=10): a likelihood that is never lower."""

import warnings
from functools import partial

import pytest
from bayeszoo.inference import NoMaximumError, mle
from bayeszoo.models import diagonal, full, gaussian_mixture, spherical, tied
from bayeszoo.workflow import datasets
from sklearn.mixture import GaussianMixture

pytestmark = pytest.mark.long
COVARIANCES = {"spherical": spherical, "diag": diagonal, "tied": tied, "full": full}
TABLES = ("iris", "wine", "penguins", "diabetes", "breast_cancer", "digits")
# Where a component can shrink to where a column has one value, or a plane, the likelihood has no bound: scikit-learn
# stops at the 1e-6 that it adds to variances, and mle says that there is no maximum.
# A column of two values, as sex in diabetes and three pixels of digits, is enough where variances are not a sphere's.
UNBOUNDED = {(name, kind) for name in ("diabetes", "digits") for kind in ("diag", "tied", "full")}


def tables(kind):
    """Of which tables it is measured, in the words of the zoo's page."""
    unbounded = [name for name in TABLES if (name, kind) in UNBOUNDED]
    bounded = ", ".join(name for name in TABLES if name not in unbounded)
    return f"{kind}, on {bounded}" + (f"; no maximum on {', '.join(unbounded)}" if unbounded else "")


@pytest.mark.parametrize("kind", COVARIANCES)
@pytest.mark.parametrize("name", TABLES)
def test_the_likelihood_is_never_lower(name, kind, proved):
    table = datasets.load(name).drop(columns=["target", "year"], errors="ignore").select_dtypes("number").dropna()
    x = table.to_numpy(dtype=float)
    x = x[:, x.std(axis=0) > 0]
    x = (x - x.mean(axis=0)) / x.std(axis=0)  # scikit-learn adds 1e-6 to variances, whatever their unit
    model = partial(gaussian_mixture, k=3, covariance=COVARIANCES[kind])
    if (name, kind) in UNBOUNDED:
        with pytest.raises(NoMaximumError):
            mle(model, x)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = GaussianMixture(3, covariance_type=kind, n_init=10, random_state=0, tol=1e-6, max_iter=2000).fit(x)
    theirs = peer.score(x) * len(x)
    ours = mle(model, x).diagnostics["log_density"]
    short = max(theirs - ours, 0.0)
    proved.within(
        "gaussian_mixture", f"likelihood of GaussianMixture(n_init=10), {tables(kind)}", short, 1e-3, " nats below"
    )
