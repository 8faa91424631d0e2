"""Model selection on a task's tuning problems (``Problem.tuning``), for every backend that chooses hyperparameters.

Scores are minimised: errors as they are, accuracies negated. A score that is not finite is a failure and ranks
last. Among equal scores the first is selected.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np

from ..errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from .types import Problem

_KEPT = 128
Candidate = TypeVar("Candidate")
Choice = TypeVar("Choice")


class Selected(NamedTuple, Generic[Candidate]):
    """A candidate, the index of its best score on its own grid, (), (i,), (i, j), ..., and that score."""

    candidate: Candidate
    place: tuple[int, ...]
    score: float

    @property
    def failed(self) -> bool:
        """Whether no candidate has a finite score; the first one is then selected."""
        return not np.isfinite(self.score)


def select(
    candidates: Sequence[Candidate], scores: Sequence[ArrayLike], tie_breakers: Sequence[ArrayLike] | None = None
) -> Selected[Candidate]:
    """Return the candidate with the lowest score; among equals, the first in the order of candidates and grids.

    :param scores: per candidate, its scores (*G,) on a grid that all candidates share; () for a single score.
    :param tie_breakers: per candidate (*G,), minimised among equal scores.
    """
    table = np.asarray(scores, dtype=np.float64)
    criteria = [table] if tie_breakers is None else [table, np.asarray(tie_breakers, dtype=np.float64)]
    finite = np.all([np.isfinite(criterion) for criterion in criteria], axis=0)
    best = np.ones_like(finite)
    for criterion in criteria:
        ranked = np.where(finite, criterion, np.inf)
        best &= ranked == ranked[best].min()
    first, *place = (int(i) for i in np.argwhere(best)[0])
    at = (first, *place)
    return Selected(candidates[first], tuple(place), float(table[at]) if finite[at] else np.inf)


def tuning_problems(backend: str, problem: Problem) -> tuple[Problem, ...]:
    """Return the problems on which a backend has to select.

    :raises DataError: if the task has none.
    """
    if not problem.tuning:
        raise DataError(f"backend {backend}: the task has no tuning problems; give it a share for validation")
    return problem.tuning


def at_grid_edge(grids: Mapping[str, Sequence[float] | None], selected: Mapping[str, float]) -> dict[str, bool]:
    """Return, for each grid of several values, whether the smallest or the largest was selected."""
    several = {name: grid for name, grid in grids.items() if grid and len(set(grid)) > 1}
    return {name: selected[name] in (min(grid), max(grid)) for name, grid in several.items()}


class SelectionCache(Generic[Choice]):
    """The last 128 selections of this process, keyed by their problems and settings.

    If several splits share their tuning problems, as in A19, the first split selects for all.
    """

    def __init__(self) -> None:
        self._made: dict[str, Choice] = {}

    def __len__(self) -> int:
        return len(self._made)

    def clear(self) -> None:
        """Forget all selections."""
        self._made.clear()

    def get(self, tuning: Sequence[Problem], settings: str, choose: Callable[[], Choice]) -> Choice:
        """Return the selection for these problems and settings; ``choose`` makes it unless it is cached.

        :param settings: everything else that the selection depends on, as text.
        """
        name = _name(tuning, settings)
        if name not in self._made:
            while len(self._made) >= _KEPT:
                del self._made[next(iter(self._made))]
            self._made[name] = choose()
        return self._made[name]


def _name(tuning: Sequence[Problem], settings: str) -> str:
    key = sha256(settings.encode())
    for part in tuning:
        key.update(part.loss.encode())
        for array in (part.x_train, part.y_train, part.labels_train, part.x_test, part.y_test, part.labels_test):
            key.update(f"{None if array is None else array.shape}".encode())
            key.update(b"" if array is None else array.tobytes())
    return key.hexdigest()
