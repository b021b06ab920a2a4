"""From nothing to an answer: --help, an iris posterior in a first and a second process, and again in one; a report.

The caches of compiled programs are empty for the first one: bayeszoo's command line and PyMC, PyTensor and Numba keep
theirs by themselves, and JAX keeps one where its environment variables say so, as they do here for all. Python keeps
its bytecode, as it does by default: PYTHONDONTWRITEBYTECODE, which some machines set, is taken from all contestants.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from .race import Row, timed

NAME = "Start"
HOME = Path(__file__).parent.parent
CLI = [sys.executable, "-c", "from bayeszoo.workflow.cli import main; main()"]  # what the script 'bayeszoo' runs
FIT = [
    *CLI,
    "fit",
    "gaussian_naive_bayes",
    "iris",
    "--target",
    "target",
    "--holdout",
    "0",
    "--no-plots",
    "--no-report",
    "--force",
    "--out",
]

PENGUINS = [*CLI, "fit", "gaussian_naive_bayes", "penguins", "--target", "species", "--no-report", "--force", "--out"]
REPORT = 20  # seconds that a report of penguins may take

SETUPS = {
    "Python": """
from bayeszoo.inference import nuts
from bayeszoo.models import gaussian_naive_bayes
from sklearn.datasets import load_iris
""",
    "PyMC by nutpie": """
import nutpie
from benchmarks import naive_bayes as problem
from sklearn.datasets import load_iris
problem.LABELS, problem.COLUMNS = 3, 4
""",
    "NumPyro": """
import jax
from benchmarks.samplers import spec_of
from bayeszoo.models import gaussian_naive_bayes
from functools import partial
from numpyro.infer import MCMC, NUTS
from sklearn.datasets import load_iris
keywords = dict(num_warmup=500, num_samples=1000, num_chains=4, progress_bar=False)
""",
}
WORK = {
    "Python": """
nuts(gaussian_naive_bayes, *load_iris(return_X_y=True))
""",
    "PyMC by nutpie": """
compiled = nutpie.compile_pymc_model(problem.of_rows(*load_iris(return_X_y=True)))
nutpie.sample(compiled, draws=1000, chains=4, progress_bar=False)
""",
    "NumPyro": """
x, y = load_iris(return_X_y=True)
kernel = NUTS(partial(gaussian_naive_bayes, spec=spec_of(x, y)))
MCMC(kernel, chain_method="vectorized", **keywords).run(jax.random.key(0), x, y)
""",
}
PEERS = [name for name in WORK if name != "Python"]
AGAIN = """{setup}{work}
import time
start = time.perf_counter()
{work}
print(time.perf_counter() - start)
"""


ASK = """{setup}
import time
fit = nuts(gaussian_naive_bayes, *load_iris(return_X_y=True))
for rows in (37, 41):
    start = time.perf_counter()
    fit.log_label_posterior(fit.x[:rows])
    print(time.perf_counter() - start)
"""
BEFORE = "NumPyro, nothing kept"  # what starting cost before: traced and compiled by each process

OWN = ("help", "bare Python", "command line", "fit of penguins", "report of penguins")


def seconds(command: list[str], cache: Path, keeps: bool = True) -> tuple[float, str]:
    """Seconds of a process whose compiled programs are kept under ``cache``, or nowhere, and what it prints."""
    kept = {
        "XDG_CACHE_HOME": str(cache),
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}",
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
        "JAX_ENABLE_COMPILATION_CACHE": str(keeps),
    }
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | kept
    spent, done = timed(subprocess.run, command, env=environment, cwd=HOME, check=True, capture_output=True)
    return spent, done.stdout.decode()


def measure(scale: str) -> list[Row]:
    rounds = 1 if scale == "quick" else 2
    scripts = {name: [sys.executable, "-c", SETUPS[name] + work] for name, work in WORK.items()}
    first: dict[str, list[float]] = {name: [] for name in (*OWN, *scripts)}
    second: dict[str, list[float]] = {name: [] for name in first}
    again: dict[str, list[float]] = {name: [] for name in (*WORK, BEFORE)}
    asked = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            run = str(Path(folder) / "run")
            commands = {
                "help": [*CLI, "--help"],
                "bare Python": [sys.executable, "-c", ""],
                "command line": [*FIT, run],
                "fit of penguins": [*PENGUINS, str(Path(folder) / "birds")],
                "report of penguins": [*CLI, "report", str(Path(folder) / "birds"), "--force"],
            }
            for spent in (first, second):
                for name, command in (commands | scripts).items():
                    spent[name].append(seconds(command, Path(folder) / name)[0])
                    print(f"  {name} {spent[name][-1]:.1f} s", flush=True)
            for name, work in WORK.items():
                twice = [sys.executable, "-c", AGAIN.format(setup=SETUPS[name], work=work)]
                again[name].append(float(seconds(twice, Path(folder) / name)[1].split()[-1]))
                print(f"  {name} again {again[name][-1]:.1f} s", flush=True)
            again[BEFORE].append(seconds(scripts["NumPyro"], Path(folder) / "none", keeps=False)[0])
            ask = [sys.executable, "-c", ASK.format(setup=SETUPS["Python"])]
            asked.append([float(word) for word in seconds(ask, Path(folder) / "Python")[1].split()])
    one, two = ({k: statistics.median(v) for k, v in spent.items()} for spent in (first, second))
    rows = [_row("--help, s; bare Python", two["help"], two["bare Python"], "what it costs over an empty script")]
    for which, spent in (("first", one), ("second", two)):
        what = f"report of penguins by NUTS, {which} process, s; the time it may take"
        rows.append(_row(what, spent["report of penguins"], REPORT, "bayeszoo report RUN, imports included"))
    for mine in ("command line", "Python"):
        note = "with a table, netCDF and generated rows written" if mine == "command line" else ""
        for peer in PEERS:
            rows.append(_row(f"iris posterior, first process, s; {mine} : {peer}", one[mine], one[peer], note))
            rows.append(_row(f"iris posterior, second process, s; {mine} : {peer}", two[mine], two[peer], note))
    before, what = statistics.median(again[BEFORE]), f"iris posterior, a process, s; Python, second : {BEFORE}"
    rows.append(_row(what, two["Python"], before, "after : before"))
    others, some = (statistics.median(column) for column in reversed(list(zip(*asked, strict=True))))
    rows.append(_row("label posterior of 41 rows after 37, s; of the 37", others, some, "one program serves both"))
    for peer in PEERS:
        what = f"iris posterior, again in a process, s; Python : {peer}"
        rows.append(_row(what, statistics.median(again["Python"]), statistics.median(again[peer]), ""))
    return rows


def _row(what: str, ours: float, peer: float, note: str) -> Row:
    return Row(NAME, what, f"{ours:.3g}", f"{peer:.3g}", f"{peer / ours:.3g}", note)
