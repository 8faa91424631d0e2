"""Draw the figures that a study names, each ``"module:function"``: ``function(results) -> Figure`` of matplotlib."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ...plugin.specs import import_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from ...plugin.result_tables import ResultTables

_DPI = 150


def draw_study_figures(results: ResultTables, names: Sequence[str], folder: Path) -> list[Path]:
    """Draw the figures ``names`` into ``folder``, named after their functions, and return the files.

    The run's tables are already written, so a figure that fails is a warning with its reason and stops nothing.
    """
    written = []
    for name in names:
        try:
            figure = import_target(name)(results)
            folder.mkdir(parents=True, exist_ok=True)
            written += save(figure, folder, name.rpartition(":")[2])
        except Exception as error:
            warnings.warn(f"figure {name} is not drawn: {type(error).__name__}: {error}", stacklevel=2)
    return written


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Save a figure as ``name.png`` (150 dpi) and ``name.svg``, and return both paths."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    figure.savefig(png, dpi=_DPI)
    figure.savefig(svg, metadata={"Date": None})
    return [png, svg]
