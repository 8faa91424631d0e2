"""All that the tables of runs say, computed once: tables, figures, JSON and the terminal only render it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..estimation.rates import Rates
from ..series.quantities import ALL
from ..verdicts.claim import claim_of
from ..verdicts.judge import as_one_family, each_run, judged_findings
from ..verdicts.scoreboard import scores
from .comparisons import comparisons

if TYPE_CHECKING:
    from ...store.read import Results
    from ..estimation.rates import FittedRate
    from ..verdicts.claim import StudiedClaim
    from ..verdicts.judge import Finding
    from ..verdicts.scoreboard import Score
    from .comparisons import Comparison


@dataclass(frozen=True)
class RunReport:
    """What one run says.

    :param results: its tables.
    :param claim: the claim that its study measures, or None.
    :param fitted: its rates, each fitted when it is first asked for, and once.
    :param findings: what is measured of the claims, judged as one of all comparisons of the run.
    """

    results: Results
    claim: StudiedClaim | None
    fitted: Rates
    findings: tuple[Finding, ...]

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
    """

    runs: tuple[RunReport, ...]
    findings: tuple[Finding, ...]

    @cached_property
    def rates(self) -> tuple[FittedRate, ...]:
        """The rates by width of all runs."""
        return tuple(rate for run in self.runs for rate in run.rates)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons of all runs."""
        return tuple(comparison for run in self.runs for comparison in run.comparisons)

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
    return Report(runs, tuple(finding for run in runs for finding in run.findings))


def _run_report(results: Results) -> RunReport:
    claim = claim_of(results)
    fitted = Rates(results)
    return RunReport(results, claim, fitted, tuple(judged_findings(fitted, claim)))


def joined(reports: Sequence[Report]) -> Report:
    """Return one report of the runs of several, all comparisons of all runs judged as one family."""
    runs = tuple(run for report in reports for run in report.runs)
    return Report(runs, tuple(as_one_family([finding for run in runs for finding in run.findings])))
