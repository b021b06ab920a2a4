"""Which models and hypotheses the zoo holds; a new one is one line here."""

from collections.abc import Callable

from .hypotheses import linear, mlp, polynomial
from .mixture import fixed_variance_mixture
from .naive_bayes import gaussian_naive_bayes
from .regression import linear_regression
from .softmax import softmax_regression

MODELS: dict[str, Callable] = {
    model.__name__: model
    for model in (
        linear_regression,
        softmax_regression,
        fixed_variance_mixture,
        gaussian_naive_bayes,
    )
}

HYPOTHESES: dict[str, Callable] = {hypothesis.__name__: hypothesis for hypothesis in (linear, polynomial, mlp)}
