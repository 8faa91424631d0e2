"""The data sets, one row each: where the numbers come from, what they must be, whom to thank.

Those that come as files are the rows of ``tables/files.csv``, which is read without importing anything heavy.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Separator = Literal["comma", "semicolon", "tab", "space"]
Protocol = Literal["random", "hla", "a19"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a file of text is to be read. Columns are counted from 0, as they stand in the file.

    :param header: lines before the first row.
    :param columns: of the file; ``target`` is one of them, ``drop`` are not read (row numbers, names, other targets),
        and ``text`` are categories, each of which becomes one column of 0 and 1.
    :param rows: of the file, blank ones not counted; those with a ``?`` in a column of numbers are left out later.
    """

    separator: Separator
    header: int
    columns: int
    target: int
    drop: tuple[int, ...]
    text: tuple[int, ...]
    rows: int


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """The hashes of the two files of row numbers that lie beside a data set of the A19 collection."""

    tuning_sha256: str
    resamples_sha256: str
    n_train: int
    n_test: int


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set of the UCI repository, or one that is quoted together with it.

    :param name: the task is ``uci/<name>``.
    :param locator: a function of scikit-learn where ``layout`` is None; else the file's path in the data folder.
    :param rows: rows that are used: without a missing number.
    :param features: columns of the inputs, categories expanded.
    :param classes: number of classes, labelled 0 .. classes - 1; None for regression.
    :param sha256: of the file; or of inputs and labels, see :func:`ntkbench_uci.readers.content_hash`.
    :param protocol: which splits its task has: random ones, those of Hernandez-Lobato and Adams (2015), or those of
        Fernandez-Delgado et al. (2014) as Arora et al. (2019) used them.
    :param uci_id: the number in ``https://archive.ics.uci.edu/dataset/<uci_id>``, if it is there.
    """

    name: str
    summary: str
    locator: str
    layout: Layout | None = None
    rows: int
    features: int
    classes: int | None
    sha256: str
    protocol: Protocol = "random"
    splits: int = 0
    split_files: SplitFiles | None = None
    uci_id: int | None
    openml_id: int | None = None
    citation: str = ""
    licence: str = "CC BY 4.0"
    redistributable: bool = True

    @property
    def outputs(self) -> int:
        """One for regression and for two classes, else one per class."""
        return 1 if self.classes is None or self.classes == 2 else self.classes

    @property
    def page(self) -> str:
        """Where the data set is described."""
        if self.uci_id is not None:
            return f"https://archive.ics.uci.edu/dataset/{self.uci_id}"
        return "" if self.openml_id is None else f"https://www.openml.org/d/{self.openml_id}"


_SCIKIT_LEARN = (
    Dataset(
        name="breast-cancer-wisc-diag",
        summary="malignant (-1) or benign (+1), from measurements of cell nuclei",
        locator="load_breast_cancer",
        rows=569,
        features=30,
        classes=2,
        sha256="785a9190557f2de8e457b4298dd6f0f5437d0bfaa352f6914e735925e041b30b",
        uci_id=17,
        citation="Wolberg, Mangasarian, Street, Street (1993). Breast Cancer Wisconsin (Diagnostic). "
        "UCI Machine Learning Repository. doi:10.24432/C5DW2B",
    ),
    Dataset(
        name="wine",
        summary="which of three cultivars, from chemical analysis",
        locator="load_wine",
        rows=178,
        features=13,
        classes=3,
        sha256="3fdc6d142f2be1ee7308926eac7c83883814d23d9a593a72ae53a57bf3096457",
        uci_id=109,
        citation="Aeberhard, Forina (1992). Wine. UCI Machine Learning Repository. doi:10.24432/C5PC7J",
    ),
    Dataset(
        name="optical-digits",
        summary="handwritten digits of 8 x 8 pixels: the test part of UCI's optical recognition set",
        locator="load_digits",
        rows=1797,
        features=64,
        classes=10,
        sha256="83d36b425b0a9bb9375795c7276243562e50f199919e0c3799fa8e5725dab38f",
        uci_id=80,
        citation="Alpaydin, Kaynak (1998). Optical Recognition of Handwritten Digits. "
        "UCI Machine Learning Repository. doi:10.24432/C50P49",
    ),
)
_CITATIONS = {
    "random": "UCI Machine Learning Repository, the data set's page.",
    "hla": "Hernandez-Lobato, Adams (2015). Probabilistic Backpropagation. ICML. arXiv:1502.05336.",
    "a19": "Fernandez-Delgado, Cernadas, Barro, Amorim (2014). Do we need hundreds of classifiers to solve real world "
    "classification problems? JMLR 15; Arora et al. (2019). arXiv:1910.01663.",
}


def _files() -> Iterator[Dataset]:
    text = (Path(__file__).parent / "tables" / "files.csv").read_text(encoding="utf-8")
    return map(_dataset, csv.DictReader(text.splitlines()))


def _dataset(row: Mapping[str, str]) -> Dataset:
    def number(key: str) -> int | None:
        return int(row[key]) if row[key] else None

    def numbers(key: str) -> tuple[int, ...]:
        return tuple(map(int, row[key].split()))

    split_files = None
    if row["protocol"] == "a19":
        hashes = {key: row[key] for key in ("tuning_sha256", "resamples_sha256")}
        split_files = SplitFiles(**hashes, n_train=int(row["n_train"]), n_test=int(row["n_test"]))
    return Dataset(
        name=row["name"],
        summary=row["title"],
        locator=row["path"],
        layout=Layout(
            separator=row["separator"],  # type: ignore[arg-type]
            header=int(row["header"]),
            columns=int(row["columns"]),
            target=int(row["target"]),
            drop=numbers("drop"),
            text=numbers("text"),
            rows=int(row["rows"]),
        ),
        rows=int(row["complete_rows"]),
        features=int(row["features"]),
        classes=number("classes"),
        sha256=row["sha256"],
        protocol=row["protocol"],  # type: ignore[arg-type]
        splits=number("splits") or 0,
        split_files=split_files,
        uci_id=number("uci_id"),
        openml_id=number("openml_id"),
        citation=_CITATIONS[row["protocol"]],
        licence=row["licence"],
        redistributable=row["redistributable"] == "yes",
    )


COLLECTION = {dataset.name: dataset for dataset in (*_SCIKIT_LEARN, *_files())}
