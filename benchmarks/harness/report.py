"""The table: one row per figure, as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure. ``value`` is compared with ``target``; ``low`` and ``high`` are the quartiles of its rounds.

    ``ours`` and ``peer`` are medians in ``unit``; ``of_product`` is ours over the time of a product of two matrices
    of the result's size and type on this machine.
    """

    figure: str
    setting: str
    quantity: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    sense: Literal["at least", "at most", ""] = ""
    target: float | None = None
    ours: float | None = None
    peer: float | None = None
    unit: str = ""
    of_product: float | None = None
    note: str = ""
    samples: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Return whether the target is met; ``reported`` if there is none."""
        if self.value is None:
            return "not available"
        if self.target is None or not self.sense:
            return "reported"
        met = self.value >= self.target if self.sense == "at least" else self.value <= self.target
        return "met" if met else "missed"


_COLUMNS = tuple(f.name for f in fields(Row) if f.name != "samples")


def write(rows: list[Row], facts: dict[str, Any], folder: Path) -> str:
    """Write table.md, table.csv and run.json into ``folder``; return the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(rows, facts)
    (folder / "table.md").write_text(text, encoding="utf-8")
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*_COLUMNS, "verdict"])
        writer.writeheader()
        writer.writerows({**{name: getattr(row, name) for name in _COLUMNS}, "verdict": row.verdict} for row in rows)
    content = {"facts": facts, "rows": [{**asdict(row), "verdict": row.verdict} for row in rows]}
    (folder / "run.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return text


def markdown(rows: list[Row], facts: dict[str, Any]) -> str:
    lines = [
        f"# {facts['title']}",
        "",
        *(f"- {name}: {value}" for name, value in facts["summary"].items()),
        "",
        "| figure | setting | quantity | value [quartiles] | target | verdict | ours | peer | matrix products | note |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_line(row) for row in rows),
        "",
        "`matrix products`: our time over that of multiplying two matrices of the result's size and type here.",
        "",
    ]
    return "\n".join(lines)


def _line(row: Row) -> str:
    spread = f" [{_number(row.low)}, {_number(row.high)}]" if row.low is not None else ""
    cells = (
        row.figure,
        row.setting,
        row.quantity,
        _number(row.value) + spread,
        f"{row.sense} {_number(row.target)}" if row.target is not None else "",
        row.verdict,
        f"{_number(row.ours)} {row.unit}" if row.ours is not None else "",
        f"{_number(row.peer)} {row.unit}" if row.peer is not None else "",
        _number(row.of_product),
        row.note,
    )
    return "| " + " | ".join(cell.strip().replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
