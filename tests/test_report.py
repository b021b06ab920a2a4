"""The report: whole on its own, its verdict first, sections fit for each kind of model, and seen in a real browser."""

import base64
import html
import os
import re
import shutil
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bayeszoo.inference import label_uncertainty, laplace, map_estimate, mle, nuts, outliers
from bayeszoo.inference.progress import bar
from bayeszoo.models import (
    categorical_naive_bayes,
    fixed_variance_mixture,
    gaussian_naive_bayes,
    linear_regression,
    multinomial_naive_bayes,
    poisson_regression,
    probabilistic_pca,
    softmax_regression,
)
from bayeszoo.workflow import datasets, diagram, store
from bayeszoo.workflow.cli import main
from bayeszoo.workflow.report import report
from bayeszoo.workflow.verdict import check
from sklearn.datasets import load_digits

PENGUINS = datasets.load("penguins")
X, Y, _ = datasets.choose_columns(PENGUINS, "species", None)
WHOLE = PENGUINS.dropna().reset_index(drop=True)
RNG = np.random.default_rng(0)
DIGITS = load_digits(as_frame=True)


@pytest.fixture(scope="module")
def fit():
    return nuts(gaussian_naive_bayes, X, Y)


@pytest.fixture(scope="module")
def page(fit):
    return report(fit)


def test_the_page_needs_no_other_file_and_has_every_section(page):
    assert len(page) < 5_000_000
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "Model and data",
        "Verdict",
        "Parameters",
        "Posterior predictive",
        "Labels and rows",
        "Decisions",
        "Leave one out",
    ]
    pictures = re.findall(r"<img [^>]*>", page)
    assert len(pictures) >= 12
    assert [kind for kind in ("trace", "rank", "pair") if f'alt="{kind} plot' not in page] == []
    assert all(re.search(r'alt="[^"]+"', one) for one in pictures)
    assert "<script" not in page


def test_a_run_has_the_page_of_its_fit_to_the_byte(fit, page, tmp_path, monkeypatch, capsys):
    """And it is the tree of the run's file that is read, not made again."""
    store.save(fit, tmp_path)
    monkeypatch.setattr("bayeszoo.inference.fit.Fit.to_arviz", lambda fit: pytest.fail("the tree is at hand"))
    monkeypatch.setattr("sys.argv", ["bayeszoo", "report", str(tmp_path)])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page


def test_the_pages_numbers_are_the_fits(fit, page):
    assert f"R-hat, the largest: {fit.diagnostics['max_rhat']:.4g}" in page
    assert "Adelie: 152, Chinstrap: 68, Gentoo: 124" in page
    least = int(fit.log_marginal(fit.x).values.argmin())
    outliers = page[page.index("Outliers") :]
    assert re.search(r'<td class="number">(\d+)</td>', outliers).group(1) == str(least)
    assert "Priors, in the data" in page
    unsure = int(label_uncertainty(fit, fit.x).total.values.argmax())
    least_sure = page[page.index("Least sure rows") :]
    assert re.search(r'<td class="number">(\d+)</td>', least_sure).group(1) == str(unsure)
    draws = np.exp(fit.log_label_posterior(fit.x[[unsure]], draws=True)).sel(label="Adelie").values.ravel()
    low, high = np.quantile(draws, [0.05, 0.95])
    mean = np.exp(fit.log_label_posterior(fit.x[[unsure]]).sel(label="Adelie").item())
    assert f"<td>{mean:.2f} ({low:.2f} to {high:.2f})</td>" in least_sure


def line(n=60):
    x = pd.DataFrame({"u": RNG.normal(size=n), "v": RNG.normal(size=n)})
    return x, (1.0 + 2.0 * x["u"] + RNG.normal(size=n)).rename("score")


CASES = {
    "a number": (
        laplace,
        linear_regression,
        *line(),
        ["response check", "loo-pit check", "errors check"],
    ),
    "a count": (
        laplace,
        poisson_regression,
        line()[0],
        pd.Series(RNG.poisson(3.0, 60), name="visits"),
        ["response check"],
    ),
    "a label given x": (
        laplace,
        softmax_regression,
        WHOLE[["bill_length_mm", "body_mass_g"]],
        WHOLE["species"],
        ["mean label posterior check", "confusion matrix", "reliability diagrams", "Naming no label", "aleatoric"],
    ),
    "clusters": (
        laplace,
        partial(fixed_variance_mixture, k=2),
        WHOLE[["bill_length_mm", "body_mass_g"]],
        None,
        [
            "columns by class check",
            "loo-pit of columns check",
            "Fixed beforehand",
            "Least sure rows",
            "real and generated rows",
            "What is unsure",
            "given the others; these rows",
        ],
    ),
    "a point": (
        mle,
        gaussian_naive_bayes,
        X,
        Y,
        [
            "Maximum likelihood leaves the priors out",
            "A point estimate",
            "Leave-one-out needs draws",
            "confusion matrix",
            "leaves no row out",
            "by EM",
        ],
    ),
    "columns of names": (
        laplace,
        categorical_naive_bayes,
        PENGUINS[["island", "sex"]],
        PENGUINS["species"],
        ["loo-pit of columns check", "Missing cells, filled in", "<td>Torgersen</td>"],
    ),
    "no label": (
        laplace,
        partial(probabilistic_pca, components=1),
        WHOLE[["bill_length_mm", "bill_depth_mm", "body_mass_g"]],
        None,
        ["columns check", "loo-pit of columns check", "Outliers", "Missing cells, filled in"],
    ),
    "words in documents": (
        laplace,
        multinomial_naive_bayes,
        pd.DataFrame(RNG.multinomial(30, [0.5, 0.3, 0.2], size=60), columns=list("abc")),
        pd.Series(["long", "short"] * 30, name="kind"),
        ["counts check", "loo-pit of columns check", "Not to be had: missing features cannot be"],
    ),
    "ten labels of images": (
        map_estimate,
        gaussian_naive_bayes,
        DIGITS.data.iloc[:300, 18:22].set_axis([f"pixel_{i}_{j}" for i in (0, 1) for j in (0, 1)], axis=1),
        DIGITS.target[:300],
        ["Of more than 6 labels", ">most probable<", ">third<", "Real and generated rows"],
    ),
}


