"""What a machine's memory allows: how much there is, and what is said of cells that need more."""

from dataclasses import replace

import pytest
from click.testing import CliRunner
from toy_runs import TOY, study

from ntkbench.api.run import Options
from ntkbench.cli.formatting import too_large
from ntkbench.cli.main import cli
from ntkbench.plugin import machine
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.specs import Estimate
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study


@pytest.fixture(scope="module")
def cell():
    registry = load_registry([TOY])
    return make_plan(resolve_study(study(), registry), registry).cells[0]


def test_a_container_has_what_it_is_given_and_no_more_than_the_machine(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "_CONTAINER_LIMIT", limit)
    memory = machine.memory_bytes()
    assert 1e8 < memory < 1e15
    for text, expected in (("1000000\n", 1_000_000), ("max\n", memory), (f"{1 << 62}\n", memory)):
        limit.write_text(text)
        assert machine.memory_bytes() == expected
    limit.write_text("1000000\n")
    processes = load_registry().executors.get("processes")
    assert Options().memory(processes) == 1_000_000
    assert Options(device="cuda").memory(processes) == float("inf")
    assert Options().memory(replace(processes, shares_memory=False)) == float("inf")


def test_cells_beyond_the_memory_are_counted_and_the_largest_named(cell):
    small, large, larger = (
        replace(cell, task=f"toy/{size}", label="ntk", hidden_widths=None, estimate=Estimate(1.0, size))
        for size in (5.0, 20e9, 30e9)
    )
    assert too_large([small], 1e9) is None
    assert too_large([small, large], 1e9) == (
        "1 cell needs more than this machine's memory, 1 GB, by estimate; most of all toy/20000000000.0 ntk (20 GB)"
    )
    assert too_large([small, large, larger], 1e9).startswith("2 cells need more")


def test_plans_say_so(monkeypatch):
    monkeypatch.setattr(Options, "memory", lambda self, executor: 1e6)
    done = CliRunner().invoke(cli, ["plan", "--task", "synthetic/circle", "--set", "task.n_train=2000"])
    assert done.exit_code == 0, done.output
    assert "more than this machine's memory, 1 MB, by estimate" in done.output
    monkeypatch.setattr(Options, "memory", lambda self, executor: float("inf"))
    assert (
        "more than this"
        not in CliRunner().invoke(cli, ["plan", "--task", "synthetic/circle", "--set", "task.n_train=2000"]).output
    )
