"""The table ``verdicts``: one row per finding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from ...store.schemas import SCHEMA_VERSION, SCHEMAS
from ..estimation.rates import Rates
from ..series.names import compared_words, digits_needed, series_architecture, task_words
from .claim import claim_of
from .judge import each_run, judged_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...store.read import Results
    from .judge import Finding
    from .replication import Replication

_NAMES = ["schema_version", "run_id", "study", "claim", "task", "architecture", "quantity"]
_NUMBERS = ["expected", "band_low", "band_high", "estimate", "ci_low", "ci_high", "n_widths", "n_members"]
_FLOOR = ["floor_share", "floor_low", "floor_high", "sensitivity"]
_VERDICT_COLUMNS = [*_NAMES, "role", *_NUMBERS, "method", *_FLOOR, "verdict", "reason"]


def verdict_table(results: Results) -> pd.DataFrame:
    """Return the table ``verdicts``: one row per claim and quantity measured, as :func:`as_table` makes it.

    Comparisons are counted per run.
    """
    return as_table(
        [finding for run in each_run(results) for finding in judged_run(Rates(run), claim_of(run)).findings]
    )


def as_table(found: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as rows of the table ``verdicts``.

    ``quantity`` is the metric; where a task and architecture have several subjects or references, they follow it in
    brackets. A bound's open end is null.
    """
    by_run: dict[str, list[Finding]] = {}
    for finding in found:
        by_run.setdefault(finding.rate.key.run_id, []).append(finding)
    digits = {run: digits_needed(finding.rate.key for finding in mine) for run, mine in by_run.items()}
    rows = [_row(finding, digits[finding.rate.key.run_id]) for finding in found]
    table = pd.DataFrame(rows, columns=_VERDICT_COLUMNS)
    keys = ["run_id", "study", "task", "architecture", "quantity"]
    several = table.groupby(keys)["quantity"].transform("size") > 1
    compared = pd.Series([compared_words(finding.rate.key) for finding in found], index=table.index, dtype=object)
    named = table["quantity"] + " [" + compared + "]"
    return table.assign(quantity=table["quantity"].where(~several, named))


def replication_table(found: Replication) -> pd.DataFrame:
    """Return the table ``replication``: one row per quantity and seed, with how far the seeds differ."""
    own = [(seed, each, quantity) for quantity in found.quantities for seed, each in quantity.by_seed.items()]
    table = as_table([each for _, each, _ in own])
    table["seed"] = [seed for seed, _, _ in own]
    table["between_seeds"] = [quantity.heterogeneity.between for _, _, quantity in own]
    table["heterogeneity"] = [quantity.heterogeneity.p for _, _, quantity in own]
    table["pooled_verdict"] = [quantity.pooled.verdict for _, _, quantity in own]
    return table[[column.name for column in SCHEMAS["replication"]]]


def _row(finding: Finding, digits: int) -> dict[str, Any]:
    rate, found, key = finding.rate, finding.expectation, finding.rate.key
    low, high = rate.fit.interval()
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": key.run_id,
        "study": key.study,
        "claim": found.claim,
        "task": task_words(key.task),
        "architecture": series_architecture(key, digits),
        "quantity": rate.metric,
        "role": _role(finding),
        "expected": found.value,
        "band_low": found.band_low if math.isfinite(found.band_low) else math.nan,
        "band_high": found.band_high if math.isfinite(found.band_high) else math.nan,
        "estimate": rate.fit.estimate,
        "ci_low": low,
        "ci_high": high,
        "n_widths": rate.fit.n_widths,
        "n_members": rate.fit.n_members,
        "method": rate.fit.words,
        **_floor_columns(finding),
        "verdict": finding.verdict,
        "reason": finding.reason,
    }


def _role(finding: Finding) -> str:
    if not finding.negative_control:
        return "claim"
    return "negative_control" if finding.must_fail else "graded_control"


def _floor_columns(finding: Finding) -> dict[str, Any]:
    floor = finding.floor
    low, high = floor.interval() if floor else (math.nan, math.nan)
    share = floor.share if floor else math.nan
    return {"floor_share": share, "floor_low": low, "floor_high": high, "sensitivity": finding.sensitivity}
