"""One cell or label that a model has no place for, in each column and each question."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import DataError, Fit, QueryError, impute


def questions(fit: Fit, *, of_y: bool) -> Iterator[tuple[str, Callable]]:
    """Each takes x and y."""
    if of_y:
        yield "log_conditional", fit.log_conditional
    if of_y or fit.shape.classes:
        yield "predict", lambda x, y: fit.predict(x)
    if fit.shape.generative:
        yield "log_marginal", lambda x, y: fit.log_marginal(x)
        yield "impute", lambda x, y: impute(fit, x)
    if fit.shape.generative and fit.shape.classes:
        for name in ("log_joint", "log_class_conditional", "log_label_posterior", "assign"):
            yield name, lambda x, y, name=name: getattr(fit, name)(x)


def spoilt(x: pd.DataFrame, column: str) -> tuple[object, str]:
    """A cell that the column has no place for, and what is said of it."""
    if not pd.api.types.is_numeric_dtype(x[column]):
        return "nowhere", "'nowhere', which is not one of "
    counts = x[column].dropna().isin([0, 1]).all() or column in ("visits", "calls", "mails")
    return (-1, "-1, but ") if counts else (np.inf, "inf; ")


def refuses_bad_cells(fit: Fit, fitter: Callable, x: pd.DataFrame, y: pd.Series | None) -> None:
    """Assert that row, column and value are said of a bad cell in every question, in a fit and in an update."""
    few = x.dropna().iloc[:5].set_axis([f"r{i}" for i in range(5)])
    labels = None if y is None else y.dropna().iloc[:5].set_axis(few.index)
    for column in x:
        cell, said = spoilt(x, column)
        bad = few.astype({column: object if cell == "nowhere" else float})
        bad.loc["r3", column] = cell
        asks = [*questions(fit, of_y=y is not None), ("update", fit.update)]
        if cell != "nowhere" and not (fit.model.takes_kinds and cell == -1):  # a new name is one more, -1 is a number
            asks.append(("fit", lambda a, b: fitter(pd.concat([x, a]), None if b is None else pd.concat([y, b]))))
        for name, ask in asks:
            with pytest.raises(DataError) as error:
                ask(bad, labels)
            assert str(error.value).startswith(f"row r3, column '{column}' is {said}"), (name, str(error.value))
    if y is not None:
        wrong = labels.astype(object if fit.shape.classes else float)
        wrong["r3"] = "nowhere" if fit.shape.classes else np.inf
        said = "label 'nowhere' is not one of " if fit.shape.classes else f"the response '{y.name}' is inf; "
        with pytest.raises(DataError, match=f"row r3: {said}"):
            fit.log_conditional(few, wrong)
    with pytest.raises(QueryError, match=r"label 'nowhere' is not one of|declares P\(y \| x\) only"):
        fit.generate(5, label="nowhere")
