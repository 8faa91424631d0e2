"""Shared by the functions of this package: rows of a metric by member and step, and rows to return."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..series.records import as_text, first_of_each, group_codes

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
    for part in tables.measured.in_parts(metric, [*_KEYS, "split", *_NUMBERS]):
        of_split = part["split"].isna() if split is None else part["split"] == split
        of_members = (of_split & part["member"].notna()).to_numpy()
        keys, ends, rows = _grouped(part if of_members.all() else part[of_members], wanted)
        numbers = [np.split(rows[name].to_numpy(dtype=np.float64, na_value=np.nan), ends) for name in _NUMBERS]
        for key, *of_key in zip(keys, *numbers, strict=False):  # a last part, of no rows, is none's
            members, steps, values = _by_member_and_step(*of_key)
            if len(members):
                yield key, members, steps, values


def _grouped(rows: pd.DataFrame, wanted: Callable[[Key], bool]) -> tuple[list[Key], Int, pd.DataFrame]:
    """Return each combination of keys that is wanted, in order of appearance, where its rows end, and all their rows.

    Like ``DataFrame.groupby``, without a copy of every column of each group's rows.
    """
    codes = group_codes(rows, _KEYS)
    first = first_of_each(codes)
    keys: list[Key] = as_text(rows[_KEYS].take(first)).to_dict("records")  # type: ignore[assignment]
    chosen = np.array([wanted(key) for key in keys], dtype=bool)
    number_of = np.full(codes.max(initial=0) + 1, -1)
    number_of[codes[first[chosen]]] = np.arange(chosen.sum())
    numbers = number_of[codes]
    places = np.flatnonzero(numbers >= 0)
    order = np.argsort(numbers[places], kind="stable")
    ends = np.cumsum(np.bincount(numbers[places]))
    return list(compress(keys, chosen)), ends, rows.take(places[order])


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
