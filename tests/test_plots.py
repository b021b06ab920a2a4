"""Every public picture: a Figure or a PlotCollection, never shown."""

import datetime
from functools import partial
from types import SimpleNamespace
from typing import get_type_hints

import jax
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import pandas as pd
import pytest
import xarray as xr
from arviz_plots import PlotCollection, PlotMatrix
from bayeszoo.inference import (
    DataError,
    calibrate,
    label_uncertainty,
    laplace,
    learning_curve,
    map_estimate,
    nuts,
    outliers,
)
from bayeszoo.models import (
    categorical_naive_bayes,
    fixed_variance_mixture,
    gaussian_naive_bayes,
    hierarchical_regression,
    linear_regression,
    mixed_naive_bayes,
    poisson_naive_bayes,
    poisson_regression,
    probabilistic_pca,
    softmax_regression,
)
from bayeszoo.workflow import datasets, diagram, plots
from bayeszoo.workflow.left_out import Case
from bayeszoo.workflow.report import report
from bayeszoo.workflow.seen import known_or_assigned, seen
from matplotlib.figure import Figure
from numpyro import handlers
from sklearn.datasets import load_digits

# Of a hundred draws, ArviZ says that there are few.
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.filterwarnings("ignore::RuntimeWarning")]
BIRDS = datasets.load("penguins").dropna().reset_index(drop=True)[::4]
X, Y = BIRDS[["bill_length_mm", "body_mass_g"]], BIRDS["species"]
MODELS = {"naive": gaussian_naive_bayes, "softmax": softmax_regression}


def fitted(model, x, y=None):
    return laplace(model, x, y, draws=100, chains=2)


VISITS = pd.DataFrame(np.random.default_rng(0).poisson(2.0, size=(len(X), 2)), columns=["visits", "calls"])


@pytest.fixture(scope="module")
def joint():
    return fitted(gaussian_naive_bayes, X, Y)


@pytest.fixture(scope="module")
def tree(joint):
    return joint.to_arviz()


def digits():
    x, y = load_digits(n_class=3, return_X_y=True, as_frame=True)
    return fitted(
        gaussian_naive_bayes,
        x.iloc[:90, 18:22].set_axis([f"pixel_{i}_{j}" for i in (0, 1) for j in (0, 1)], axis=1),
        y[:90],
    )


CALLS = {
    "plot_forest": lambda joint, tree: plots.plot_forest(tree),
    "plot_trace": lambda joint, tree: plots.plot_trace(tree),
    "plot_rank": lambda joint, tree: plots.plot_rank(tree),
    "plot_worst_pair": lambda joint, tree: plots.plot_worst_pair(tree),
    "plot_prior_predictive": lambda joint, tree: plots.plot_prior_predictive(tree),
    "plot_predictive_by_class": lambda joint, tree: plots.plot_predictive_by_class(tree),
    "plot_predictive": lambda joint, tree: plots.plot_predictive(fitted(probabilistic_pca, X).to_arviz()),
    "plot_columns_loo_pit": lambda joint, tree: plots.plot_columns_loo_pit(tree),
    "plot_counts": lambda joint, tree: plots.plot_counts(fitted(poisson_naive_bayes, VISITS, Y).to_arviz()),
    "plot_probabilities_by_class": lambda joint, tree: plots.plot_probabilities_by_class(
        fitted(softmax_regression, X, Y).to_arviz()
    ),
    "plot_response": lambda joint, tree: plots.plot_response(
        fitted(poisson_regression, X, np.arange(len(X)) % 3).to_arviz()
    ),
    "plot_response_intervals": lambda joint, tree: plots.plot_response_intervals(
        fitted(linear_regression, X[["bill_length_mm"]], X["body_mass_g"]).to_arviz()
    ),
    "plot_response_line": lambda joint, tree: plots.plot_response_line(
        fitted(linear_regression, X[["bill_length_mm"]], X["body_mass_g"]).to_arviz()
    ),
    "plot_response_errors": lambda joint, tree: plots.plot_response_errors(
        fitted(linear_regression, X, Y == "Gentoo").to_arviz()
    ),
    "plot_response_loo_pit": lambda joint, tree: plots.plot_response_loo_pit(
        fitted(linear_regression, X[["bill_length_mm"]], X["body_mass_g"]).to_arviz()
    ),
    "plot_confusion": lambda joint, tree: plots.plot_confusion(tree),
    "plot_label_calibration": lambda joint, tree: plots.plot_label_calibration(tree),
    "plot_generated": lambda joint, tree: plots.plot_generated(tree),
    "plot_images": lambda joint, tree: plots.plot_images(digits().to_arviz()),
    "plot_accuracy_coverage": lambda joint, tree: plots.plot_accuracy_coverage(tree),
    "plot_label_uncertainty": lambda joint, tree: plots.plot_label_uncertainty(label_uncertainty(joint, X)),
    "plot_outliers": lambda joint, tree: plots.plot_outliers(outliers(joint, X)),
    "plot_calibration": lambda joint, tree: plots.plot_calibration(
        calibrate(partial(linear_regression, sigma=1.0), fitters=("laplace",), simulations=20, rows=10)["laplace"],
        "SBC",
    ),
    "plot_learning_curve": lambda joint, tree: plots.plot_learning_curve(
        learning_curve(MODELS, X, Y, sizes=[20, 40], splits=2), "birds"
    ),
}


