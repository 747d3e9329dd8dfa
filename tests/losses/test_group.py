"""Two real processes with unequal batches give the value and the gradient of one with the joint batch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

WORKER = Path(__file__).with_name("gloo_worker.py")


@pytest.fixture(scope="module")
def worker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gloo_worker", WORKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gloo")
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(rank), "2", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for rank in range(2)
    ]
    for process in processes:
        output, _ = process.communicate(timeout=400)
        assert process.returncode == 0, output.decode()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_gloo_processes_equal_one(worker, shares):
    joint = worker.run(slice(0, worker.BATCH), None)
    assert set(joint) == set(shares[0]) == set(shares[1])
    assert len(joint) >= 3 * len(worker.cases())
    for case, (value, *gradients) in joint.items():
        first, second = shares[0][case], shares[1][case]
        torch.testing.assert_close(first[0], value, rtol=1e-12, atol=1e-14, msg=f"{case}: value of the first")
        torch.testing.assert_close(second[0], value, rtol=1e-12, atol=1e-14, msg=f"{case}: value of the second")
        for a, b, wanted in zip(first[1:], second[1:], gradients):
            rows = len(a) + len(b) == len(wanted) if wanted.dim() else False
            got = (torch.cat([a, b]) if rows else a + b) / 2  # DDP averages over the processes
            torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-13, msg=lambda words: f"{case}: gradient: {words}")


def test_every_case_has_a_gradient_to_look_at(worker):
    for case, (value, *gradients) in worker.run(slice(0, worker.BATCH), None).items():
        assert value.isfinite() and value != 0, case
        assert case.endswith("state") or any(g.abs().max() > 1e-6 for g in gradients), case
