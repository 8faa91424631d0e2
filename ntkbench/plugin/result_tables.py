"""The results of runs as plugins see them: the argument of functions that make pages and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


class ResultTables(Protocol):
    """The tables of one or several runs, with the columns of ``results/README.md``.

    What :func:`ntkbench.load` returns is one; so is any object with these attributes.
    """

    @property
    def paths(self) -> tuple[Path, ...]:
        """The folders of the runs."""
        ...

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The contents of each run's ``run.json``."""
        ...

    @property
    def labels(self) -> list[str]:
        """The labels of references, then of subjects, in the order of the study."""
        ...

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell."""
        ...

    @property
    def measurements(self) -> pd.DataFrame:
        """One row per measured number."""
        ...

    @property
    def predictions(self) -> pd.DataFrame:
        """One row per predicted value."""
        ...

    @property
    def spectra(self) -> pd.DataFrame:
        """One row per stored eigenvalue and output."""
        ...

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per judged quantity of a claim."""
        ...
