"""What a study can decide, on a terminal and as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..analysis.verdicts.power import PlannedPower


def show_power(powers: Sequence[PlannedPower]) -> None:
    """Print what a study can decide about each quantity; alike ones in one line."""
    from ..analysis.report.words import expected_words
    from ..analysis.series.quantities import quantity_name
    from ..plugin.terminal import print_table

    lines: dict[tuple[str, ...], None] = {}
    for power in powers:
        found = power.expectation
        holds = f"if beyond by {power.holds:.2g}" if found.one_sided else f"{100 * power.holds:.0f} %"
        known = not math.isnan(power.half_width)
        numbers = (f"{power.half_width:.2g}", holds, f"{power.detects:.2g} off") if known else ("?", "?", "?")
        of = f"{power.key.activation}, {', '.join(power.key.labels)}"
        lines[quantity_name(power.metric), of, expected_words(found), *numbers] = None
    headings = ["quantity", "of", "expected", "interval +-", "holds", "refuted if"]
    print_table("What it can decide on one seed, by how members scattered before", headings, list(lines))
    click.echo(
        "holds: the probability for this quantity, if the truth is as expected and no finite-width correction is\n"
        "there; of a bound, how far beyond it the truth has to be for 0.8. refuted if: the deviation from which on\n"
        "the interval alone excludes the band with probability 0.8. ?: not known before members are seen."
    )


def power_record(power: PlannedPower) -> dict[str, Any]:
    """Return it as JSON has it: null for what is not known, or never refuted."""
    numbers = {"half_width": power.half_width, "holds": power.holds, "detects": power.detects}
    return {
        "quantity": power.metric,
        "activation": power.key.activation,
        "labels": list(power.key.labels),
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
    }
