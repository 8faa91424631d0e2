"""The style that all figures share: colours, markers and dashes.

The colours are those of Okabe and Ito, which readers with any kind of colour blindness can distinguish; markers and
dashes distinguish the same lines in grey.
"""

from __future__ import annotations

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
THEORY_COLOUR = "#000000"
BAND_COLOUR = "#BBBBBB"
