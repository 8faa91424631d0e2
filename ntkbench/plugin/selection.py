"""Choices made once: where several splits choose on the same problems, as in A19, the first one chooses for all."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .types import Problem

_KEPT = 128
Choice = TypeVar("Choice")


class Choices(Generic[Choice]):
    """The choices that this process has made, the last 128 of them, by the problems and the settings they rest on.

    For backends that choose hyperparameters on ``Problem.tuning``.
    """

    def __init__(self) -> None:
        self._made: dict[str, Choice] = {}

    def __len__(self) -> int:
        return len(self._made)

    def clear(self) -> None:
        """Forget all choices."""
        self._made.clear()

    def get(self, tuning: Sequence[Problem], settings: str, choose: Callable[[], Choice]) -> Choice:
        """Return the choice for these problems and settings, made now by ``choose`` unless it has been made before.

        :param settings: all that the choice depends on beside the problems, written out.
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
