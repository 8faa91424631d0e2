"""Copy the parts of a scoreboard's folder that readers need to ``results/reference/claims``: tables, figures, origin.

ntkbench claims --out results/claims
python benchmarks/publish_claims.py results/claims "ntkbench claims"
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
    shutil.copy(options.folder / "scoreboard.md", _TARGET)
    verdicts = pd.read_parquet(options.folder / "verdicts" / "scoreboard.parquet")
    verdicts.drop(columns=["schema_version"]).to_csv(_TARGET / "verdicts.csv", index=False)
    for figure in sorted(options.folder.glob("claim-*/figures/*.png")):
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
    counted = f"{len(results.runs)} studies, {len(cells)} cells, {cells['wall_seconds'].sum():.0f} s of cells in all"
    machine = {key: value for key, value in list(environments.values())[-1].items() if key in _SAID}
    lines = [
        "# The scoreboard, as published",
        "",
        f"`{command}`: {counted}, about {seconds / 60:.0f} minutes from the first cell to the",
        f"last; ntkbench {ntkbench.__version__}. Made by `python benchmarks/publish_claims.py`.",
        "",
        "* [scoreboard.md](scoreboard.md): each claim, what was measured, expected, and the verdict",
        "* [verdicts.csv](verdicts.csv): the table `verdicts` of all studies, with methods and reasons",
        "* [scoreboard.png](scoreboard.png), [figures/](figures): one page of all, and one figure per study",
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
