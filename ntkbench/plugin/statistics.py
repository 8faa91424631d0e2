"""The jackknife over members: what a statistic of an ensemble is worth, from its values without each member."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .types import Float


def jackknife_error(without: Float) -> Float:
    """Return the standard error of a statistic from its values (E, ...) without each of E members; nan for one."""
    count = len(without)
    if count < 2:
        return np.full(without.shape[1:], np.nan)
    error: Float = np.sqrt((count - 1) * np.mean((without - without.mean(axis=0)) ** 2, axis=0))
    return error
