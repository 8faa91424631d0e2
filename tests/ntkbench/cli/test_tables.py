"""The tables of a run on a terminal of 80 columns, and that a finished run is analysed once."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from toy_runs import session, study

from ntkbench.analysis.report import report
from ntkbench.cli import run as command
from ntkbench.cli import tables


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    done = session(study(), tmp_path_factory.mktemp("run") / "run", executor="inline")
    cells = done.results.cells  # as a backend that knows Adam would leave them
    cells["optimizer"], cells["training_json"] = "adam", '{"optimizer":"adam"}'
    return done


def printed(show, monkeypatch, *arguments):
    text = io.StringIO()
    monkeypatch.setattr(tables, "make_console", lambda: Console(file=text, width=80, highlight=False))
    show(*arguments)
    return text.getvalue()


def test_tables_fit_80_columns(finished, monkeypatch):
    said = printed(tables.show_comparisons, monkeypatch, finished.report)
    lines = said.splitlines()
    shown = [line for line in lines if "steps of" not in line]  # a sentence, which the terminal wraps
    assert max(map(len, shown)) <= 80
    words = " ".join(said.split())
    assert "verdict" in words
    assert all(word in words for word in ("95 % interval", "band", "noise", "networks per width"))
    verdicts = {f.verdict for comparison in finished.report.comparisons for _, f in comparison.rates if f is not None}
    assert verdicts
    assert all(any(verdict in line for line in lines) for verdict in verdicts)  # not broken


def test_the_optimizer_that_was_used_is_printed(finished, monkeypatch):
    said = printed(tables.show_comparisons, monkeypatch, finished.report)
    assert "10 steps of Adam at learning rate" in said
    assert "gradient descent" not in said


def test_a_run_is_analysed_once(tmp_path, monkeypatch):
    """Figures, verdicts, tables and JSON render one report, also of a run that was finished before."""
    analyses = []
    analyse = report.analyse
    monkeypatch.setattr(report, "analyse", lambda results: analyses.append(results) or analyse(results))
    for count in (1, 2):
        done = session(study(), tmp_path / "run", analyse=True, executor="inline")
        printed(tables.show_comparisons, monkeypatch, done.report)
        assert command._record(done)["rates"]
        assert len(analyses) == count
