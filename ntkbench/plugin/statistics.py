"""Statistics of outputs and of ensembles, shared by metrics and plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .types import Float, Int


def jackknife_error(without: Float) -> Float:
    """Return the jackknife standard error of a statistic from its E leave-one-out values (E, ...); nan if E is 1."""
    count = len(without)
    if count < 2:
        return np.full(without.shape[1:], np.nan)
    error: Float = np.sqrt((count - 1) * np.mean((without - without.mean(axis=0)) ** 2, axis=0))
    return error


def rms(values: Float, axes: int = 2) -> Float:
    """Return the root-mean-square over the last ``axes`` axes."""
    return np.sqrt(np.mean(np.square(values), axis=tuple(range(-axes, 0))))  # type: ignore[no-any-return]


def fraction_correct(outputs: Float, labels: Float | Int) -> Float:
    """Return the fraction of points (T,) that outputs (T, n, O) classify correctly; nan where an output is not finite.

    The class is the sign of a single output, or the index of the largest of several.
    """
    predicted = outputs[..., 0] > 0 if outputs.shape[-1] == 1 else outputs.argmax(axis=-1)
    right: Float = np.mean(predicted == labels, axis=-1)
    return np.where(np.isfinite(outputs).all(axis=(-2, -1)), right, np.nan)
