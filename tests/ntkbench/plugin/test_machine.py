"""What this machine is said to be able to do."""

import os

import numpy as np

from ntkbench.plugin.machine import cores, memory_bytes, multiply_rate


def test_the_machine_has_cores_memory_and_a_rate():
    assert 1 <= cores() <= os.cpu_count()
    assert memory_bytes() > 2**28
    assert 1e8 < multiply_rate(0.01) < 1e15


def test_the_rate_is_the_best_of_several_products(monkeypatch):
    """With a clock that advances by 1 ms a call, a product takes 1 ms."""
    ticks = iter(np.arange(0.0, 10.0, 1e-3))
    monkeypatch.setattr("ntkbench.plugin.machine.time.perf_counter", lambda: next(ticks))
    assert np.isclose(multiply_rate(), cores() * 2 * 64**3 / 1e-3)
