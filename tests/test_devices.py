"""Rows over two devices, and over two processes that each have their own: the answers of one device."""

import json
import os
import re
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from bayeszoo.inference.devices import as_one, everyone, gathered, spread
from bayeszoo.inference.joint import Rows
from spread_rows import answers

HERE = Path(__file__).parent


def start(*arguments: str, devices: int = 1) -> subprocess.Popen:
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    command = [sys.executable, str(HERE / "spread_rows.py"), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}, cwd=HERE, **pipes)


def answer(process: subprocess.Popen) -> dict:
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return json.loads(out.splitlines()[-1])


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.slow
def test_two_devices_and_two_processes_answer_as_one_device_does():
    """To 1e-10 for densities, gradients and modes: what the order of a sum of 301 terms may change is 1e-13.

    A short run of NUTS agrees to 1e-6, as trajectories that differ by rounding errors part slowly.
    """
    if jax.device_count() > 1:
        pytest.skip("the answers to compare with are those of one device")
    port = str(free_port())
    processes = [start(port, "0"), start(port, "1")]
    alone, together = start(devices=2), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the runs are short
        one = answers(slice(None))
    try:
        two, *together = map(answer, (alone, *processes))
    finally:
        for process in (alone, *processes):
            process.kill()
    for other in (two, *together):
        for case in ("regression", "labels"):
            assert other[case]["value"] == pytest.approx(one[case]["value"], rel=1e-10)
            assert other[case]["gradient"] == pytest.approx(one[case]["gradient"], rel=1e-10)
            assert one[case]["devices"] == 1
            assert other[case]["devices"] == 2
            assert other[case]["rows"] >= 302
            assert other[case]["exchanges"] == ["all-reduce"]  # sums alone: no row goes to another device
        assert other["mode"] == pytest.approx(one["mode"], rel=1e-10)
        assert "301 rows spread over 2 devices" in other["compression"]
        assert other["compressed"][0].startswith("301 rows as 6, mean and covariance of each group")
        assert other["compressed"][1:] == pytest.approx(one["compressed"][1:], rel=1e-6)
    first, second = together
    assert first["draws"] == second["draws"]
    assert first["draws"] == pytest.approx(one["draws"], rel=1e-6)
    said = {"columns": "columns differ", "text": "a table of numbers", "prior": "from spec"}
    for process in together:
        for name, words in said.items():
            assert re.search(words, process["refusals"][name])


def test_one_process_with_one_device_keeps_what_it_has():
    rows = Rows(np.arange(12.0).reshape(6, 2), None, np.array([0, 1, 1]))
    assert gathered(b"part") == [b"part"]
    assert everyone(3) == [3]
    with pytest.raises(ZeroDivisionError), as_one():
        1 / 0  # noqa: B018
    if jax.device_count() == 1:
        assert spread(rows) is rows


def test_blocks_hold_their_known_rows_first():
    """Two blocks of three rows, of which two are known: rows 0, 1, 3 and 4."""
    rows = Rows(np.arange(6.0)[:, None], None, np.array([10, 11, 13, 14]), None, 2)
    known, hidden = rows.apart(rows.x)
    np.testing.assert_array_equal(known.ravel(), [0, 1, 3, 4])
    np.testing.assert_array_equal(hidden.ravel(), [2, 5])
    np.testing.assert_array_equal(rows.together(known, hidden), np.arange(6.0))
    np.testing.assert_array_equal(rows.table[1], [10, 11, 0, 13, 14, 0])
