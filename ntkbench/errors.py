"""Exceptions for mistakes that a user can fix.

Each message names the mistake, its place and valid input; the command line prints it and exits with 2.
Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class NtkbenchError(Exception):
    """A mistake the user can fix."""


class StudyError(NtkbenchError):
    """A study that cannot be read or makes no sense."""


class PluginError(NtkbenchError):
    """A plugin that fails to import or registers something invalid."""


class PluginWarning(UserWarning):
    """A plugin misbehaved and was passed over; the message names it."""


class UnknownNameError(NtkbenchError):
    """An unregistered task, backend, metric or study."""


class UnavailableError(NtkbenchError):
    """A registered item that is unusable here: an optional package or a data file is missing."""


class DataError(NtkbenchError):
    """Data with the wrong shape, or not finite."""


class StoreError(NtkbenchError):
    """A results folder that is in use, foreign, unwritable or corrupt."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "relu"?'`` for the nearest of ``known``, whatever the case, or an empty string."""
    by_case = {name.lower(): name for name in sorted(known)}
    near = get_close_matches(word.lower(), by_case, n=1, cutoff=0.6)
    return f'; did you mean "{by_case[near[0]]}"?' if near else ""
