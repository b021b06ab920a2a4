"""The zoo: NumPyro model functions, each a joint distribution as a textbook writes it."""

# First, and whole: ArviZ leaves a lazy stand-in for numpyro behind, and importing a submodule of that stand-in first
# loads numpyro's submodules twice, so that handlers and primitives no longer share one stack.
from numpyro import __version__ as _numpyro_version  # noqa: F401

from .hypotheses import linear as linear
from .hypotheses import mlp as mlp
from .hypotheses import polynomial as polynomial
from .mixture import fixed_variance_mixture as fixed_variance_mixture
from .naive_bayes import gaussian_naive_bayes as gaussian_naive_bayes
from .regression import linear_regression as linear_regression
from .softmax import softmax_regression as softmax_regression
from .spec import Spec as Spec
