"""Draw the figures that a study names, each ``"module:function"``: ``function(results) -> Figure`` of matplotlib."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from ...errors import NtkbenchError, PluginWarning
from ...plugin.guard import blaming, described
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
            with blaming(f"figure {name}"):
                contents = _drawn(import_target(name)(results))
        except NtkbenchError as error:
            reason = described(error.__cause__ or error)
            warnings.warn(f"figure {name} is not drawn: {reason}", PluginWarning, stacklevel=2)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for ending, content in contents.items():
            written.append(folder / f"{name.rpartition(':')[2]}.{ending}")
            written[-1].write_bytes(content)
    return written


def _drawn(figure: Figure) -> dict[str, bytes]:
    """Return a figure as PNG (150 dpi) and SVG, by the endings of their files."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=_DPI)
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}
