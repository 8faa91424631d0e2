"""Text as numbers: what is one, exactly, and what only looks like one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .text_format import TextFormat

_NUMBER = r"^[+-]?(?:(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:inf|infinity|nan))$"
_GROUPED = r"^[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:{point}[0-9]*)?$"
_POINT = re.compile(_NUMBER.format(point=r"\."))
# Signs, brackets and currencies around digits with any marks between them: "1.234,5", "12 %", "$5"; but not "<5" or
# "65+", which are groups.
_LOOKS = re.compile(
    r"[-+($€£¥₹\s\u2212]*"
    r"(?:0[xX][0-9a-fA-F]+|[.,]?[0-9][0-9.,'\u2019 \u00a0\u202f_]*(?:[eEdD][+-]?[0-9]+)?)"
    r"[-%)$€£¥₹\s\u2030]*"
)
_VARIANTS = {" ": "\u00a0\u202f\u2009", "'": "\u2019"}  # no-break and thin spaces, the typographic apostrophe
_WITH_UNIT = re.compile(r"[-+]?[0-9][0-9.,]*\s*([A-Za-z\u00b0\u00b5\u03bc][A-Za-z/\u00b2\u00b3]{0,5})")
_ORDINALS = {"st", "nd", "rd", "th"}


def is_number(cell: str) -> bool:
    """Return whether a text is a number with a decimal point, or ``inf`` or ``nan``."""
    return _POINT.match(cell) is not None


def looks_like_number(cell: str) -> bool:
    """Return whether a person means a number by this text, written one way or another."""
    return _LOOKS.fullmatch(cell) is not None


def share_a_unit(distinct: list[str]) -> bool:
    """Return whether all texts are numbers with one unit, such as ``5 kg`` and ``12.5 kg``."""
    found = [_WITH_UNIT.fullmatch(cell) for cell in distinct]
    units = {match[1] for match in found if match}
    return all(found) and len(units) == 1 and not units & _ORDINALS


def parse_numbers(cells: Any, form: TextFormat) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the numbers (rows,) of texts, each correctly rounded, and which texts are one; nan for the others.

    :param cells: strings of pyarrow, without nulls and without white space around them.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    point = re.escape(form.decimal)
    if form.thousands is not None:
        for variant in _VARIANTS.get(form.thousands, ()):
            cells = pc.replace_substring(cells, variant, form.thousands)
        grouped = pc.match_substring_regex(cells, _GROUPED.format(mark=re.escape(form.thousands), point=point))
        cells = pc.if_else(grouped, pc.replace_substring(cells, form.thousands, ""), cells)
    valid = pc.match_substring_regex(cells, _NUMBER.format(point=point))
    if form.decimal != ".":
        cells = pc.replace_substring(cells, form.decimal, ".")
    numbers = pc.cast(pc.if_else(valid, cells, "nan"), pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64), np.asarray(
        valid.to_numpy(zero_copy_only=False), dtype=bool
    )
