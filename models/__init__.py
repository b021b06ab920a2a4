"""The zoo: NumPyro model functions, each a joint distribution as a textbook writes it."""

# First, and whole: ArviZ leaves a lazy stand-in for numpyro behind, and importing a submodule of that stand-in first
# loads numpyro's submodules twice, so that handlers and primitives no longer share one stack.
from numpyro import __version__ as _numpyro_version  # noqa: F401

from .counts import negative_binomial_regression as negative_binomial_regression
from .counts import poisson_regression as poisson_regression
from .covariances import diagonal as diagonal
from .covariances import full as full
from .covariances import shared_diagonal as shared_diagonal
from .covariances import spherical as spherical
from .covariances import tied as tied
from .discriminant import linear_discriminant as linear_discriminant
from .discriminant import mixture_discriminant as mixture_discriminant
from .discriminant import pca_discriminant as pca_discriminant
from .discriminant import quadratic_discriminant as quadratic_discriminant
from .factors import probabilistic_pca as probabilistic_pca
from .hierarchical import hierarchical_regression as hierarchical_regression
from .hypotheses import gaussian_process as gaussian_process
from .hypotheses import horseshoe as horseshoe
from .hypotheses import linear as linear
from .hypotheses import mlp as mlp
from .hypotheses import polynomial as polynomial
from .hypotheses import spline as spline
from .labels import logistic_regression as logistic_regression
from .labels import ordinal_regression as ordinal_regression
from .labels import softmax_regression as softmax_regression
from .mixture import fixed_variance_mixture as fixed_variance_mixture
from .mixture import gaussian_mixture as gaussian_mixture
from .naive_bayes import bernoulli_naive_bayes as bernoulli_naive_bayes
from .naive_bayes import gaussian_naive_bayes as gaussian_naive_bayes
from .naive_bayes import hierarchical_naive_bayes as hierarchical_naive_bayes
from .naive_bayes import multinomial_naive_bayes as multinomial_naive_bayes
from .naive_bayes import poisson_naive_bayes as poisson_naive_bayes
from .named import categorical_naive_bayes as categorical_naive_bayes
from .named import dawid_skene as dawid_skene
from .named import latent_class as latent_class
from .named import mixed_naive_bayes as mixed_naive_bayes
from .regression import horseshoe_regression as horseshoe_regression
from .regression import linear_regression as linear_regression
from .regression import mixture_of_regressions as mixture_of_regressions
from .regression import robust_regression as robust_regression
from .spec import Spec as Spec
