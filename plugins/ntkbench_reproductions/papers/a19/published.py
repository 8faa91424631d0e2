"""Published numbers: rows of A19 Table 1, and the accuracies of the 179 classifiers of Fernandez-Delgado et al. 2014.

The accuracies are a file, ``fd_results.txt``, in the data folder or in a folder ``reference`` inside or beside it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

ALL_SETS = 90
FILE = "fd_results.txt"
KERNEL_ROW = {"rank": 28.34, "average": 81.95, "sd": 14.10, "p90": 88.89, "p95": 72.22, "pma": 95.72, "pma_sd": 5.17}
_HE = {"rank": 40.97, "average": 80.88, "sd": 14.96, "p90": 81.11, "p95": 65.56, "pma": 94.34, "pma_sd": 7.22}
_NTK = {"rank": 38.06, "average": 81.02, "sd": 14.47, "p90": 85.56, "p95": 60.00, "pma": 94.55, "pma_sd": 5.89}
ROWS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "ntk": ("NTK, A19 Table 1", KERNEL_ROW),
    "network-he": ("NN (He init), A19 Table 1", _HE),
    "network-ntk": ("NN (NTK init), A19 Table 1", _NTK),
}
_SUMMARY_COLUMNS = ("min", "max", "mean", "std")
_MISSING = "--"


def published_accuracies() -> pd.DataFrame | None:
    """Return the published accuracies in per cent, data sets by classifiers, nan where one failed; None without a file.

    :raises StoreError: if the file is not a table of them.
    """
    import pandas as pd

    path = _file()
    if path is None:
        return None
    head, *lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    classifiers = [name for name in head[1:] if name not in _SUMMARY_COLUMNS]
    table = dict(_accuracies(lines, len(classifiers)))
    if not table:
        raise StoreError(f"{path}: no rows of {len(classifiers)} accuracies")
    return pd.DataFrame(table, index=pd.Index(classifiers)).T


def _file() -> Path | None:
    folder = os.environ.get("NTKBENCH_DATA")
    if not folder:
        return None
    locations = (Path(folder) / FILE, Path(folder) / "reference" / FILE, Path(folder).parent / "reference" / FILE)
    return next((path for path in locations if path.is_file()), None)


def _accuracies(lines: list[list[str]], classifiers: int) -> Iterator[tuple[str, list[float]]]:
    """Yield each data set's accuracies; shorter lines are rules between rows, and the means below them."""
    for name, *cells in lines:
        if len(cells) >= classifiers:
            yield name.lower(), [np.nan if cell == _MISSING else float(cell) for cell in cells[:classifiers]]