def test_every_picture_is_looked_at():
    assert {name for name in dir(plots) if name.startswith("plot_")} == set(CALLS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_a_picture_is_returned_and_not_shown(name, joint, tree, monkeypatch):
    def shown(*args, **keywords):
        raise AssertionError("a window was opened")

    monkeypatch.setattr(plt, "show", shown)
    monkeypatch.setattr(Figure, "show", shown)
    monkeypatch.setattr(PlotCollection, "show", shown)
    picture = CALLS[name](joint, tree)
    assert isinstance(picture, Figure | PlotCollection)
    names = {"PlotCollection": PlotCollection, "PlotMatrix": PlotMatrix, "Fit": object}
    declared = get_type_hints(getattr(plots, name), names)["return"]
    assert isinstance(picture, declared)
    assert plots.figure_of(picture).axes
    assert getattr(plots, name).__doc__
    plt.close("all")


@pytest.mark.parametrize("draw", [plots.plot_forest, plots.plot_trace, plots.plot_rank, plots.plot_worst_pair])
def test_pictures_of_parameters_take_any_tree_of_arviz(draw):
    """Of eight schools, whose draws were not made here; some diverged, and are marked in the pair."""
    from arviz_base import load_arviz_data

    schools = load_arviz_data("centered_eight")
    picture = draw(schools)
    texts = [text.get_text() for text in plots.figure_of(picture).findobj(plt.Text)]
    assert any("tau" in text for text in texts)
    if draw is plots.plot_worst_pair:
        marked = [
            one for one in plots.figure_of(picture).axes[2].collections if np.allclose(one.get_edgecolor()[0, :3], 0)
        ]
        assert sum(len(one.get_offsets()) for one in marked) == int(schools["sample_stats"]["diverging"].sum())
    plt.close("all")


def drawn(picture):
    """The pixels of a figure."""
    canvas = plots.figure_of(picture).canvas
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.slow
def test_a_tree_read_from_a_file_has_the_pictures_of_the_fit(tmp_path):
    """Names of columns, cells, labels and of the target come back with it."""
    x = BIRDS[["island", "sex"]].assign(chicks=VISITS["visits"].to_numpy())
    by_class = (plots.plot_prior_predictive, plots.plot_predictive_by_class, plots.plot_predictive, plots.plot_counts)
    by_class += (plots.plot_columns_loo_pit, plots.plot_generated, plots.plot_confusion, plots.plot_label_calibration)
    by_class += (plots.plot_accuracy_coverage,)
    response = (plots.plot_response, plots.plot_response_intervals, plots.plot_response_line)
    response += (plots.plot_response_errors, plots.plot_response_loo_pit, plots.plot_prior_predictive)
    parameters = (plots.plot_forest, plots.plot_trace, plots.plot_rank, plots.plot_worst_pair)
    for fit, pictures in (
        (fitted(mixed_naive_bayes, x, Y), by_class + parameters),
        (fitted(linear_regression, X[["bill_length_mm"]], X["body_mass_g"]), response),
        (fitted(softmax_regression, X, Y), (plots.plot_probabilities_by_class, plots.plot_confusion)),
        (digits(), (plots.plot_images,)),
    ):
        tree = fit.to_arviz()
        tree.to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
        with xr.open_datatree(tmp_path / "tree.nc", engine="h5netcdf") as read:
            for draw in pictures:
                np.testing.assert_array_equal(drawn(draw(read)), drawn(draw(tree)), err_msg=draw.__name__)
                plt.close("all")


def test_other_trees_are_refused(tree):
    """Of a fit without rows, and of one that other code made."""
    bare = xr.DataTree.from_dict({"posterior": tree["posterior"].to_dataset()})
    with pytest.raises(DataError, match="no group observed_data"):
        plots.plot_predictive(bare)
    rows = xr.DataTree.from_dict({"observed_data": xr.Dataset({"y": ("row", np.zeros(3))})})
    with pytest.raises(DataError, match="does not say what its columns are"):
        plots.plot_response(rows)
    with pytest.raises(DataError, match="no group observed_data"):
        plots.plot_response_loo_pit(bare)


@pytest.mark.parametrize("model", [softmax_regression, gaussian_naive_bayes])
@pytest.mark.parametrize("names", [(datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)), (7, "seven")])
def test_dates_and_mixed_labels_are_written_to_files(model, names, tmp_path):
    tree = map_estimate(model, X, [names[k % 2] for k in range(len(X))]).to_arviz()
    tree.to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "tree.nc", engine="h5netcdf") as read:
        assert seen(read).labels == sorted(map(str, names))
        parameters = read["posterior"].to_dataset()
        assert any([*map(str, names)] == sorted(parameters[dim].values.tolist()) for dim in parameters.dims)


