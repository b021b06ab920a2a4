"""The errors that bayeszoo raises; each message is one sentence with what was expected, what came, what to do."""


class BayeszooError(ValueError):
    """Any error that bayeszoo raises on purpose."""


class DataError(BayeszooError):
    """The table or the labels cannot be used as they are."""


class ModelError(BayeszooError):
    """The model function does not declare what is needed of it."""


class QueryError(BayeszooError):
    """The model, or this fit of it, cannot answer the question."""


class NoMaximumError(BayeszooError):
    """The objective has no maximum, so there is no estimate to return."""


class PrecisionError(BayeszooError):
    """The arithmetic cannot tell neighbouring parameters apart: the log density is too large, or they go together."""


class FitWarning(UserWarning):
    """A fit ended, but a diagnostic says not to trust it yet."""
