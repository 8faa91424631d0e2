"""The kernels of every activation in as many digits as asked, independent of the package under test (mpmath)."""

from .catalogue import SHORT, all_pairs
from .condition import condition
from .recursion import DIGITS, Entry, entries, reference

__all__ = ["DIGITS", "SHORT", "Entry", "all_pairs", "condition", "entries", "reference"]
