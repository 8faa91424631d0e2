"""Which cells run, in which order, and how far a run says it is."""

import heapq
from dataclasses import replace

import pytest
from toy_runs import TOY, study, subject

from ntkbench.execution import progress
from ntkbench.execution.progress import Progress
from ntkbench.execution.schedule import FAILURES, CellSchedule, decide, plan_work
from ntkbench.execution.threads import thread_environment
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.specs import Estimate
from ntkbench.store.finished import Done
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study


@pytest.fixture(scope="module")
def plan():
    registry = load_registry([TOY])
    two = [{"label": "ntk", "backend": "toy-kernel"}, {"label": "other", "backend": "toy-kernel", "fail": True}]
    data = study(reference=two, subject=[subject(compare_with=["ntk", "other"])])
    return make_plan(resolve_study(data, registry), registry)


@pytest.fixture
def cells(plan):
    return {(cell.label, cell.width): cell for cell in plan.cells}


class TestDecisions:
    @pytest.mark.parametrize(
        ("status", "plain", "rerun"),
        [
            (None, "run", "run"),
            ("ok", "done", "done"),
            ("interrupted", "run", "run"),
            ("skipped", "run", "run"),
            *(
                (status, "failed before", "run")
                for status in ("failed", "timeout", "crashed", "out_of_memory", "diverged")
            ),
        ],
    )
    def test_by_how_the_last_attempt_ended(self, cells, status, plain, rerun):
        cell = cells["network", 4]
        done = {} if status is None else {cell.cell_id: Done(status, 1)}
        assert decide(cell, done, rerun_failed=False) == plain
        assert decide(cell, done, rerun_failed=True) == rerun

    @pytest.mark.parametrize(
        ("status", "expected"), [(None, "skip"), ("failed", "skip"), ("ok", "done"), ("skipped", "skip")]
    )
    def test_a_cell_that_must_not_run(self, cells, status, expected):
        cell = replace(cells["network", 4], skip="no")
        done = {} if status is None else {cell.cell_id: Done(status, 1)}
        assert decide(cell, done, rerun_failed=True) == expected


def drained(schedule):
    taken = []
    while cell := schedule.take():
        taken.append((cell.label, cell.width))
    return taken


def test_what_counts_as_a_failure():
    assert {"failed", "timeout", "crashed", "out_of_memory", "diverged"} == FAILURES


