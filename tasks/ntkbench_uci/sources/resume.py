"""Download one file over HTTP: interrupted downloads resume, files are complete, and stalled servers time out."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import HTTPError

from ntkbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNK = 1 << 16
LARGEST = 1 << 30
_PARTIAL, _OK, _BEYOND = 206, 200, 416
_CLIENT_ERRORS = range(400, 500)
_PASSING = {408, 425, 429}  # client errors that may pass


class InterruptedDownloadError(requests.exceptions.RequestException):
    """A download that was interrupted or stalled: the partial download is kept, and a retry resumes it."""


@dataclass(frozen=True)
class Resume:
    """A downloader for pooch that keeps partial downloads and requests the rest.

    :param folder: of unfinished downloads, each named by a hash of its address.
    :param patience: seconds without an answer, or with fewer than ``CHUNK`` bytes, after which it gives up.
    :param progress_callback: called with the bytes so far, and the total if known.
    """

    folder: Path
    patience: float = 30.0
    progress_callback: Callable[[int, int | None], None] = field(default=lambda done, whole: None)

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        """Write the whole file at ``url`` to ``output_file``, a path.

        :raises InterruptedDownloadError: if it was interrupted; call again to resume.
        :raises requests.exceptions.RequestException: if the server cannot be reached, or fails.
        :raises DataError: if the server has no such file, or one larger than any data set.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        part, mark = partial_files(self.folder, url)
        while not self._whole(url, part, mark):
            part.unlink(missing_ok=True)
            mark.unlink(missing_ok=True)
        shutil.move(part, output_file)
        mark.unlink(missing_ok=True)

    def _whole(self, url: str, part: Path, mark: Path) -> bool:
        """Download the rest of the file. Return False if the partial download is of another version and must go."""
        here = part.stat().st_size if part.is_file() and mark.is_file() else 0
        headers = {"Accept-Encoding": "identity"}
        if here:
            headers |= {"Range": f"bytes={here}-", "If-Range": mark.read_text(encoding="utf-8")}
        with requests.get(url, headers=headers, stream=True, timeout=self.patience) as answer:
            if answer.status_code == _BEYOND and here:
                return False
            _refuse(answer, url)
            if answer.status_code != _PARTIAL:
                here = 0
            elif _start(answer) != here:
                return False
            whole = _size(answer, here)
            if whole is not None and whole > LARGEST:
                raise DataError(f"{url}: {whole:,} bytes, more than any data set has")
            _remember(answer, mark)
            self._stream(answer, url, part, here, whole)
        return True

    def _stream(self, answer: requests.Response, url: str, part: Path, here: int, whole: int | None) -> None:
        since, counted = time.monotonic(), here
        try:
            with part.open("ab" if here else "wb") as file:
                while chunk := answer.raw.read1(CHUNK):  # however little has arrived: it is kept and counted
                    file.write(chunk)
                    here += len(chunk)
                    self.progress_callback(here, whole)
                    if here > LARGEST:
                        raise DataError(f"{url}: more than {LARGEST:,} bytes, which no data set has")
                    if time.monotonic() - since > self.patience:
                        if here - counted < CHUNK:
                            raise InterruptedDownloadError(f"{here - counted} bytes in {self.patience:g} s")
                        since, counted = time.monotonic(), here
        except DataError:
            part.unlink(missing_ok=True)
            raise
        except InterruptedDownloadError:
            raise
        except (requests.exceptions.RequestException, HTTPError) as error:
            raise InterruptedDownloadError(f"interrupted after {here:,} bytes: {error}") from error
        if whole is not None and here != whole:
            raise InterruptedDownloadError(f"interrupted after {here:,} of {whole:,} bytes")


def partial_files(folder: Path, url: str) -> tuple[Path, Path]:
    """Return the paths of an unfinished download and of the version tag that the server gave it."""
    name = sha256(url.encode()).hexdigest()[:16]
    return folder / f"{name}.part", folder / f"{name}.version"


def _refuse(answer: requests.Response, url: str) -> None:
    status = answer.status_code
    if status in _CLIENT_ERRORS and status not in _PASSING:
        raise DataError(f"{url}: the server answers {status} {answer.reason}; the file may have moved")
    if status not in (_OK, _PARTIAL):
        raise requests.exceptions.HTTPError(f"the server answers {status} {answer.reason}", response=answer)


def _start(answer: requests.Response) -> int | None:
    """Return the position in the file at which a partial answer begins: ``Content-Range: bytes 5-9/10``."""
    unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
    first = rest.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdecimal() else None


def _size(answer: requests.Response, here: int) -> int | None:
    """Return the size of the whole file, if the answer gives it."""
    left = answer.headers.get("Content-Length", "")
    return here + int(left) if left.isdecimal() else None


def _remember(answer: requests.Response, mark: Path) -> None:
    """Keep the tag of this version of the file; without one, a download cannot resume."""
    tag = answer.headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
    if version:
        mark.write_text(version, encoding="utf-8")
    else:
        mark.unlink(missing_ok=True)
