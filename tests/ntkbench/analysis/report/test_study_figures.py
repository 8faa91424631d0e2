"""Figures that a study names itself: drawn, saved, no part of what is computed, never the end of a run."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from toy_runs import TOY, session, study

from ntkbench.analysis.report.study_figures import draw_study_figures
from ntkbench.errors import StudyError
from ntkbench.plugin.loading import load_registry
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study


def line(results) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1], [0, len(results.cells)])
    return figure


def broken(results) -> Figure:
    raise ValueError("no such metric")


@pytest.fixture(autouse=True)
def drawings(monkeypatch):
    module = ModuleType("toy_drawings")
    module.line, module.broken = line, broken
    monkeypatch.setitem(sys.modules, "toy_drawings", module)


def test_a_figure_is_saved_under_the_name_of_its_function(tmp_path):
    found = session(study(figures=["toy_drawings:line"]), tmp_path / "run", analyse=True, executor="inline")
    folder = found.path / "figures"
    assert {path.name for path in folder.iterdir()} >= {"line.png", "line.svg"}
    assert (folder / "line.png").read_bytes()[1:4] == b"PNG"
    assert b"<svg" in (folder / "line.svg").read_bytes()
    assert found.plan.study.study.figures == ("toy_drawings:line",)


def test_a_figure_that_fails_is_a_warning_and_the_next_is_drawn(tmp_path):
    names = ["toy_drawings:broken", "toy_drawings:lien", "no_such_module:line", "toy_drawings:line"]
    found = session(study(), tmp_path / "run", executor="inline")
    with pytest.warns(UserWarning) as caught:
        written = draw_study_figures(found.results, names, tmp_path / "figures")
    assert [path.name for path in written] == ["line.png", "line.svg"]
    assert [str(w.message).split(" is not drawn: ")[0] for w in caught] == [f"figure {name}" for name in names[:3]]
    assert "ValueError: no such metric" in str(caught[0].message)


def test_figures_change_neither_the_run_nor_its_cells():
    registry = load_registry([str(TOY)])
    plans = [make_plan(resolve_study(study(**keys), registry), registry) for keys in ({}, {"figures": ["json:dumps"]})]
    assert plans[0].run_id == plans[1].run_id
    assert [cell.cell_id for cell in plans[0].cells] == [cell.cell_id for cell in plans[1].cells]


@pytest.mark.parametrize("name", ["figure", "a:b:c", "path/to.py:draw", ":draw", "module:"])
def test_a_figure_is_a_module_and_a_function(name):
    with pytest.raises(StudyError, match=r"figures\[0\]"):
        resolve_study(study(figures=[name]), load_registry([str(TOY)]))
