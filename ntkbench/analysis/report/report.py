"""All that the tables of runs say, computed once: tables, figures, JSON and the terminal only render it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..estimation.rates import Rates
from ..series.quantities import ALL
from ..verdicts.claim import claim_of
from ..verdicts.judge import ERROR, as_one_family, each_run, judged_run
from ..verdicts.replication import replication
from ..verdicts.scoreboard import scores
from .comparisons import comparisons

if TYPE_CHECKING:
    from ...store.read import Results
    from ..estimation.rates import FittedRate
    from ..verdicts.claim import StudiedClaim
    from ..verdicts.judge import Finding
    from ..verdicts.replication import Replication
    from ..verdicts.scoreboard import Score
    from .comparisons import Comparison


@dataclass(frozen=True)
class RunReport:
    """What one run says.

    :param results: its tables.
    :param claim: the claim that its study measures, or None.
    :param fitted: its rates, each fitted when it is first asked for, and once.
    :param findings: what is measured of the claims, judged as one family.
    :param compared: m, the number of comparisons of that family.
    """

    results: Results
    claim: StudiedClaim | None
    fitted: Rates
    findings: tuple[Finding, ...]
    compared: int

    @cached_property
    def rates(self) -> tuple[FittedRate, ...]:
        """The rates by width, of the quantities that the study lists, or else of all that every study is fitted for."""
        found = self.fitted.of([name for name in self.fitted.quantities if name in ALL])
        return tuple(rate for rate in found if self.fitted.is_a_curve(rate.key))

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each subject against each reference, by width, in the order of the study."""
        return tuple(comparisons(self.results, self.fitted, self.rates, self.findings))


@dataclass(frozen=True)
class Report:
    """What one or several runs say.

    :param findings: what is measured of the claims; in a report that joins others, judged as one family.
    :param compared: m, the number of comparisons of that family, or of the largest family of a run.
    :param replication: where the runs are those of several seeds, what each seed says by itself.
    """

    runs: tuple[RunReport, ...]
    findings: tuple[Finding, ...]
    compared: int
    replication: Replication | None = None

    @cached_property
    def rates(self) -> tuple[FittedRate, ...]:
        """The rates by width of all runs."""
        return tuple(rate for run in self.runs for rate in run.rates)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons of all runs."""
        return tuple(comparison for run in self.runs for comparison in run.comparisons)

    @property
    def error(self) -> float:
        """How often the intervals of verdicts may miss the truth: 0.05, or less where this is one look of several."""
        return self.replication.error if self.replication else ERROR

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """What came of each claim."""
        return tuple(scores(self.findings))

    @property
    def claim_fails(self) -> bool:
        """Whether a claim that its own study measures fails; controls, wrong on purpose, should."""
        return any(
            finding.verdict == "fails" and not finding.negative_control
            for run in self.runs
            if run.claim is not None
            for finding in run.findings
        )


def analyse(results: Results) -> Report:
    """Return what the tables of runs say: verdicts are of the family of comparisons of their own run."""
    runs = tuple(map(_run_report, each_run(results)))
    found = tuple(finding for run in runs for finding in run.findings)
    return Report(runs, found, max((run.compared for run in runs), default=0))


def _run_report(results: Results) -> RunReport:
    claim = claim_of(results)
    fitted = Rates(results)
    judged = judged_run(fitted, claim)
    return RunReport(results, claim, fitted, judged.findings, judged.comparisons)


def replicated(reports: Mapping[int, Report], comparisons: int, error: float = ERROR) -> Report:
    """Return one report of several seeds, whose findings are those of all seeds together.

    :param comparisons: of the family that they are judged as.
    :param error: how often an interval may miss the truth (:func:`..verdicts.judge.verdict`).
    """
    runs = tuple(run for report in reports.values() for run in report.runs)
    found = replication({seed: report.findings for seed, report in reports.items()}, comparisons, error)
    return Report(runs, found.findings, found.comparisons, found)


def joined(reports: Sequence[Report], comparisons: int = 0, others: Iterable[Finding] = ()) -> Report:
    """Return one report of the runs of several, judged as one family.

    :param comparisons: of the family; as many as the runs have if that is more.
    :param others: findings of studies that did not run.
    """
    runs = tuple(run for report in reports for run in report.runs)
    found = [finding for run in runs for finding in run.findings]
    judged = as_one_family([*found, *others], comparisons)
    return Report(runs, judged.findings, judged.comparisons)
