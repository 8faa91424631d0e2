"""Claims on several seeds: which studies run on which, and what each look decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_findings import finding

from ntkbench.analysis.report.report import Report
from ntkbench.api import seeds
from ntkbench.api.run import Options
from ntkbench.api.seeds import LOOKS, run_on_seeds, run_until_decided

ARGUMENTS = {"size": "small", "out": Path("out"), "options": Options(), "watcher_of": lambda *_: None}


@dataclass(frozen=True)
class FakeStudies:
    """Studies whose estimates have the errors of ``errors``, and nothing to run."""

    errors: dict[str, float]
    names: tuple[str, ...]
    comparisons: int = 2
    ran: list[tuple[int, str]] = field(default_factory=list)
    interrupted_at: int | None = None

    def run(self, out, seed, goes_on=lambda _: True):
        names = [name for name in self.names if goes_on(name)]
        self.ran.extend((seed, name) for name in names)
        assert out == Path("out") / f"seed-{seed}"
        found = tuple(finding(seed, error=self.errors[name], study=name) for name in names)
        stopped = SimpleNamespace(summary=SimpleNamespace(interrupted=seed == self.interrupted_at))
        return (stopped,), Report((), found, 2)


@pytest.fixture
def studies(monkeypatch):
    def make(interrupted_at=None, **errors):
        found = FakeStudies(errors, tuple(errors), interrupted_at=interrupted_at)
        monkeypatch.setattr(seeds, "planned_studies", lambda *_: found)
        monkeypatch.setattr(seeds, "write_board", lambda board: None)
        return found

    return make


def test_named_seeds_are_each_run_once_and_judged_together(studies):
    fake = studies(a=0.06, b=0.06)
    board = run_on_seeds([], [5, 3, 5, 4], **ARGUMENTS)
    assert fake.ran == [(seed, name) for seed in (5, 3, 4) for name in "ab"]
    assert board.report.replication.seeds == (5, 3, 4)
    assert {found.verdict for found in board.report.findings} == {"holds"}


def test_an_interrupt_starts_no_further_seed(studies):
    fake = studies(interrupted_at=1, a=0.06)
    assert run_on_seeds([], [1, 2], **ARGUMENTS).interrupted
    assert fake.ran == [(1, "a")]


def test_only_what_is_undecided_runs_on_further_seeds(studies):
    fake = studies(quick=0.02, slow=0.07)
    board = run_until_decided([], 10, **ARGUMENTS)
    assert [seed for seed, name in fake.ran if name == "quick"] == [10]
    assert 1 < len([seed for seed, name in fake.ran if name == "slow"]) < LOOKS
    assert {found.verdict for found in board.report.findings} == {"holds"}
    assert all("99.2 % interval" in found.reason for found in board.report.findings)


def test_what_never_decides_stops_after_the_last_look(studies):
    fake = studies(hopeless=2.0)
    board = run_until_decided([], **ARGUMENTS)
    assert [seed for seed, _ in fake.ran] == list(range(LOOKS))
    assert {found.verdict for found in board.report.findings} == {"inconclusive"}


def test_what_was_decided_stays_decided(studies, monkeypatch):
    fake = studies(a=0.02)
    later = finding(1, -0.2, 0.01, study="a")
    looks = seeds._Looks(2)
    assert looks.after(0, fake.run(Path("out/seed-0"), 0)[1]) == ()
    assert looks.after(1, Report((), (later,), 2)) == ()
    (found,) = looks.report.findings
    assert (found.verdict, found.rate.key.run_id) == ("holds", "run-0")


def test_a_spent_budget_starts_no_study(studies, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(seeds.time, "monotonic", lambda: now[0])
    fake = studies(a=2.0, b=2.0)

    def run(self, out, seed, goes_on, original=FakeStudies.run):
        def counted(name):
            allowed = goes_on(name)
            now[0] += 10.0 * allowed  # what the study takes
            return allowed

        return original(self, out, seed, counted)

    monkeypatch.setattr(FakeStudies, "run", run)
    board = run_until_decided([], budget=35.0, **ARGUMENTS)
    assert fake.ran == [(0, "a"), (0, "b"), (1, "a")]  # b would take 10 of the 5 seconds left
    assert {found.verdict for found in board.report.findings} == {"inconclusive"}
