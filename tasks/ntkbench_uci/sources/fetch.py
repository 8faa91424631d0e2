"""Download data sets into the cache. Files are verified first, then written atomically."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import pooch
import requests
from filelock import FileLock

from ntkbench.plugin import DataError

from ..locations import check_hash
from ..readers import read_form
from ..resamples import RESAMPLES, TUNING
from .archives import Archive, DamagedArchiveError
from .openml import openml_table
from .resume import InterruptedDownloadError, Resume, partial_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..dataset import Dataset, FileForm

OPENML = "openml:"
OFFLINE = "without a connection, put the files in a folder and give it as --data-dir"


class FetchOutcome(NamedTuple):
    """The outcome for one data set: its file, or the reason for the failure."""

    dataset: Dataset
    file: Path | None
    reason: str = ""


@dataclass
class Fetcher:
    """Downloads data sets into a folder.

    :param cache: the folder, created if missing.
    :param patience: seconds without data after which to give up on a server.
    :param retries: how often an interrupted download resumes within one call.
    :param progress_callback: called with the address, the bytes so far, and the total if known.
    """

    cache: Path
    patience: float = 30.0
    retries: int = 4
    progress_callback: Callable[[str, int, int | None], None] = field(default=lambda url, done, whole: None)
    _unreachable: dict[str, str] = field(default_factory=dict, init=False)

    def fetch(self, datasets: Sequence[Dataset]) -> Iterator[FetchOutcome]:
        """Download data sets, one address after the other, and yield the outcome of each.

        A host that cannot be reached is not tried again in this call.
        """
        by_url: dict[str, list[tuple[Dataset, FileForm]]] = {}
        for dataset in datasets:
            form = next((form for form in dataset.forms if form.url), None)
            if form is None:
                yield FetchOutcome(dataset, None, f"uci/{dataset.name}: no address to download it from")
            else:
                by_url.setdefault(form.url, []).append((dataset, form))
        for url, wanted in by_url.items():
            yield from self._from(url, wanted)

    def _from(self, url: str, wanted: list[tuple[Dataset, FileForm]]) -> list[FetchOutcome]:
        host = urlsplit(url).netloc or "OpenML"
        try:
            if host in self._unreachable:
                raise DataError(self._unreachable[host])
            self.cache.mkdir(parents=True, exist_ok=True)
            with FileLock(self.cache / ".lock"):  # two programs must not write to the same unfinished download
                return self._table(url, wanted) if url.startswith(OPENML) else self._archive(url, wanted)
        except (requests.exceptions.ConnectionError, URLError) as error:
            if not isinstance(error, HTTPError):
                self._unreachable[host] = f"{host} cannot be reached; {OFFLINE}"
            reason = f"{url}: {host} cannot be reached ({_brief(error)}); {OFFLINE}"
        except (requests.exceptions.RequestException, TimeoutError) as error:
            reason = f"{url}: {_brief(error)}; the partial download is kept: try again, or {OFFLINE}"
        except OSError as error:
            reason = f"{url}: cannot write to {self.cache}: {error.strerror or error}"
        except DataError as error:
            reason = str(error)
        return [FetchOutcome(dataset, None, reason) for dataset, _ in wanted]

    def _table(self, url: str, wanted: list[tuple[Dataset, FileForm]]) -> list[FetchOutcome]:
        content = openml_table(int(url.removeprefix(OPENML)), self.cache / "openml", self.patience)
        return [self._kept(dataset, form, {form.path: content}) for dataset, form in wanted]

    def _archive(self, url: str, wanted: list[tuple[Dataset, FileForm]]) -> list[FetchOutcome]:
        try:
            return self._unpacked(url, wanted)
        except DamagedArchiveError:  # perhaps in transit: try once more from the start
            return self._unpacked(url, wanted)

    def _unpacked(self, url: str, wanted: list[tuple[Dataset, FileForm]]) -> list[FetchOutcome]:
        downloaded = self._download(url)
        try:
            with downloaded.open("rb") as file, Archive(file, url) as archive:
                return [self._taken(archive, dataset, form) for dataset, form in wanted]
        finally:
            downloaded.unlink(missing_ok=True)

    def _taken(self, archive: Archive, dataset: Dataset, form: FileForm) -> FetchOutcome:
        try:
            return self._kept(dataset, form, {path: archive.read(end) for path, end in _members(dataset, form)})
        except DamagedArchiveError:
            raise
        except DataError as error:
            return FetchOutcome(dataset, None, f"uci/{dataset.name}: {error}")

    def _download(self, url: str) -> Path:
        folder = self.cache / "unfinished"
        downloader = Resume(folder, self.patience, lambda done, whole: self.progress_callback(url, done, whole))
        name = partial_files(folder, url)[0].with_suffix(".archive").name
        pooch.get_logger().setLevel("ERROR")
        store = pooch.create(
            path=folder, base_url="", registry={name: None}, urls={name: url}, retry_if_failed=self.retries
        )
        return Path(store.fetch(name, downloader=downloader))

    def _kept(self, dataset: Dataset, form: FileForm, contents: dict[str, bytes]) -> FetchOutcome:
        """Verify a data set's files and write them, the data file last."""
        try:
            read_form(dataset, form, contents[form.path])
            for path, expected in _split_files(dataset, form).items():
                check_hash(contents[path], expected, f"uci/{dataset.name} ({path})")
        except DataError as error:
            return FetchOutcome(dataset, None, str(error))
        for path in sorted(contents, key=lambda path: path == form.path):
            _write_whole(self.cache / path, contents[path])
        return FetchOutcome(dataset, self.cache / form.path)


def _members(dataset: Dataset, form: FileForm) -> Iterator[tuple[str, str]]:
    """Yield the path of each file of a data set in the cache, and the end of its path in the archive."""
    yield form.path, form.member
    for path in _split_files(dataset, form):
        yield path, str(PurePosixPath(form.member).with_name(PurePosixPath(path).name))


def _split_files(dataset: Dataset, form: FileForm) -> dict[str, str]:
    """Return the hash of each file of row numbers beside a file of data."""
    if dataset.split_files is None:
        return {}
    beside, files = PurePosixPath(form.path), dataset.split_files
    hashes = {TUNING: files.tuning_sha256, RESAMPLES: files.resamples_sha256}
    return {str(beside.with_name(name)): expected for name, expected in hashes.items()}


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
        except OSError:
            temporary.unlink()
            raise
    temporary.chmod(0o644)
    temporary.replace(path)


def _brief(error: Exception) -> str:
    """Return the innermost reason of an error that clients have wrapped several times."""
    if isinstance(error, InterruptedDownloadError):
        return str(error)
    inner: BaseException = error
    while (next_one := inner.__cause__ or inner.__context__ or getattr(inner, "reason", None)) and isinstance(
        next_one, BaseException
    ):
        inner = next_one
    return str(inner) or type(inner).__name__
