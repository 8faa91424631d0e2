"""A reference's solution as Dask holds it: a folder of files that travels between workers as their bytes."""

from __future__ import annotations

import shutil
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from dask.sizeof import sizeof

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Contents = dict[str, NDArray[np.uint8]]


class SolutionFiles:
    """The files of one solution: in a folder of this machine, or as bytes that have arrived from another one.

    All cells on a worker share one such object, in several threads.
    """

    def __init__(self, folder: Path | None, contents: Contents | None = None, *, owned: bool = False) -> None:
        """Hold the files in ``folder``; if ``owned``, it is deleted with this object."""
        self._folder, self._contents, self._lock = folder, contents, threading.Lock()
        if owned and folder is not None:
            self._delete_with_self(folder)

    def _delete_with_self(self, folder: Path) -> None:
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def folder(self, new: Path) -> Path:
        """Return the folder of the files; those that have arrived as bytes are written to ``new`` first."""
        with self._lock:
            if self._folder is None:
                assert self._contents is not None
                self._delete_with_self(new)
                new.mkdir(parents=True)
                for name, content in self._contents.items():
                    content.tofile(new / name)
                self._folder, self._contents = new, None
            return self._folder

    def contents(self) -> Contents:
        """Return the bytes of each file, by name; those on disk are mapped."""
        with self._lock:
            if self._folder is None:
                assert self._contents is not None
                return self._contents
            return {path.name: np.memmap(path, np.uint8, "r") for path in sorted(self._folder.iterdir())}

    def __reduce__(self) -> tuple[Callable[..., SolutionFiles], tuple[None, dict[str, Any]]]:
        # Arrays of their own, not maps: pickle sends their buffers out of band, without a copy.
        return SolutionFiles, (None, {name: content.view(np.ndarray) for name, content in self.contents().items()})


@sizeof.register(SolutionFiles)  # type: ignore[untyped-decorator]
def _sizeof(files: SolutionFiles) -> int:
    return sum(content.nbytes for content in files.contents().values())
