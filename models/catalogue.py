"""Which models, hypotheses and covariances the zoo holds; a new one is one line here."""

from collections.abc import Callable
from typing import NamedTuple

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
from .regression import horseshoe_regression, linear_regression, mixture_of_regressions, robust_regression
from .spec import COUNT, NUMBER


class Exhibit(NamedTuple):
    """A model of the zoo and what it is for.

    kinds: of the columns that it is checked on, where it takes names. ordered: whether its labels have an order.
    """

    model: Callable
    purpose: str
    kinds: tuple[int, ...] = ()
    ordered: bool = False


ZOO: dict[str, Exhibit] = {
    exhibit.model.__name__: exhibit
    for exhibit in (
        Exhibit(linear_regression, "a number, by a line, curve or network, with its error"),
        Exhibit(robust_regression, "a number, where some responses are wild"),
        Exhibit(horseshoe_regression, "a number, by few of many columns"),
        Exhibit(mixture_of_regressions, "a number, where rows follow one of several lines"),
        Exhibit(poisson_regression, "a count"),
        Exhibit(negative_binomial_regression, "a count that varies more than Poisson's"),
        Exhibit(logistic_regression, "one of two labels"),
        Exhibit(softmax_regression, "one of several labels"),
        Exhibit(ordinal_regression, "one of several labels that have an order", ordered=True),
        Exhibit(hierarchical_regression, "a number, where rows come in groups", (3, NUMBER)),
        Exhibit(fixed_variance_mixture, "clusters of one known width: k-means with probabilities"),
        Exhibit(gaussian_mixture, "clusters of any width, shape and size"),
        Exhibit(latent_class, "clusters of rows of names: questionnaires", (3, 2, 2)),
        Exhibit(probabilistic_pca, "many columns that few hidden numbers move"),
        Exhibit(gaussian_naive_bayes, "a label and its columns of numbers"),
        Exhibit(hierarchical_naive_bayes, "a label and its columns of numbers, where some labels are rare"),
        Exhibit(bernoulli_naive_bayes, "a label and its columns of 0 and 1"),
        Exhibit(poisson_naive_bayes, "a label and its columns of counts"),
        Exhibit(multinomial_naive_bayes, "a label and its counts of words, whatever their total"),
        Exhibit(categorical_naive_bayes, "a label and its columns of names", (3, 2)),
        Exhibit(mixed_naive_bayes, "a label and columns of numbers, counts and names in one table", (NUMBER, COUNT, 3)),
        Exhibit(linear_discriminant, "a label and columns that depend on each other alike in all labels"),
        Exhibit(quadratic_discriminant, "a label and columns that depend on each other"),
        Exhibit(mixture_discriminant, "a label that comes in several kinds"),
        Exhibit(pca_discriminant, "a label and many columns, a plane for each label"),
        Exhibit(dawid_skene, "the true label behind several raters who err", (2, 2, 2)),
    )
}

MODELS: dict[str, Callable] = {name: exhibit.model for name, exhibit in ZOO.items()}

HYPOTHESES: dict[str, Callable] = {
    hypothesis.__name__: hypothesis for hypothesis in (linear, polynomial, spline, gaussian_process, horseshoe, mlp)
}

COVARIANCES: dict[str, Callable] = {
    covariance.__name__: covariance for covariance in (spherical, diagonal, shared_diagonal, tied, full)
}

CHOICES = {"hypothesis": HYPOTHESES, "covariance": COVARIANCES}  # hyperparameters that are functions
