"""What was planned and not measured: cells that failed or never ran, and members without a number.

A cell that ran out of time or memory, or never ran, is missing for reasons that do not depend on its numbers: the rest
is judged, with a remark. If networks diverged, failed with an error or gave no number, those that remain are a
selection, and what they say may be due to the selection: their estimate is censored, and gets no verdict. Estimates
are means over members, which a single missing member can move by any amount; so no share of them is small enough to
ignore.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..series.planned import NEVER_RAN
from ..series.records import first_of_each, group_codes

if TYPE_CHECKING:
    from collections.abc import Collection

_WORDS = {
    "timeout": "ran out of time",
    "out_of_memory": "ran out of memory",
    "skipped": "skipped",
    "interrupted": "interrupted",
    NEVER_RAN: "not run: interrupted",
    "ok": "without this number",
}
_WHATEVER_THE_NUMBERS = {"timeout", "out_of_memory", "crashed", "skipped", "interrupted", NEVER_RAN}
_LONGEST = 100


@dataclass(frozen=True)
class Missing:
    """What a series lacks.

    :param words: the cells that it lacks, "" for none.
    :param censored: why the rest may be a selection, None if it is not.
    """

    words: str
    censored: str | None


def missing_cells(planned: pd.DataFrame, measured: Collection[str]) -> Missing:
    """Return what is missing of a series' planned cells (cell_id, x, status, reason), given those with a number."""
    if {*planned["cell_id"]} <= {*measured}:
        return Missing("", None)
    lost = planned[~planned["cell_id"].isin(list(measured))]
    words = cell_words(lost, len(planned))
    if selective := {*lost["status"]} - _WHATEVER_THE_NUMBERS:
        which = lost[lost["status"].isin(list(selective))]
        return Missing(words, f"the rest may be a selection: {cell_words(which, len(planned))}")
    kept, places = (frame["x"].nunique() for frame in (planned.drop(lost.index), planned))
    return Missing(words, f"{kept} of {places} places measured: {words}" if kept < min(2, places) else None)


def missing_members(rows: pd.DataFrame) -> str | None:
    """Return how many members lack the number, over cells that have it of others; rows are of members."""
    known = rows["members"].notna().to_numpy()
    rows = rows if known.all() else rows[known]
    cells, names = pd.factorize(rows["cell_id"])
    planned = np.zeros(len(names), dtype=np.int64)
    planned[cells] = rows["members"].to_numpy(dtype=np.int64)
    there = cells[first_of_each(group_codes(rows, ["cell_id", "member"]))]
    lost = int((planned - np.bincount(there, minlength=len(names))).clip(min=0).sum())
    return f"members without this number: {lost} of {planned.sum()}" if lost else None


def cell_words(lost: pd.DataFrame, total: int) -> str:
    """Say how cells ended, with the most frequent reason: ``12 of 14 cells failed: ...``."""
    parts = []
    for status, group in lost.groupby("status", sort=False):
        words = f"{len(group)} of {total} cells {_WORDS.get(str(status), status)}"
        reasons = Counter(str(reason) for reason in group["reason"].dropna()) if status != "ok" else Counter[str]()
        parts += [f"{words}: {_short(reasons.most_common(1)[0][0])}" if reasons else words]
    return ", ".join(parts)


def _short(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else text
    return first if len(first) <= _LONGEST else f"{first[: _LONGEST - 3]}..."