def test_calibration_has_a_band_in_every_panel():
    """Of 50 uniform ranks, and of ranks that are all low, which leave it."""
    rng = np.random.default_rng(0)
    ranks = {"right": rng.random(50), "low": rng.random(50) / 3}
    panels = plots.figure_of(plots.plot_calibration(ranks, "SBC")).axes
    bands = [c.get_paths()[0].vertices for axis in panels for c in axis.collections if c.get_label() == "band"]
    assert len(bands) == 2
    highest = max(vertices[:, 1].max() for vertices in bands)
    outside = [
        max(np.abs(np.asarray(line.get_ydata(), dtype=float)).max() for line in axis.lines) > highest
        for axis in panels[:2]
    ]
    assert sorted(outside) == [False, True]
    plt.close("all")


@pytest.mark.slow
def test_a_response_has_densities_of_numbers_and_a_rootogram_of_counts():
    fit = fitted(linear_regression, X[["bill_length_mm"]], X["body_mass_g"])
    assert plots.figure_of(plots.plot_response(fit.to_arviz())).axes[0].get_legend() is not None
    counted = fitted(poisson_regression, X[["bill_length_mm"]], np.arange(len(X)) % 3)
    axis = plots.figure_of(plots.plot_response(counted.to_arviz())).axes[0]
    assert axis.get_ylabel() == "frequency"
    assert axis.get_yscale() == "sqrt"
    plt.close("all")


@pytest.mark.slow
def test_labels_that_are_partly_hidden():
    """Those that are known are in the tree; the prior's picture has a bar a label."""
    some = Y.where(np.arange(len(Y)) % 5 > 0)
    tree = fitted(softmax_regression, X, some).to_arviz()
    axis = plots.plot_prior_predictive(tree).axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["Adelie", "Chinstrap", "Gentoo"]
    shares = some.value_counts(normalize=True)[["Adelie", "Chinstrap", "Gentoo"]]
    np.testing.assert_allclose(axis.patches[0].get_data().values, shares)
    joint = fitted(gaussian_naive_bayes, X, some)
    tree = joint.to_arviz()
    assigned = np.where(some.isna(), joint.assign(X).values, some)
    assert [seen(tree).labels[k] for k in known_or_assigned(tree)] == assigned.tolist()
    assert plots.plot_predictive_by_class(tree).axes
    counts = plots.plot_confusion(tree).axes[0].texts
    assert sum(int(text.get_text()) for text in counts) == some.notna().sum()
    plt.close("all")


