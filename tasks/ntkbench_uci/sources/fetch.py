"""Fetch data sets into the cache: what is written has been read and compared, and is written whole or not at all."""

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
    """What became of one data set: the file it is in now, or the reason why there is none."""

    dataset: Dataset
    file: Path | None
    reason: str = ""


@dataclass
class Fetcher:
    """Fetches data sets into a folder.

    :param cache: the folder; it is made if it is not there.
    :param patience: seconds to wait for a server that says nothing.
    :param retries: how often a download that broke off goes on, in one call.
    :param progress_callback: called with an address, the number of bytes so far, and of all, if the server says.
    """

    cache: Path
    patience: float = 30.0
    retries: int = 4
    progress_callback: Callable[[str, int, int | None], None] = field(default=lambda url, done, whole: None)
    _unreachable: dict[str, str] = field(default_factory=dict, init=False)

    def fetch(self, datasets: Sequence[Dataset]) -> Iterator[FetchOutcome]:
        """Fetch data sets, one address after the other, and yield what became of each.

        A host that cannot be reached is not asked again in this call.
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
            with FileLock(self.cache / ".lock"):  # two programs would write to the same unfinished download
                return self._table(url, wanted) if url.startswith(OPENML) else self._archive(url, wanted)
        except (requests.exceptions.ConnectionError, URLError) as error:
            if not isinstance(error, HTTPError):
                self._unreachable[host] = f"{host} cannot be reached; {OFFLINE}"
            reason = f"{url}: {host} cannot be reached ({_brief(error)}); {OFFLINE}"
        except (requests.exceptions.RequestException, TimeoutError) as error:
            reason = f"{url}: {_brief(error)}; what came so far is kept, so try again, or {OFFLINE}"
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
        except DamagedArchiveError:  # on its way, perhaps: once more from the start
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
        """Compare a data set's files with what they must be, and write them; the file of the data comes last."""
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
    """Yield where each file of a data set belongs in the cache, and the end of its path in the archive."""
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
    """Return the innermost reason of an error, which the clients wrap several times."""
    if isinstance(error, InterruptedDownloadError):
        return str(error)
    inner: BaseException = error
    while (next_one := inner.__cause__ or inner.__context__ or getattr(inner, "reason", None)) and isinstance(
        next_one, BaseException
    ):
        inner = next_one
    return str(inner) or type(inner).__name__
