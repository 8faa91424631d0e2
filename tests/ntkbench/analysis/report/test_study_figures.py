"""Figures that a study names itself: drawn, saved, no part of what is computed, never the end of a run."""

from __future__ import annotations

import os
import re
import sys
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from toy_runs import TOY, session, study

from ntkbench.analysis.report.pages import study_pages
from ntkbench.analysis.report.study_figures import draw_study_figures
from ntkbench.errors import PluginWarning, StudyError
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.page import Page
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study


def line(results) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1], [0, len(results.cells)])
    return figure


def broken(results) -> Figure:
    raise ValueError("no such metric")


class OwnInterrupt(KeyboardInterrupt):
    """Not the user's Ctrl-C."""


def exits(results):
    sys.exit(3)


def leaves(results):
    os._exit(4)


def interrupts(results):
    raise OwnInterrupt("at once")


def page(results):
    return Page("A title", ("name",), (("one",),))


def no_page(results):
    return "# a title"


@pytest.fixture(autouse=True)
def drawings(monkeypatch):
    module = ModuleType("toy_drawings")
    for function in (line, broken, exits, leaves, interrupts, page, no_page):
        setattr(module, function.__name__, function)
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


@pytest.mark.parametrize(
    ("name", "reason"),
    [("exits", "SystemExit: 3"), ("leaves", "SystemExit: os._exit(4)"), ("interrupts", "OwnInterrupt: at once")],
)
def test_a_figure_or_page_that_ends_the_process_is_named_and_the_run_is_whole(name, reason, tmp_path):
    names = [f"toy_drawings:{name}", "toy_drawings:line"], [f"toy_drawings:{name}", "toy_drawings:page"]
    text = study(figures=names[0], pages=names[1])
    with pytest.warns(PluginWarning, match=re.escape(f"figure toy_drawings:{name} is not drawn: {reason}")):
        found = session(text, tmp_path / "run", analyse=True, executor="inline")
    written = {path.name for path in (found.path / "figures").iterdir()}
    assert written >= {"line.png", "line.svg", "page.md"}
    assert f"{name}.png" not in written
    (shown, _) = study_pages(found.results, names[1])
    assert (shown[0], shown[1].split(" (")[0]) == (name, reason)


def test_what_is_no_page_is_named():
    assert [*study_pages(None, ["toy_drawings:no_page"])] == [
        ("no_page", "page toy_drawings:no_page is a str, expected a Page")
    ]


def test_a_user_s_own_interrupt_ends_the_drawing(monkeypatch):
    def stop(results):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["toy_drawings"], "line", stop)
    with pytest.raises(KeyboardInterrupt):
        draw_study_figures(None, ["toy_drawings:line"], None)


def test_figures_change_neither_the_run_nor_its_cells():
    registry = load_registry([str(TOY)])
    plans = [make_plan(resolve_study(study(**keys), registry), registry) for keys in ({}, {"figures": ["json:dumps"]})]
    assert plans[0].run_id == plans[1].run_id
    assert [cell.cell_id for cell in plans[0].cells] == [cell.cell_id for cell in plans[1].cells]


@pytest.mark.parametrize("name", ["figure", "a:b:c", "path/to.py:draw", ":draw", "module:"])
def test_a_figure_is_a_module_and_a_function(name):
    with pytest.raises(StudyError, match=r"figures\[0\]"):
        resolve_study(study(figures=[name]), load_registry([str(TOY)]))
