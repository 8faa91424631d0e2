"""Claims on several seeds: which studies run on which, and what each look decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_findings import finding

from ntkbench.analysis.estimation.limits import nothing
from ntkbench.analysis.report.report import Report
from ntkbench.api import seeds
from ntkbench.api.run import Options
from ntkbench.api.seeds import AT_FIRST, FIRST_SEED, LOOKS, run_on_seeds, run_until_decided
from ntkbench.errors import NtkbenchError

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
        summary = SimpleNamespace(interrupted=seed == self.interrupted_at)
        plans = [SimpleNamespace(study=SimpleNamespace(study=SimpleNamespace(name=name))) for name in names]
        return tuple(SimpleNamespace(summary=summary, plan=plan) for plan in plans), Report((), found, 2)

    def never_ran(self, names, seed):
        return tuple(finding(seed, fit=nothing("not run"), study=name) for name in names)


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


def test_only_what_is_undecided_after_three_seeds_runs_on_further_ones(studies):
    fake = studies(quick=0.02, slow=0.08)
    board = run_until_decided([], 10, **ARGUMENTS)
    assert [seed for seed, name in fake.ran if name == "quick"] == [10, 11, 12]
    assert AT_FIRST < len([seed for seed, name in fake.ran if name == "slow"]) < AT_FIRST + LOOKS
    assert {found.verdict for found in board.report.findings} == {"holds"}
    assert all("98.8 % interval" in found.reason for found in board.report.findings)


def test_what_never_decides_stops_after_the_last_look(studies):
    fake = studies(hopeless=2.0)
    board = run_until_decided([], **ARGUMENTS)
    assert [seed for seed, _ in fake.ran] == list(range(FIRST_SEED, FIRST_SEED + AT_FIRST + LOOKS - 1))
    assert {found.verdict for found in board.report.findings} == {"inconclusive"}


def test_what_was_decided_stays_decided_and_shows_all_seeds(studies):
    fake = studies(a=0.02)
    looks = seeds._Looks(2)
    looks.reports[0] = fake.run(Path("out/seed-0"), 0)[1]
    assert looks.look() == ()
    looks.reports[1] = Report((), (finding(1, -0.2, 0.01, study="a"),), 2)
    assert looks.look() == ()
    (found,), (quantity,) = looks.report.findings, looks.report.replication.quantities
    assert (found.verdict, found.rate.key.run_id) == ("holds", "run-0")
    assert quantity.verdicts == {"holds": 1, "fails": 1}


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
    board = run_until_decided([], 0, budget=35.0, **ARGUMENTS)
    assert fake.ran == [(0, "a"), (0, "b"), (1, "a")]  # b would take 10 of the 5 seconds left
    assert {found.verdict for found in board.report.findings} == {"inconclusive"}


def test_a_study_that_never_ran_is_inconclusive(studies, monkeypatch):
    studies(a=0.02, b=0.02)
    monkeypatch.setattr(seeds._Clock, "allows", lambda self, name: name == "a")
    board = run_until_decided([], **ARGUMENTS)
    verdicts = {found.rate.key.study: found.verdict for found in board.report.findings}
    assert verdicts == {"a": "holds", "b": "inconclusive"}


def test_a_budget_in_which_nothing_runs_is_a_mistake(studies):
    studies(a=0.02)
    with pytest.raises(NtkbenchError, match="no study runs in 0 s"):
        run_until_decided([], budget=0.0, **ARGUMENTS)
