"""What a comparison of networks with the theory says, in one sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..series.quantities import quantity_name

if TYPE_CHECKING:
    from .comparisons import Comparison

_MORE = "More networks (--members) or more widths (--width) narrow the intervals."


def conclusion(comparison: Comparison) -> str | None:
    """Return the sentence; None if no quantity of the comparison is judged."""
    judged = [finding for _, finding in comparison.rates if finding is not None and finding.verdict != "reported"]
    if not judged:
        return None
    kernel = "NNGP" if comparison.facts.get("trained_layers") == "last" else "NTK"
    failed = [quantity_name(finding.rate.metric) for finding in judged if finding.verdict == "fails"]
    held = sum(finding.verdict == "holds" for finding in judged)
    if failed:
        return f"The {kernel} does not predict these networks: it fails in the {' and the '.join(failed)}."
    if held == len(judged):
        quantities = f"all {held} quantities hold" if held > 1 else "the quantity that was judged holds"
        return f"The {kernel} predicts these networks: {quantities}{_distance(comparison)}."
    agree = f"{held or 'none'} of {len(judged)} quantities hold{'s' if held == 1 else ''}, none fails"
    return f"Not decided whether the {kernel} predicts these networks: {agree}. {_MORE}"


def _distance(comparison: Comparison) -> str:
    widest = comparison.by_width.iloc[-1]
    distance, width = float(widest["function_distance"]), int(widest["width"])
    if math.isnan(distance):
        return ""
    return f"; at width {width} a network is {distance:.2g} (RMS over test points) from its prediction"
