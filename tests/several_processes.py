"""Starts the processes of one training on this machine."""

import contextlib
import json
import os
import socket
import subprocess
import sys

from conftest import ROOT, WARNINGS

PATIENCE = 300  # seconds


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


def environment(index=0, count=1, port=0, devices=1):
    found = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    found["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    if count > 1:
        found["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = f"127.0.0.1:{port}"
        found["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(count)
        found["KERAS_DISTRIBUTION_PROCESS_ID"] = str(index)
    return found


def start(arguments, devices=1):
    """Starts a process for each list of arguments of Python; returns them."""
    port = free_port()
    options = [f"-W{warning}" for warning in WARNINGS]
    return [
        subprocess.Popen(
            [sys.executable, *options, *map(str, one)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(index, len(arguments), port, devices),
            cwd=ROOT / "tests",
        )
        for index, one in enumerate(arguments)
    ]


def ended(processes):
    """Returns (exit status, what it printed, its errors) of each process when all have ended."""
    try:
        told = [process.communicate(timeout=PATIENCE) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, *said) for p, said in zip(processes, told, strict=True)]


def train(recipe, folder, settings=(), *, count=1, devices=1, at=None):
    """Trains in several processes.

    Args:
        at: {process: (step, signal)}.
    """
    script = ROOT / "tests" / "training_process.py"
    arguments = [
        [script, recipe, folder, *(at or {}).get(index, (0, 0)), *settings]
        for index in range(count)
    ]
    return ended(start(arguments, devices))


def found(outcomes):
    """Returns what the processes found, all the same, after they have ended well."""
    for status, _, errors in outcomes:
        assert status == 0, errors
    values = [json.loads(out.strip().splitlines()[-1]) for _, out, _ in outcomes]
    assert all(value == values[0] for value in values)
    return values[0]
