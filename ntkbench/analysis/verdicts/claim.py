"""What a study says of the claim that it measures: its quantities, and what is wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...store.read import Results
    from ..series.keys import SeriesKey


@dataclass(frozen=True)
class StudiedClaim:
    """The claim of a study.

    :param judge: the quantities that get a verdict.
    :param control_labels: of subjects and references that are wrong on purpose.
    :param control_pairs: (subject, reference), each right by itself, wrong together.
    """

    id: str
    judge: tuple[str, ...]
    control_labels: frozenset[str] = frozenset()
    control_pairs: frozenset[tuple[str, str]] = frozenset()

    def is_control(self, key: SeriesKey) -> bool:
        """Return whether a series is of something that is wrong on purpose."""
        if {*key.labels, key.reference} & self.control_labels:
            return True
        return any((label, key.reference) in self.control_pairs for label in key.labels)


def claim_of(results: Results) -> StudiedClaim | None:
    """Return what the study of a run says of its claim, None where it is no study of one."""
    for run in getattr(results, "runs", ()):
        claim: dict[str, Any] | None = run["resolved"].get("claim")
        return None if claim is None else _studied(claim)
    return None


def _studied(claim: dict[str, Any]) -> StudiedClaim:
    controls: Iterable[Any] = claim["negative_controls"]
    return StudiedClaim(
        claim["id"],
        tuple(claim["judge"]),
        frozenset(control for control in controls if isinstance(control, str)),
        frozenset((control["subject"], control["reference"]) for control in controls if isinstance(control, dict)),
    )
