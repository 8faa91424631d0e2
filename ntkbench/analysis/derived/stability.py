"""Stability of networks against the kernel's own (C14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .table import frame

if TYPE_CHECKING:
    import pandas as pd

    from ..series.records import Tables

_KEYS = ["run_id", "cell_id", "split_index", "reference", "member"]


def stability_onset_ratio(tables: Tables) -> pd.DataFrame:
    """Return each member's onset over that of kernel descent from the same f_0 in as many steps (C14: 1).

    A member that stays stable up to the highest rate, itself or by its kernel, has none, and is missed.
    """
    network, kernel = (
        tables.measured.of(metric).set_index(_KEYS)["value"] for metric in ("stability_onset", "stability_onset_kernel")
    )
    ratios = (network / kernel).dropna()
    made: list[dict[str, Any]] = ratios.rename("value").reset_index().to_dict("records")  # type: ignore[assignment]
    same = {"metric": "stability_onset_ratio", "time": 0.0, "component": None, "split": None, "step": None}
    return frame([{**same, **row} for row in made])
