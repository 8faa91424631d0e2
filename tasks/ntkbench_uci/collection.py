"""The data sets, one row each: where the numbers come from, what they must be, whom to thank."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A classification data set of the UCI repository.

    :param name: the task is ``uci/<name>``.
    :param reader: who reads it: a key of :data:`ntkbench_uci.readers.READERS`.
    :param locator: what that reader needs to find it.
    :param classes: number of classes, labelled 0 .. classes - 1.
    :param sha256: hash of inputs and labels, see :func:`ntkbench_uci.readers.content_hash`.
    :param uci_id: the number in ``https://archive.ics.uci.edu/dataset/<uci_id>``.
    """

    name: str
    summary: str
    reader: str
    locator: str
    rows: int
    features: int
    classes: int
    sha256: str
    uci_id: int
    citation: str
    licence: str = "CC BY 4.0"

    @property
    def outputs(self) -> int:
        """One for two classes, else one per class."""
        return 1 if self.classes == 2 else self.classes


_DATASETS = (
    Dataset(
        name="breast-cancer-wisc-diag",
        summary="malignant (-1) or benign (+1), from measurements of cell nuclei",
        reader="scikit-learn",
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
        reader="scikit-learn",
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
        reader="scikit-learn",
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
COLLECTION = {dataset.name: dataset for dataset in _DATASETS}
