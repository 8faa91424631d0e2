"""The kernels of every activation in as many digits as asked, independent of the package under test (mpmath)."""

from .catalogue import SHORT, all_pairs
from .condition import condition, coordinate_condition
from .recursion import DIGITS, Entry, entries, reference

__all__ = ["DIGITS", "SHORT", "Entry", "all_pairs", "condition", "coordinate_condition", "entries", "reference"]
