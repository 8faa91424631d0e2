"""Standardise inputs by training rows, for tasks whose inputs the core does not standardise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ntkbench.plugin import Float


def standardised(x_train: Float, x_test: Float) -> tuple[Float, Float]:
    """Return both parts minus the training mean, over the training standard deviation (1 for constant columns)."""
    constant = x_train.min(axis=0) == x_train.max(axis=0)
    mean = np.where(constant, x_train[0], x_train.mean(axis=0))
    scale = np.where(constant, 1.0, x_train.std(axis=0))
    return (x_train - mean) / scale, (x_test - mean) / scale
