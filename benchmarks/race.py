"""Timing: contestants in turn, within one process, or each in one of its own with a time limit."""

import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

# Of BLAS and OpenMP, of Numba, and of JAX.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")
STARTING = 15.0  # seconds for imports and data
ROUNDS = 3  # turns of each contestant
DEAR = 120.0  # seconds of a turn from which on one is enough: what takes minutes is not decided by a moment's load


class Row(NamedTuple):
    """One line of the table. ours and peer in the unit that ``what`` names; a ratio above 1 is in our favour."""

    problem: str
    what: str
    ours: str | float
    peer: str | float
    ratio: str | float
    note: str = ""


def timed(function: Callable, *args: Any, **keywords: Any) -> tuple[float, Any]:
    """Seconds, and what the function returns."""
    start = time.perf_counter()
    result = function(*args, **keywords)
    return time.perf_counter() - start, result


def interleaved(contestants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each contestant, called in turn after one call that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for i in range(rounds + 1):
        for name, function in contestants.items():
            spent, _ = timed(function)
            if i:
                seconds[name].append(spent)
    return {name: statistics.median(all_of_one) for name, all_of_one in seconds.items()}


def in_turn(contestants: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, Any]:
    """What each contestant says, a dict or a sentence (str): numbers are medians over turns, all else is the last's.

    One that fails, or whose turn takes DEAR seconds, has no other turn.
    """
    said: dict[str, list[Any]] = {name: [] for name in contestants}
    going = dict(contestants)
    for _ in range(rounds):
        for name, function in list(going.items()):
            spent, answer = timed(function)
            said[name].append(answer)
            if isinstance(answer, str) or spent > DEAR:
                del going[name]
    return {name: _middle(answers) for name, answers in said.items()}


def _middle(answers: list[Any]) -> Any:
    """A sentence, if there is one, as such a contestant is out; else the last answer, with medians for its numbers."""
    *_, last = answers
    if isinstance(last, str):
        return last
    numbers = [key for key, value in last.items() if isinstance(value, float)]
    return last | {key: statistics.median(one[key] for one in answers) for key in numbers}


def alone(function: Callable, *args: Any, limit: float = 600.0, threads: int | None = None) -> Any:
    """What the function returns in a fresh process; a sentence (str) where it fails or takes over ``limit`` seconds.

    Imports and data have STARTING seconds more, so that the work itself has the whole limit.
    threads: how many its linear algebra, Numba or JAX may use; by default as many as they like.
    """
    name = " ".join([function.__name__, *(getattr(a, "__name__", str(a)) for a in args if not isinstance(a, dict))])
    print(f"  {name}{f', {threads} threads' if threads else ''} ...", end=" ", flush=True)
    kept = {variable: os.environ.get(variable) for variable in THREADS}
    if threads:
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, function, args))
    start = time.perf_counter()
    try:
        process.start()
    finally:
        for variable, value in kept.items():
            os.environ.pop(variable, None) if value is None else os.environ.update({variable: value})
    theirs.close()
    try:
        result = ours.recv() if ours.poll(limit + STARTING) else f"not within {limit:.0f} s"
    except EOFError:
        result = "failed: the process died"
    _stop(process)
    print(result if isinstance(result, str) else f"{time.perf_counter() - start:.1f} s", flush=True)
    return result


def _serve(connection: Connection, function: Callable, args: tuple) -> None:
    os.setsid()  # so that its own processes end with it
    os.environ["TQDM_DISABLE"] = "1"
    try:
        result = function(*args)
    except Exception as error:  # a peer may fail in any way, and the others still race
        result = f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    connection.send(result)


def _stop(process: multiprocessing.process.BaseProcess) -> None:
    process.join(5)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
