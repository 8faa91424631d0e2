"""Stability of networks, of their linearizations and of the limit kernel, against each other (C14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .table import frame

if TYPE_CHECKING:
    import pandas as pd

    from ..series.records import Tables

_KEYS = ["run_id", "cell_id", "split_index", "reference", "member"]


def stability_onset_ratio(tables: Tables) -> pd.DataFrame:
    """Return each network's onset over that of kernel descent from the same f_0 in as many steps (C14: 1).

    A member that stays stable up to the highest rate, itself or by its kernel, has none, and is missed.
    """
    return _ratio(tables, "stability_onset", "stability_onset_kernel", "stability_onset_ratio")


def onset_over_linearization(tables: Tables) -> pd.DataFrame:
    """Return each network's onset over that of its own linearization, which has the same initial kernel (C14: 1)."""
    return _ratio(tables, "stability_onset", "stability_onset_linearization", "onset_over_linearization")


def linearization_onset_ratio(tables: Tables) -> pd.DataFrame:
    """Return the onset of each network's linearization over that of the limit kernel from the same f_0 (C14: 1)."""
    return _ratio(tables, "linearization_onset", "stability_onset_kernel", "linearization_onset_ratio")


def _ratio(tables: Tables, numerator: str, denominator: str, metric: str) -> pd.DataFrame:
    """Return one onset over another, member by member."""
    over, under = (tables.measured.of(name, [*_KEYS, "value"]) for name in (numerator, denominator))
    both = over.merge(under, on=_KEYS, suffixes=("", "_under"))
    ratios = both.assign(metric=metric, time=0.0, value=both["value"] / both["value_under"])
    return frame(ratios[ratios["value"].notna()])
