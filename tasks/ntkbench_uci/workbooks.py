"""Read the rows of a sheet of an Excel workbook, ``xls`` or ``xlsx``."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from ntkbench.plugin import DataError

from .text_files import Cells, checked

if TYPE_CHECKING:
    from .dataset import Layout


def cells_of_sheet(content: bytes, layout: Layout, where: str) -> Cells:
    """Return the rows of the layout's sheet, or of the first one, as text that gives numbers back exactly.

    Blank rows, and empty columns beyond the last one, are dropped.

    :raises DataError: if this is no workbook, there is no such sheet, or its rows or columns differ from the layout.
    """
    try:
        from python_calamine import CalamineWorkbook
    except ImportError as error:
        raise DataError(f'{where}: a workbook needs python-calamine: pip install "ntkbench[uci]"') from error
    try:
        book = CalamineWorkbook.from_filelike(BytesIO(content))
        name = layout.sheet or book.sheet_names[0]
        if name not in book.sheet_names:
            raise DataError(f'{where}: no sheet "{name}", but {", ".join(book.sheet_names)}')
        grid = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except DataError:
        raise
    except Exception as error:  # calamine has no common base class of errors
        raise DataError(f"{where}: not a readable Excel workbook: {error}") from error
    lines = enumerate(grid[layout.header :], start=layout.header + 1)
    return checked(((number, [_text(cell) for cell in row]) for number, row in lines), layout, where)


def _text(cell: object) -> str:
    """Return a cell as text; for a number, the shortest digits that give it back."""
    return repr(cell) if isinstance(cell, float) else str(cell).strip()