@pytest.mark.slow
def test_one_chain_has_all_pictures_but_ranks():
    line = laplace(linear_regression, X[["bill_length_mm"]], X["body_mass_g"], draws=200, chains=1)
    tree = line.to_arviz()
    shown = [name for name, _ in plots.predictive(Case(line, tree))]
    assert shown == ["response", "line", "intervals", "loo-pit", "errors"]
    plt.close("all")
    page = report(line, tree)
    assert "trace plot" in page
    assert "rank plot" not in page
    assert "response check" in page


@pytest.mark.slow
def test_hidden_labels_have_real_images_and_no_observed_y():
    x = load_digits(as_frame=True).data.iloc[:90, 18:22]
    x = x.set_axis([f"pixel_{i}_{j}" for i in (0, 1) for j in (0, 1)], axis=1)
    fit = fitted(partial(fixed_variance_mixture, k=2, sigma=4.0), x)
    tree = fit.to_arviz()
    (axis,) = plots.plot_images(tree).axes
    mosaic = axis.images[0].get_array().reshape(2, 3, 13, 3)  # labels, lines, images, columns
    assert np.all(np.ma.getmaskarray(mosaic[:, -1]))
    assert np.all(np.ma.getmaskarray(mosaic[:, :-1, 6]))
    assert [one.get_text() for one in axis.get_yticklabels()] == [str(one) for one in fit.label_coordinate]
    codes = fit.log_label_posterior(x).values.argmax(axis=1)
    for k in range(2):
        real = mosaic[k, :-1, :6, :-1].transpose(1, 0, 2)
        np.testing.assert_array_equal(real.reshape(6, 4), x[codes == k][:6])
    assert plots.plot_predictive_by_class(tree).axes
    with pytest.raises(DataError, match="no row has a label that is known"):
        plots.plot_confusion(tree)
    plt.close("all")
    drawn = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(numpyro, "render_model", lambda model: drawn.append(handlers.trace(handlers.seed(model, 0)))
        or SimpleNamespace(pipe=lambda format: b"PNG"))  # fmt: skip
        patched.setattr(diagram.shutil, "which", lambda name: name)
        diagram.diagram(fit)
    with jax.enable_x64(True):
        trace = drawn[0].get_trace()
    assert (trace["x"]["is_observed"], trace["y"]["is_observed"]) == (True, False)


@pytest.mark.slow
def test_pictures_say_the_names_of_a_column_of_names():
    x, islands = BIRDS[["island", "sex"]], sorted(BIRDS["island"].unique())
    fit = fitted(categorical_naive_bayes, x, Y)
    tree = fit.to_arviz()
    for picture in (plots.plot_prior_predictive(tree), plots.plot_predictive_by_class(tree)):
        axis = next(one for one in picture.axes if one.get_xlabel() == "island")
        assert [text.get_text() for text in axis.get_xticklabels()] == islands
    dots = plots.plot_generated(tree).axes[0]
    assert [text.get_text() for text in dots.get_xticklabels()] == islands
    made, real = dots.lines
    kinds = set(np.round(made.get_xdata().astype(float)))
    assert set(np.round(real.get_xdata())) <= kinds <= {0, 1, 2}  # Adelies live on all three, and are generated there
    plt.close("all")


