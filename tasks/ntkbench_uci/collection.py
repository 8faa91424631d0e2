"""The data sets: source, shape, hash and citation of each.

Data sets that come as files are the rows of ``tables/files.csv``; other files with the same numbers, and where to
download them, are the rows of ``tables/forms.csv``. Reading both imports nothing heavy.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .dataset import Dataset, FileForm, Layout, SplitFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SCIKIT_LEARN = (
    Dataset(
        name="breast-cancer-wisc-diag",
        summary="malignant (-1) or benign (+1), from measurements of cell nuclei",
        scikit_learn="load_breast_cancer",
        rows=569,
        features=30,
        classes=2,
        sha256="785a9190557f2de8e457b4298dd6f0f5437d0bfaa352f6914e735925e041b30b",
        values_sha256="785a9190557f2de8e457b4298dd6f0f5437d0bfaa352f6914e735925e041b30b",
        uci_id=17,
        citation="Wolberg, Mangasarian, Street, Street (1993). Breast Cancer Wisconsin (Diagnostic). "
        "UCI Machine Learning Repository. doi:10.24432/C5DW2B",
    ),
    Dataset(
        name="wine",
        summary="which of three cultivars, from chemical analysis",
        scikit_learn="load_wine",
        rows=178,
        features=13,
        classes=3,
        sha256="3fdc6d142f2be1ee7308926eac7c83883814d23d9a593a72ae53a57bf3096457",
        values_sha256="3fdc6d142f2be1ee7308926eac7c83883814d23d9a593a72ae53a57bf3096457",
        uci_id=109,
        citation="Aeberhard, Forina (1992). Wine. UCI Machine Learning Repository. doi:10.24432/C5PC7J",
    ),
    Dataset(
        name="optical-digits",
        summary="handwritten digits of 8 x 8 pixels: the test part of UCI's optical recognition set",
        scikit_learn="load_digits",
        rows=1797,
        features=64,
        classes=10,
        sha256="83d36b425b0a9bb9375795c7276243562e50f199919e0c3799fa8e5725dab38f",
        values_sha256="83d36b425b0a9bb9375795c7276243562e50f199919e0c3799fa8e5725dab38f",
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


_A19_FOLDER = "classification_fd/"
_A19_ARCHIVE = "http://persoal.citius.usc.es/manuel.fernandez.delgado/papers/jmlr/data.tar.gz"


def _table(name: str) -> list[dict[str, str]]:
    text = (Path(__file__).parent / "tables" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _files() -> Iterator[Dataset]:
    others: dict[str, list[FileForm]] = {}
    for row in _table("forms.csv"):
        others.setdefault(row["name"], []).append(_form(row))
    for dataset in _SCIKIT_LEARN:
        yield replace(dataset, forms=tuple(others.get(dataset.name, ())))
    for row in _table("files.csv"):
        yield _dataset(row, others.get(row["name"], []))


def _dataset(row: Mapping[str, str], others: list[FileForm]) -> Dataset:
    split_files = None
    if row["protocol"] == "a19":
        hashes = {key: row[key] for key in ("tuning_sha256", "resamples_sha256")}
        split_files = SplitFiles(**hashes, n_train=int(row["n_train"]), n_test=int(row["n_test"]))
    return Dataset(
        name=row["name"],
        summary=row["title"],
        forms=(_form(row), *others),
        rows=int(row["complete_rows"]),
        features=int(row["features"]),
        classes=_number(row["classes"]),
        sha256=row["sha256"],
        values_sha256=row["values_sha256"],
        protocol=row["protocol"],  # type: ignore[arg-type]
        splits=_number(row["splits"]) or 0,
        split_files=split_files,
        uci_id=_number(row["uci_id"]),
        openml_id=_number(row["openml_id"]),
        citation=_CITATIONS[row["protocol"]],
        licence=row["licence"],
        redistributable=row["redistributable"] == "yes",
    )


def _form(row: Mapping[str, str]) -> FileForm:
    path = row["path"]
    authors = path.startswith(_A19_FOLDER)
    return FileForm(
        path=path,
        layout=Layout(
            separator=row["separator"],  # type: ignore[arg-type]
            header=int(row["header"]),
            columns=int(row["columns"]),
            target=int(row["target"]),
            drop=_numbers(row["drop"]),
            text=_numbers(row["text"]),
            rows=int(row["rows"]),
            decimals=_numbers(row.get("decimals", "")),
            sheet=row.get("sheet", ""),
        ),
        sha256=row["sha256"],
        url=_A19_ARCHIVE if authors else row.get("url", ""),
        member=path.removeprefix(_A19_FOLDER) if authors else row.get("member", ""),
    )


def _number(cell: str) -> int | None:
    return int(cell) if cell else None


def _numbers(cell: str) -> tuple[int, ...]:
    return tuple(map(int, cell.split()))


COLLECTION = {dataset.name: dataset for dataset in _files()}
