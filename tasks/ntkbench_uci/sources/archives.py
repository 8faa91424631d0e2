"""Read files from an archive by name, in memory; nothing is written to paths that the archive names."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from contextlib import ExitStack
from fnmatch import fnmatchcase
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from ntkbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

LARGEST_MEMBER = 1 << 28
_BLOCK = 1 << 20
_IGNORED = "__MACOSX/"
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


class DamagedArchiveError(DataError):
    """An archive, or a file in it, that cannot be unpacked: it may be truncated or corrupted."""


class _Entry(NamedTuple):
    size: int
    open: Callable[[], IO[bytes] | None]


class Archive:
    """The regular files in a zip or tar archive, compressed or not."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        """Open an archive; ``file`` must outlive this, and ``where`` names it in messages.

        :raises DamagedArchiveError: if it is no archive, or its list of files is damaged.
        """
        self._where, self._stack = where, ExitStack()
        try:
            self._entries = self._open(file)
        except _DAMAGE as error:
            raise DamagedArchiveError(f"{where}: not a readable archive: {error}") from error

    def _open(self, file: IO[bytes]) -> dict[str, _Entry]:
        if zipfile.is_zipfile(file):
            packed = self._stack.enter_context(zipfile.ZipFile(file))
            found = {
                one.filename: _Entry(one.file_size, partial(packed.open, one))
                for one in packed.infolist()
                if not one.is_dir()
            }
        else:
            file.seek(0)
            tape = self._stack.enter_context(tarfile.open(fileobj=file))  # noqa: SIM115 - the stack closes it
            found = {one.name: _Entry(one.size, partial(tape.extractfile, one)) for one in tape if one.isreg()}
            assert tape.fileobj is not None
            while tape.fileobj.read(_BLOCK):  # to the end, where compressed archives have their checksum
                pass
        return {name: entry for name, entry in found.items() if not name.startswith(_IGNORED)}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def read(self, member: str) -> bytes:
        """Return the content of the file whose path in the archive ends in ``member``, or of several, concatenated.

        ``*`` and ``?`` are wildcards within a name; several files are in the order of their names. If there is no such
        file, archives in the archive are searched.

        :raises DamagedArchiveError: if a file cannot be unpacked.
        :raises DataError: if there is no such file, several without wildcards, or one is too large.
        """
        names = sorted(name for name in self._entries if _ends(name, member))
        if not names:
            return self._within(member)
        if len(names) > 1 and not set("*?") & set(member):
            raise DataError(f"{self._where}: several files match {member}: {_few(names)}")
        return b"".join(map(self._whole, names))

    def _within(self, member: str) -> bytes:
        for name in self._entries:
            if name.lower().endswith(_ARCHIVES):
                with Archive(BytesIO(self._whole(name)), f"{self._where}, {name}") as inner:
                    if any(_ends(one, member) for one in inner._entries):
                        return inner.read(member)
        raise DataError(f"{self._where}: no {member}; it holds {_few(list(self._entries))}")

    def _whole(self, name: str) -> bytes:
        entry = self._entries[name]
        too_large = DataError(f"{self._where}: {name} unpacks to more than {LARGEST_MEMBER:,} bytes")
        if entry.size > LARGEST_MEMBER:
            raise too_large
        try:
            file = entry.open()
            assert file is not None  # a regular file
            with file:
                content = file.read(LARGEST_MEMBER + 1)
        except _DAMAGE as error:
            raise DamagedArchiveError(f"{self._where}: {name} is damaged: {error}") from error
        if len(content) > LARGEST_MEMBER:
            raise too_large
        return content


def _ends(name: str, member: str) -> bool:
    parts, wanted = name.split("/"), member.split("/")
    ending = parts[-len(wanted) :]
    return len(ending) == len(wanted) and all(map(fnmatchcase, ending, wanted))


def _few(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"
