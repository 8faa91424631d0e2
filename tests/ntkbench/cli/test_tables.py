"""The tables of a run on a terminal of 80 columns, and that a finished run is analysed once."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from toy_runs import session, study, subject

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
    assert all(word in words for word in ("95 % interval", "band", "by law", "networks per width"))
    verdicts = {f.verdict for comparison in finished.report.comparisons for _, f in comparison.rates if f is not None}
    assert verdicts
    assert all(any(verdict in line for line in lines) for verdict in verdicts)  # not broken


def test_a_study_chooses_what_is_fitted_and_two_widths_have_no_rates(tmp_path, monkeypatch):
    subjects = [subject(), subject("pair", widths=[4, 64])]
    chosen = study(quantities=["function_distance_max"], subject=subjects)
    report = session(chosen, tmp_path / "run", executor="inline").report
    fitted = {c.key.labels[0]: [rate.metric for rate, _ in c.rates] for c in report.comparisons}
    assert fitted == {"network": ["function_distance_max"], "pair": []}
    assert {finding.rate.metric for finding in report.findings} == {"function_distance_max"}
    said = printed(tables.show_comparisons, monkeypatch, report)
    assert said.count("95 % interval") == 1


@pytest.mark.parametrize(("value", "said"), [(0.3, "0.30(10)"), (0.21, "noise")])
def test_what_sampling_may_leave_of_a_mean_is_called_noise(value, said):
    row = {f"function_distance_of_mean{part}": x for part, x in {"": value, "_se": 0.1, "_floor": 0.02}.items()}
    assert tables._of_mean(row) == said


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
