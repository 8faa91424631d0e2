"""Tables of data, from which problems take their rows, and the numeric targets of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .splits import random_rows, stratified_rows
from .types import Problem

if TYPE_CHECKING:
    from .types import Float, Int


@dataclass(frozen=True, eq=False)
class DataTable:
    """All rows of a data set: inputs ``x`` (rows, F), targets ``y`` (rows, O), and ``labels`` (rows,) of classes."""

    x: Float
    y: Float
    labels: Int | None = None

    @classmethod
    def of_targets(cls, x: Float, targets: Float | Int, classes: int | None) -> DataTable:
        """Return the table for targets (rows,): labels of ``classes`` classes, or values if ``classes`` is None."""
        if classes is None:
            return cls(x, np.asarray(targets, dtype=np.float64)[:, None])
        labels = targets.astype(np.int64)
        return cls(x, centred_targets(labels, classes), labels)

    def random_split(self, n_train: int, n_test: int, seed: int, split_index: int) -> tuple[Int, Int]:
        """Return training and test row numbers of a random split, stratified where there are labels.

        :raises DataError: if a class does not have rows for both parts.
        """
        if self.labels is None:
            return random_rows(len(self.x), n_train, n_test, seed, split_index)
        return stratified_rows(self.labels, n_train, n_test, seed, split_index)

    def problem(self, train: Int, test: Int) -> Problem:
        """Return the problem of these row numbers, inputs in their own units."""
        labels = self.labels
        return Problem(
            x_train=self.x[train],
            y_train=self.y[train],
            x_test=self.x[test],
            y_test=self.y[test],
            labels_train=None if labels is None else labels[train],
            labels_test=None if labels is None else labels[test],
        )


def centred_targets(labels: Int, classes: int) -> Float:
    """Return the numeric targets (n, O) of labels (n,).

    Two classes have one output, -1 for label 0 and +1 for label 1: the label of an output f is ``f > 0``.
    k > 2 classes have k outputs, one-hot minus 1/k, whose sum is 0: the label is the largest output's index.
    """
    if classes == 2:
        return np.where(labels > 0, 1.0, -1.0)[:, None]
    return np.asarray(np.eye(classes)[labels] - 1 / classes)
