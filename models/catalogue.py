"""Which models, hypotheses and covariances the zoo holds; a new one is one line here."""

from collections.abc import Callable

from .counts import negative_binomial_regression, poisson_regression
from .covariances import diagonal, full, shared_diagonal, spherical, tied
from .discriminant import linear_discriminant, mixture_discriminant, pca_discriminant, quadratic_discriminant
from .factors import probabilistic_pca
from .hierarchical import hierarchical_regression
from .hypotheses import gaussian_process, horseshoe, linear, mlp, polynomial, spline
from .labels import logistic_regression, ordinal_regression, softmax_regression
from .mixture import fixed_variance_mixture, gaussian_mixture
from .naive_bayes import (
    bernoulli_naive_bayes,
    gaussian_naive_bayes,
    hierarchical_naive_bayes,
    multinomial_naive_bayes,
    poisson_naive_bayes,
)
from .named import categorical_naive_bayes, dawid_skene, latent_class, mixed_naive_bayes
from .regression import linear_regression, mixture_of_regressions, robust_regression

MODELS: dict[str, Callable] = {
    model.__name__: model
    for model in (
        linear_regression,
        robust_regression,
        mixture_of_regressions,
        poisson_regression,
        negative_binomial_regression,
        logistic_regression,
        softmax_regression,
        ordinal_regression,
        hierarchical_regression,
        fixed_variance_mixture,
        gaussian_mixture,
        latent_class,
        probabilistic_pca,
        gaussian_naive_bayes,
        hierarchical_naive_bayes,
        bernoulli_naive_bayes,
        poisson_naive_bayes,
        multinomial_naive_bayes,
        categorical_naive_bayes,
        mixed_naive_bayes,
        linear_discriminant,
        quadratic_discriminant,
        mixture_discriminant,
        pca_discriminant,
        dawid_skene,
    )
}

HYPOTHESES: dict[str, Callable] = {
    hypothesis.__name__: hypothesis for hypothesis in (linear, polynomial, spline, gaussian_process, horseshoe, mlp)
}

COVARIANCES: dict[str, Callable] = {
    covariance.__name__: covariance for covariance in (spherical, diagonal, shared_diagonal, tied, full)
}

CHOICES = {"hypothesis": HYPOTHESES, "covariance": COVARIANCES}  # hyperparameters that are functions
