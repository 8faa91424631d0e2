"""The claim that a study measures: the quantities to judge, and the negative controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...store.read import Results
    from ..series.keys import SeriesKey


class Grade(NamedTuple):
    """How wrong a graded control is: ``what`` is off by ``percent``. 0 is a sham, which must not be refuted."""

    what: str
    percent: float


@dataclass(frozen=True)
class StudiedClaim:
    """The claim of a study.

    :param judge: the quantities that get a verdict.
    :param control_labels: labels of subjects and references that are wrong on purpose.
    :param control_pairs: (subject, reference), each correct by itself, which do not belong together.
    :param grades: of references that are wrong by a known amount, to see from which on that shows.
    """

    id: str
    judge: tuple[str, ...]
    control_labels: frozenset[str] = frozenset()
    control_pairs: frozenset[tuple[str, str]] = frozenset()
    grades: Mapping[str, Grade] = field(default_factory=dict)

    def is_control(self, key: SeriesKey) -> bool:
        """Return whether a series belongs to a control: it supports no claim."""
        return key.reference in self.grades or self.must_fail(key)

    def must_fail(self, key: SeriesKey) -> bool:
        """Return whether a series belongs to a negative control, which must be refuted."""
        if {*key.labels, key.reference} & self.control_labels:
            return True
        return any((label, key.reference) in self.control_pairs for label in key.labels)


def claim_of(results: Results) -> StudiedClaim | None:
    """Return the claim of a run's study, None if it has none."""
    for run in getattr(results, "runs", ()):
        claim: dict[str, Any] | None = run["resolved"].get("claim")
        return None if claim is None else studied_claim(claim)
    return None


def quantities_of(results: Results) -> tuple[str, ...]:
    """Return the quantities that the studies of one or several runs list, each once; none if they list none."""
    runs = getattr(results, "runs", ())
    return tuple(dict.fromkeys(name for run in runs for name in run["resolved"].get("quantities") or ()))


def control_labels(results: Results) -> frozenset[tuple[str, str]]:
    """Return (run_id, label) of all that the studies of one or several runs call wrong on purpose."""
    return frozenset(
        (str(run.get("run_id")), label)
        for run in getattr(results, "runs", ())
        if (claim := run["resolved"].get("claim")) is not None
        for label in studied_claim(claim).control_labels
    )


def studied_claim(claim: dict[str, Any]) -> StudiedClaim:
    """Return a claim as a resolved study writes it."""
    controls: Iterable[Any] = claim["negative_controls"]
    return StudiedClaim(
        claim["id"],
        tuple(claim["judge"]),
        frozenset(control for control in controls if isinstance(control, str)),
        frozenset((control["subject"], control["reference"]) for control in controls if isinstance(control, dict)),
        {
            label: Grade(what, percent)
            for what, grades in claim.get("graded_controls", {}).items()
            for label, percent in grades.items()
        },
    )