def page_of(case):
    fitter, model, x, y, _ = CASES[case]
    return report(fitter(model, x, y, **({} if fitter in (mle, map_estimate) else {"draws": 100, "chains": 2})))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_sections_fit_the_model(case):
    found = page_of(case)
    assert [words for words in CASES[case][-1] if words not in found] == []
    assert len(found) < 5e6
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", found)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) == 1
    assert "nan" not in re.sub(r"base64,[^\"]*", "", found).lower().replace("dominan", "")


@pytest.mark.slow
def test_a_regression_has_no_sections_on_labels(monkeypatch):
    waits = []
    monkeypatch.setattr("bayeszoo.workflow.report.bar", lambda items, desc: waits.append(desc) or bar(items, desc=desc))
    headings = re.findall("<h2>(.*?)</h2>", report(laplace(linear_regression, *line(), draws=100, chains=2)))
    assert headings == ["Model and data", "Verdict", "Parameters", "Posterior predictive", "Leave one out"]
    assert waits == ["report"]


@pytest.mark.slow
def test_the_page_says_what_was_left_out_and_how_well_it_is_predicted(tmp_path, monkeypatch, capsys):
    def ask(*words):
        monkeypatch.setattr("sys.argv", ["bayeszoo", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, capsys.readouterr()

    run = tmp_path / "run"
    code, said = ask("fit", "gaussian_naive_bayes", "penguins", "--target", "species", "--by", "mle", "--out", str(run))
    assert code == 0
    score = next(line for line in said.out.splitlines() if line.startswith("held-out 69 rows: log loss"))
    note = next(line for line in said.out.splitlines() if line.startswith("note: ")).removeprefix("note: ")
    assert ask("report", str(run), "--force")[0] == 0
    page = html.unescape((run / "report.html").read_text())
    assert f"It predicts what it has not seen better than one who knows no x: {score}." in page
    assert note in page
    assert (
        "which the fit has seen, so that tails are too great; tail: how rarely one of 69 held-out rows is as improbable"
        in page
    )
    held = np.load(run / "rows.npz")["held"]
    least = outliers(store.load(run), store.load(run).x, held_out=held).tail_probability.values.min()
    assert f"{least:.4g}" in page[page.index("held-out rows is as improbable") :]
    (run / "held_out.json").write_text('{"rows": 69, "log loss"')
    code, said = ask("report", str(run), "--force")
    assert code == 2
    assert "is damaged (" in said.err
    (run / "held_out.json").write_text('{"accuracy": 1}')
    code, said = ask("report", str(run), "--force")
    assert code == 2
    assert "held_out.json does not say of how many rows" in said.err
    assert html.unescape((run / "report.html").read_text()) == page


def test_checks_are_data(fit):
    table = check(fit)
    assert list(table.columns) == ["name", "value", "threshold", "passed", "advice"]
    assert table["value"].notna().all()
    by_name = table.set_index("name")
    assert by_name.loc["R-hat, the largest", "value"] == fit.diagnostics["max_rhat"]
    assert by_name.loc["divergences", "passed"]
    assert {"Pareto k, the largest", "calibration, p of uniform ranks", "E-BFMI, the smallest"} <= set(table["name"])


@pytest.mark.slow
def test_a_bad_fit_is_called_bad():
    """Too few draws; and a likelihood that is far too narrow, whose left-out rows are not where it says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = nuts(gaussian_naive_bayes, X, Y, draws=20, chains=2, warmup=10)
    told = check(short).set_index("name")
    assert not told.loc["bulk ESS, the smallest", "passed"]
    assert not told.loc["warnings of the fitter", "passed"]
    assert told.loc["warnings of the fitter", "advice"] == " ".join(short.warnings)
    x, y = line()
    narrow = laplace(partial(linear_regression, sigma=0.2), x, y)
    told = check(narrow).set_index("name")
    assert not told.loc["calibration, p of uniform ranks", "passed"]
    assert "too sure" in told.loc["calibration, p of uniform ranks", "advice"]
    sure = check(laplace(linear_regression, x, y)).set_index("name")
    assert sure.loc["calibration, p of uniform ranks", "passed"]


@pytest.mark.slow
def test_a_column_that_is_not_spread_as_the_model_says_is_called_so():
    rng = np.random.default_rng(0)
    label = np.arange(200) % 2
    x = pd.DataFrame({"right": rng.normal(size=200), "skewed": rng.exponential(size=200) ** 2}) + label[:, None]
    told = {}
    for columns in (["right"], ["right", "skewed"]):
        fit = laplace(gaussian_naive_bayes, x[columns], label, draws=500)
        told[len(columns)] = check(fit).set_index("name").loc["calibration of columns, p of uniform places"]
    assert bool(told[1].passed)
    assert not told[2].passed
    assert told[2].advice.startswith("column 'skewed' is not spread as the fit says, most of all in ")


def test_a_prior_that_the_data_contradict_is_found():
    import numpyro
    import numpyro.distributions as dist

    def wrong(x, y=None):
        w = numpyro.sample("w", dist.Normal(30.0, 1.0))
        numpyro.sample("y", dist.Normal(w * x[:, 0], 1.0), obs=y)

    x, y = line()
    told = check(laplace(wrong, x, y)).set_index("name").loc["prior-data conflict, power scaling"]
    assert not told["passed"]
    assert "prior and data both pull at w" in told["advice"]


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz here")
def test_a_diagram_is_drawn(fit, page):
    drawn = diagram.diagram(fit)
    assert drawn[:4] == b"\x89PNG"
    assert base64.b64encode(drawn).decode() in page


def test_the_absence_of_a_diagram_is_said(fit, monkeypatch):
    monkeypatch.setattr(diagram.shutil, "which", lambda name: None)
    assert "Graphviz is not installed" in diagram.diagram(fit)


@pytest.mark.slow
def test_the_verb_writes_it_and_replaces_nothing(fit, tmp_path, monkeypatch, capsys):
    store.save(fit, tmp_path / "run")
    for words, code in ((["report"], 0), (["report"], 2), (["report", "--force"], 0)):
        monkeypatch.setattr("sys.argv", ["bayeszoo", *words, str(tmp_path / "run")])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == code
    said = capsys.readouterr()
    assert "is there already; give --force" in said.err
    assert (tmp_path / "run" / "report.html").stat().st_size > 100_000
    assert not list((tmp_path / "run").glob(".report*"))


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


# Of every element with text of its own: its colour, and that of the nearest background that is not clear.
COLOURS = """
const found = new Map();
for (const e of document.body.querySelectorAll('*')) {
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility()) continue;
  let on = e;
  while (on.parentElement && /, 0\\)$|transparent/.test(getComputedStyle(on).backgroundColor)) on = on.parentElement;
  const one = {ink: getComputedStyle(e).color, paper: getComputedStyle(on).backgroundColor, tag: e.tagName};
  found.set(JSON.stringify(one), one);
}
return [...found.values()];
"""


def luminance(colour):
    """Of WCAG 2.2, of 'rgb(r, g, b)'; white where it is clear."""
    parts = [float(part) for part in re.findall(r"[\d.]+", colour)]
    if len(parts) == 4 and parts[3] == 0:
        return 1.0
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(parts[:3]) / 255]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def check_contrast(colours, dark):
    assert len(colours) > 3
    for one in colours:
        ink, paper = (luminance(one[part]) for part in ("ink", "paper"))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, (dark, one)  # WCAG 2.2, 1.4.3
    assert (luminance(colours[0]["paper"]) < 0.1) == dark


@pytest.mark.skipif(BROWSER is None or shutil.which("chromedriver") is None, reason="no Chromium with its driver here")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("case", ["penguins", "a number", "ten labels of images"])
def test_a_browser_shows_it(case, request, tmp_path):
    """No console errors, every picture there, no sideways scrolling at phone and desk width, and contrast."""
    from selenium import webdriver

    page = request.getfixturevalue("page") if case == "penguins" else page_of(case)
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        for width in (360, 1280):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(file.as_uri())
            assert driver.get_log("browser") == []
            shown = driver.execute_script(
                "return Array.from(document.images, i => [i.complete, i.naturalWidth, i.getBoundingClientRect().right])"
            )
            assert len(shown) == page.count("<img ") > 4
            assert all(complete and wide > 0 and right <= width for complete, wide, right in shown)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
            for scheme, media in (("dark", "print"), ("dark", "screen"), ("light", "screen")):
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
                check_contrast(driver.execute_script(COLOURS), dark=scheme == "dark" and media == "screen")
            kept = os.environ.get("BAYESZOO_SCREENSHOTS")
            if kept:
                Path(kept).mkdir(parents=True, exist_ok=True)
                whole = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
                picture = Path(kept) / f"report-{case.replace(' ', '-')}-{width}.png"
                picture.write_bytes(base64.b64decode(whole["data"]))
    finally:
        driver.quit()
