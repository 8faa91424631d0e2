"""Copy what readers need of a scoreboard on several seeds to ``results/reference/claims``: tables, figures, origin.

ntkbench claims --seed 11 --seed 12 --seed 13 --out results/claims
python benchmarks/publish_claims.py results/claims "ntkbench claims --seed 11 --seed 12 --seed 13"

Figures of single studies are those of the first seed.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

import ntkbench

_COLOURS = 96  # per figure: enough for lines on white, at a third of the bytes
_SAID = ("python", "processor", "cores", "memory_bytes", "versions")
_TARGET = Path(__file__).resolve().parents[1] / "results" / "reference" / "claims"


def main() -> None:
    """Copy a scoreboard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what was given as --out to ntkbench claims")
    parser.add_argument("command", help="the exact command, for the README")
    options = parser.parse_args()
    shutil.rmtree(_TARGET, ignore_errors=True)
    (_TARGET / "figures").mkdir(parents=True)
    for page in ("scoreboard.md", "replication.md"):
        shutil.copy(options.folder / page, _TARGET)
    for table, name in (("scoreboard", "verdicts"), ("replication", "replication")):
        rows = pd.read_parquet(options.folder / "verdicts" / f"{table}.parquet")
        rows.drop(columns=["schema_version"]).to_csv(_TARGET / f"{name}.csv", index=False)
    first = min(options.folder.glob("seed-*"), key=lambda seed: int(seed.name.removeprefix("seed-")))
    for figure in sorted(first.glob("claim-*/figures/*.png")):
        _copy_small(figure, _TARGET / "figures" / figure.name)
    _copy_small(options.folder / "scoreboard.png", _TARGET / "scoreboard.png")
    (_TARGET / "README.md").write_text(_text(options.folder, options.command), encoding="utf-8")


def _copy_small(figure: Path, target: Path) -> None:
    buffer = io.BytesIO()
    Image.open(figure).convert("RGB").quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    target.write_bytes(buffer.getvalue())


def _text(folder: Path, command: str) -> str:
    """Return a text about the origin of the numbers."""
    results = ntkbench.load(folder)
    cells = results.cells
    environments: dict[str, Any] = {key: env for run in results.runs for key, env in run["environments"].items()}
    seconds = (cells["started_at"].max() - cells["started_at"].min()).total_seconds()
    counted = (
        f"{len(results.runs)} runs of studies, {len(cells)} cells, {cells['wall_seconds'].sum():.0f} s of cells in all"
    )
    machine = {key: value for key, value in list(environments.values())[-1].items() if key in _SAID}
    lines = [
        "# The scoreboard, as published",
        "",
        f"`{command}`: {counted}, about {seconds / 60:.0f} minutes from the first cell to the",
        f"last; ntkbench {ntkbench.__version__}. Made by `python benchmarks/publish_claims.py`.",
        "",
        "* [scoreboard.md](scoreboard.md): each claim, what was measured, expected, and the verdict of all seeds",
        "* [replication.md](replication.md), [replication.csv](replication.csv): each seed by itself, beside them",
        "* [verdicts.csv](verdicts.csv): the table `verdicts` of all seeds together, with methods and reasons",
        "* [scoreboard.png](scoreboard.png): one page of all; [figures/](figures): each study's, on the first seed",
        "",
        "## Machine and versions",
        "",
        "```json",
        json.dumps(machine, indent=1),
        "```",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
