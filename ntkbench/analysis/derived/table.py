"""Shared by the functions of this package: rows of a metric by member and step, and rows to return."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..series.records import as_text, group_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ...plugin.types import Float, Int
    from ..series.records import Tables

Key = dict[str, Any]
_KEYS = ["run_id", "cell_id", "split_index", "reference", "component"]
_NUMBERS = ["member", "step", "value"]
_COLUMNS = [*_KEYS, "metric", "split", "member", "step", "time", "value"]


def series(
    tables: Tables, metric: str, split: str | None, wanted: Callable[[Key], bool] = lambda _: True
) -> Iterator[tuple[Key, Float, Float, Float]]:
    """Yield, per cell, split, reference and component: the key, members (E,), steps (T,) and values (E, T).

    Members that lack a finite value at some step are left out.

    :param wanted: whether a key is to be yielded; the rows of others are not looked at.
    """
    for rows in tables.measured.in_parts(metric, [*_KEYS, "split", *_NUMBERS]):
        of_split = rows["split"].isna() if split is None else rows["split"] == split
        of_members = rows[(of_split & rows["member"].notna()).to_numpy()]
        numbers = [of_members[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in _NUMBERS]
        for key, places in _groups(of_members, wanted):
            members, steps, values = _by_member_and_step(*(column[places] for column in numbers))
            if len(members):
                yield key, members, steps, values


def _groups(rows: pd.DataFrame, wanted: Callable[[Key], bool]) -> Iterator[tuple[Key, Int]]:
    """Yield, in order of appearance, each combination of keys that is wanted, and the places of its rows.

    Like ``DataFrame.groupby``, without a copy of every column of each group's rows.
    """
    codes, _ = pd.factorize(group_codes(rows, _KEYS))
    first = np.flatnonzero(~pd.Series(codes).duplicated().to_numpy())
    keys: list[Key] = as_text(rows[_KEYS].take(first)).to_dict("records")  # type: ignore[assignment]
    chosen = np.array([wanted(key) for key in keys], dtype=bool)
    places = np.flatnonzero(chosen[codes])
    order = np.argsort(codes[places], kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(keys))[chosen])
    yield from zip(compress(keys, chosen), np.split(places[order], ends[:-1]), strict=False)  # none: one empty part


def _by_member_and_step(of_member: Float, of_step: Float, numbers: Float) -> tuple[Float, Float, Float]:
    """Return members (E,), steps (T,) and values (E, T) of rows, without incomplete members."""
    there = ~(np.isnan(of_member) | np.isnan(of_step) | np.isnan(numbers))
    members, member = np.unique(of_member[there], return_inverse=True)
    steps, step = np.unique(of_step[there], return_inverse=True)
    table = np.full((len(members), len(steps)), np.nan)
    table[member, step] = numbers[there]
    complete = ~np.isnan(table).any(axis=1)
    return members[complete], steps, table[complete]


def made(
    metric: str, key: dict[str, Any], split: str | None, values: Iterable[float], members: Iterable[float] | None
) -> list[dict[str, Any]]:
    """Return rows of a metric: one per member, or those of the ensemble (value, then its standard error)."""
    if members is None:
        value, error = values
        return [
            {**key, "metric": name, "split": split, "member": None, "step": None, "time": 0.0, "value": number}
            for name, number in ((metric, value), (f"{metric}_standard_error", error))
        ]
    return [
        {**key, "metric": metric, "split": split, "member": int(m), "step": None, "time": 0.0, "value": float(v)}
        for m, v in zip(members, values, strict=True)
    ]


def frame(rows: list[dict[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    """Return rows as a part of the table ``measurements``."""
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table["member"] = table["member"].astype("Int64")
    table["component"] = table["component"].astype("Int64")
    return table.drop(columns="step")