@pytest.mark.slow
def test_errors_bend_where_the_hypothesis_does_not():
    """A line through a parabola, whose column comes first; of the others nothing is left. Names are groups."""
    rng = np.random.default_rng(0)
    bent, straight, group = rng.uniform(-2, 2, size=400), rng.normal(size=400), rng.integers(2, size=400)
    x = pd.DataFrame({"straight": straight, "bent": bent, "sex": np.array(["f", "m"])[group]})
    y = bent**2 + straight + group + 0.5 * rng.normal(size=400)
    fit = nuts(hierarchical_regression, x, y, draws=100, warmup=200, chains=2)
    axes = plots.plot_response_errors(fit.to_arviz()).axes
    named = {axis.get_xlabel(): axis for axis in axes}
    assert axes[0] is named["bent"]
    assert set(named) == set(x.columns)
    means = {name: axis.lines[2].get_ydata() for name, axis in named.items()}
    assert means["bent"][0] > 1 > -0.5 > means["bent"][4]
    assert np.all(np.abs(means["straight"]) < 5 / np.sqrt(50))  # 8 groups of 50
    assert len(means["sex"]) == 2
    assert [tick.get_text() for tick in named["sex"].get_xticklabels()] == ["f", "m"]
    plt.close("all")


@pytest.mark.slow
def test_dollars_in_names_are_dollars(tmp_path):
    """Two of them would begin and end a formula, and a formula may be none."""
    x = X.set_axis([r"cost $ \foo $", "w$3$"], axis=1)
    labels = Y.astype(str).replace({"Adelie": "u_$^$", "Gentoo": "$5-$10"}).rename("$y$")
    fit = fitted(gaussian_naive_bayes, x, labels)
    tree = fit.to_arviz()
    page = report(fit, tree)
    assert page.count("<img") > 8
    shown = {draw: plots.figure_of(draw(tree)) for draw in (plots.plot_predictive_by_class, plots.plot_confusion)}
    for figure in shown.values():
        figure.savefig(tmp_path / "shown.png")
        named = [text for text in figure.findobj(plt.Text) if "$" in text.get_text()]
        assert named
        assert not any(text.get_parse_math() for text in named)
    plots.figure_of(plots.plot_trace(tree)).savefig(tmp_path / "shown.png")
    plots.figure_of(plots.plot_forest(tree)).savefig(tmp_path / "shown.png")
    plt.close("all")


@pytest.fixture(scope="module")
def point():
    return map_estimate(gaussian_naive_bayes, X, Y).to_arviz()


@pytest.mark.slow
def test_a_picture_that_a_tree_has_not_is_one_sentence(tree, point):
    asked = (
        (plots.plot_response, tree, "'species' is a label, and no number; see plot_confusion"),
        (plots.plot_response_loo_pit, tree, "'species' is a label, and no number"),
        (plots.plot_response_line, tree, "'species' is a label, and no number"),
        (plots.plot_counts, tree, "no column holds counts"),
        (plots.plot_images, tree, "columns are pixels where they are called pixel_ROW_COLUMN, not"),
        (plots.plot_trace, point, "no parameter varies between draws"),
        (plots.plot_worst_pair, point, "no parameter varies between draws"),
        (plots.plot_columns_loo_pit, point, "a point estimate leaves no row out"),
    )
    for draw, of, sentence in asked:
        with pytest.raises(DataError, match=sentence):
            draw(of)
    weighted = laplace(gaussian_naive_bayes, X, Y, weights=np.full(len(X), 2.0), draws=100, chains=2).to_arviz()
    with pytest.raises(DataError, match="no row is left out where rows have weights"):
        plots.plot_columns_loo_pit(weighted)
    hidden = fitted(partial(fixed_variance_mixture, k=2, sigma=100.0), X).to_arviz()
    with pytest.raises(DataError, match="no row has a label that is known"):
        plots.plot_probabilities_by_class(hidden)
    given = fitted(softmax_regression, X, Y).to_arviz()
    for draw, sentence in (
        (plots.plot_predictive, "the model takes x as given, and predicts none"),
        (plots.plot_generated, "the tree has no group class_conditional"),
        (plots.plot_columns_loo_pit, "the tree has no group class_conditional"),
    ):
        with pytest.raises(DataError, match=sentence):
            draw(given)
    for draw in (plots.plot_generated, plots.plot_predictive_by_class):
        with pytest.raises(DataError, match="has no labels"):
            draw(fitted(probabilistic_pca, X).to_arviz())
    plt.close("all")
