"""Which models the zoo holds; a new model is one line here."""

from collections.abc import Callable

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
