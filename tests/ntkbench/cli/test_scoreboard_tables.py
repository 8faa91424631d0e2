"""The scoreboard on terminals of any width: whole headings, whole numbers."""

import io

import pytest
from rich.console import Console
from toy_findings import finding

from ntkbench.analysis.verdicts.scoreboard import scores
from ntkbench.cli.scoreboard import _show_scores


@pytest.mark.parametrize("width", [80, 100, 110, 150, 200])
def test_headings_and_numbers_are_whole_at_any_width(width):
    found = [finding(1, -0.5123), finding(1, -0.51, study="claim-with-a-name-as-long-as-any", control=True)]
    console = Console(file=io.StringIO(), width=width, markup=False)
    _show_scores(console, scores(found), 115, 0.05)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for whole in (
        "measured",
        "95 % interval",
        "expected",
        "detects",
        "verdict",
        "-0.5123",
        "[-0.5515, -0.4731]",
        "holds",
    ):
        assert whole in text
    assert "..." not in text
    assert "\u2026" not in text