class TestSchedule:
    def test_readers_wait_for_all_they_read(self, plan, cells):
        schedule = CellSchedule(plan.cells, solved=(), failed={})
        first, other = cells["ntk", None].cell_id, cells["other", None].cell_id
        assert drained(schedule) == [("ntk", None)]  # the other takes its rate from the first
        schedule.finish(first, ok=True, outcome="")
        assert drained(schedule) == [("other", None)]
        schedule.finish(other, ok=True, outcome="")
        assert len(drained(schedule)) == 3

    def test_a_failure_blocks_its_readers_and_theirs(self, plan, cells):
        schedule = CellSchedule(plan.cells, solved=(), failed={})
        schedule.take()
        schedule.finish(cells["ntk", None].cell_id, ok=False, outcome="ended as failed: oh")
        blocked = {(cell.label, cell.width): reason for cell, reason in schedule.take_blocked()}
        assert set(blocked) == {("other", None), ("network", 4), ("network", 16), ("network", 64)}
        assert set(blocked.values()) == {'reference "ntk" ended as failed: oh'}
        assert schedule.take_blocked() == []
        assert not schedule.left()

    def test_what_failed_earlier_blocks_at_once(self, plan, cells):
        failed = {cells["other", None].cell_id: "ended earlier as crashed"}
        networks = [cell for cell in plan.cells if cell.role == "subject"]
        schedule = CellSchedule(networks, solved=[cells["ntk", None].cell_id], failed=failed)
        assert {reason for _, reason in schedule.take_blocked()} == {'reference "other" ended earlier as crashed'}
        assert drained(schedule) == []

    def test_what_does_not_fit_beside_the_running_ones_waits(self, plan, cells):
        """Of 10 bytes: 6 and then 3 pass over 5; 12, more than there is, runs alone."""
        sizes = {4: (5.0, 8.0), 16: (6.0, 9.0), 64: (3.0, 7.0), 256: (12.0, 1.0)}
        some = [
            replace(
                cells["network", 4],
                cell_id=f"{width}",
                hidden_widths=(width,),
                references={},
                estimate=Estimate(flops, size),
            )
            for width, (size, flops) in sizes.items()
        ]
        schedule = CellSchedule(some, solved=(), failed={}, memory=10.0)
        assert drained(schedule) == [("network", 16), ("network", 64)]
        schedule.finish("64", ok=True, outcome="")
        assert drained(schedule) == []
        schedule.finish("16", ok=False, outcome="ended as crashed")
        assert drained(schedule) == [("network", 4)]
        schedule.finish("4", ok=True, outcome="")
        assert drained(schedule) == [("network", 256)]
        assert schedule.left()
        schedule.finish("256", ok=True, outcome="")
        assert not schedule.left()

    def test_cells_that_wait_for_memory_are_not_looked_through(self, cells, monkeypatch):
        """A hundred cells that run one by one are taken from the heap once each."""
        many = [
            replace(cells["network", 4], cell_id=f"{number}", references={}, estimate=Estimate(1.0, 6.0))
            for number in range(100)
        ]
        schedule = CellSchedule(many, solved=(), failed={}, memory=10.0)
        taken, pop = [], heapq.heappop
        monkeypatch.setattr(heapq, "heappop", lambda heap: (taken.append(heap), pop(heap))[1])
        while cell := schedule.take():
            assert schedule.take() is None
            schedule.finish(cell.cell_id, ok=True, outcome="")
        assert len(taken) == 100

    def test_references_first_then_the_costliest(self, plan, cells):
        costs = {("network", 4): 1.0, ("network", 16): 3.0, ("network", 64): 2.0, ("ntk", None): 0.5}
        chosen = [replace(cells[key], estimate=Estimate(cost, 0), references={}) for key, cost in costs.items()]
        assert drained(CellSchedule(chosen, (), {})) == [
            ("ntk", None),
            ("network", 16),
            ("network", 64),
            ("network", 4),
        ]

    def test_a_missing_solution_is_refilled_with_what_it_reads(self, plan, cells, tmp_path):
        """The second reference reads the first: to solve it again both are needed, and only them."""
        done = {cell.cell_id: Done("ok", 1) for cell in plan.cells if cell.width != 64}
        work = plan_work(plan, done, tmp_path, rerun_failed=False)
        assert [(cell.label, cell.width) for cell in work.pending] == [("network", 64)]
        assert {cell.label for cell in work.refill} == {"ntk", "other"}
        assert drained(work.schedule) == [("ntk", None)]

    def test_nothing_is_refilled_for_nothing(self, plan, tmp_path):
        work = plan_work(plan, {cell.cell_id: Done("ok", 1) for cell in plan.cells}, tmp_path, rerun_failed=True)
        assert not work.pending
        assert not work.refill
        assert not work.schedule.left()


class TestTally:
    @pytest.fixture
    def clock(self, monkeypatch):
        now = [100.0]
        monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
        return now

    def two(self, cells, first=1e9, second=3e9):
        return [
            replace(cells["network", 4], estimate=Estimate(first, 0)),
            replace(cells["network", 16], estimate=Estimate(second, 0)),
        ]

    def test_work_is_weighed_by_flops(self, cells, clock):
        small, large = self.two(cells)
        progress = Progress([small, large])
        assert (progress.fraction, progress.seconds_left) == (0.0, None)
        progress.progress(small.cell_id, 1.0)
        assert progress.fraction == pytest.approx(
            3 / 8
        )  # (1 + 2) of (1 + 2) + (3 + 2) Gflop: every cell costs 2 besides
        progress.progress(large.cell_id, 0.5)
        assert progress.fraction == pytest.approx(3 / 8 + 2.5 / 8)
        clock[0] += 11
        assert progress.elapsed_seconds == 11
        assert progress.seconds_left == pytest.approx(11 * (2.5 / 8) / (5.5 / 8))
        progress.progress(large.cell_id, 1.0)
        assert (progress.fraction, progress.seconds_left) == (1.0, 0.0)

    def test_it_never_goes_back_and_never_past_the_end(self, cells, clock):
        small, large = self.two(cells)
        progress = Progress([small, large])
        seen = []
        for value in (0.5, 0.2, 7.0, -1.0, 1.0):
            progress.progress(small.cell_id, value)
            seen.append(progress.fraction)
        assert seen == sorted(seen)
        assert seen[-1] == pytest.approx(3 / 8)

    def test_too_early_to_tell(self, cells, clock):
        small, large = self.two(cells)
        progress = Progress([small, large])
        progress.progress(small.cell_id, 1.0)
        clock[0] += 1
        assert progress.seconds_left is None
        clock[0] += 2
        assert progress.seconds_left is not None

    def test_nothing_to_do_is_all_done(self, clock):
        assert Progress([]).fraction == 1.0


def test_threads_are_held_for_every_library():
    found = thread_environment(3)
    assert {found[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")} == {"3"}
    assert "multi_thread_eigen=true" in found["XLA_FLAGS"]
    assert "multi_thread_eigen=false" in thread_environment(1)["XLA_FLAGS"]
