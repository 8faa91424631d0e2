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
    from ..analysis.verdicts.simulated import STUDIES
    from ..plugin.terminal import print_table

    lines: dict[tuple[str, ...], None] = {}
    for power in powers:
        found = power.expectation
        holds = f"if beyond by {power.holds:.2g}" if found.one_sided else f"{100 * power.holds:.0f} %"
        known = not math.isnan(power.half_width)
        off = (
            f"{power.detects:.2g} off" if math.isfinite(power.detects) else f"{100 * power.fails_at_most:.0f} % at most"
        )
        numbers = (f"{power.half_width:.2g}", holds, off) if known else ("?", "?", "?")
        of = f"{power.key.activation}, {', '.join(power.key.labels)}"
        lines[quantity_name(power.metric), of, expected_words(found), *numbers] = None
    headings = ["quantity", "of", "expected", "interval +-", "holds", "refuted if"]
    print_table("What it can decide on one seed, by how members scattered before", headings, list(lines))
    click.echo(
        f"From {STUDIES} simulated studies, judged as measured ones; corrections are as large as intervals allow for.\n"
        "holds: the probability for this quantity, if the truth is as expected; of a bound, how far beyond it the\n"
        "truth has to be for 0.8. refuted if: the smallest deviation, either way, that fails with probability 0.8;\n"
        "if even large ones fail less often, how often. ?: not known before members are seen."
    )


def power_record(power: PlannedPower) -> dict[str, Any]:
    """Return it as JSON has it: null for what is not known, or never refuted with probability 0.8."""
    numbers = {name: getattr(power, name) for name in ("half_width", "holds", "detects", "fails_at_most")}
    return {
        "quantity": power.metric,
        "activation": power.key.activation,
        "labels": list(power.key.labels),
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
    }
