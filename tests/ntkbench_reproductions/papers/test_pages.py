"""Pages that studies name: tables for people, printed and written as Markdown, never the end of a run."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from toy_runs import session, study

from ntkbench.analysis.report.pages import write_study_pages
from ntkbench.analysis.report.report import analyse
from ntkbench.cli.tables import show_comparisons, show_pages
from ntkbench.errors import StoreError
from ntkbench.metrics.errors import rmse, rmse_unscaled
from ntkbench.plugin import Page
from ntkbench.plugin.types import Problem, Solution
from ntkbench_reproductions.papers import hla
from ntkbench_reproductions.papers.a19 import figure as a19_figure
from ntkbench_reproductions.papers.a19 import networks as a19_networks
from ntkbench_reproductions.papers.a19 import published as a19_published
from ntkbench_reproductions.papers.a19 import tables as a19_tables
from ntkbench_reproductions.papers.a19.accuracies import table_row
from ntkbench_reproductions.statistics.paired import mean_interval
from ntkbench_reproductions.uci.choices import choices

PAGE = Page("A title", ("name", "value [unit]"), (("one", "1"),), ("A note with [brackets].",))


def broken(results):
    raise ValueError("no such metric")


def lacking(results):
    raise StoreError("no accuracies [here]")


@pytest.fixture(autouse=True)
def pages(monkeypatch):
    module = ModuleType("toy_pages")
    module.page, module.broken, module.lacking = lambda results: PAGE, broken, lacking
    monkeypatch.setitem(sys.modules, "toy_pages", module)


def test_a_page_is_written_beside_the_figures_and_printed(tmp_path, capsys):
    found = session(study(pages=["toy_pages:page"]), tmp_path / "run", analyse=True, executor="inline")
    text = (found.path / "figures" / "page.md").read_text()
    assert text.startswith("# A title\n\n| name | value [unit] |\n| --- | --- |\n| one | 1 |\n\nA note")
    show_pages(found.results, found.plan.study.study.pages)
    shown = capsys.readouterr().out
    assert all(part in shown for part in ("A title", "value [unit]", "one", "A note with [brackets]."))


def test_a_bar_in_a_cell_does_not_end_it_in_markdown():
    text = Page("A title", ("name", "|y|"), (("share of |y|^2", "1"),)).markdown()
    assert text.splitlines()[2:5] == ["| name | \\|y\\| |", "| --- | --- |", "| share of \\|y\\|^2 | 1 |"]


def test_of_a_page_that_fails_the_reason_is_shown_and_the_next_is_made(tmp_path, capsys):
    names = ["toy_pages:broken", "toy_pages:lacking", "toy_pages:page"]
    written = write_study_pages(SimpleNamespace(), names, tmp_path / "figures")
    assert [path.name for path in written] == ["page.md"]
    show_pages(SimpleNamespace(), names)
    shown = capsys.readouterr().out
    assert 'page "broken" is not made: ValueError: no such metric' in shown
    assert 'page "lacking" is not made: no accuracies [here]' in shown
    assert "A title" in shown


@pytest.mark.parametrize(("metric", "shown"), [("rmse", True), ("accuracy", False)])
def test_networks_of_which_no_distance_or_error_was_measured_have_no_empty_table(tmp_path, capsys, metric, shown):
    alone = {"label": "network", "backend": "toy-network", "widths": [4], "members": 2}
    found = session(study(subject=[alone], metrics=[metric]), tmp_path / "run", executor="inline")
    show_comparisons(analyse(found.results))
    assert ("against nothing" in capsys.readouterr().out) == shown


def results_of(values, metric="accuracy", prefix="uci/a19/"):
    """Return tables of ``values``: {(set, label, protocol): values by split}."""
    cells, rows = [], []
    for number, ((name, label, protocol), numbers) in enumerate(values.items()):
        for split, value in enumerate(numbers):
            cell = {"cell_id": f"{number}.{split}", "label": label, "task": f"{prefix}{name}", "split_index": split}
            cells.append(cell | {"task_params_json": f'{{"protocol": "{protocol}"}}'})
            row = {"cell_id": cell["cell_id"], "metric": metric, "member": None, "split_index": split}
            rows += [row | {"split": "test", "value": value}, row | {"split": "train", "value": 1.0}]
    labels = list(dict.fromkeys(label for _, label, _ in values))
    frame = pd.DataFrame(cells).assign(width=None, n_test=1, n_train=9)
    return SimpleNamespace(cells=frame, measurements=pd.DataFrame(rows).assign(step=None), labels=labels)


PUBLISHED_TEXT = """ problem  one_R  two_weka  min  max
 zoo   90.0  80.0  80  90
 Iris  50.0  --    50  50
 ----
 mean  70.0  80.0
"""


@pytest.fixture
def published(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "fd_results.txt").write_text(PUBLISHED_TEXT)
    monkeypatch.setenv("NTKBENCH_DATA", str(tmp_path / "data"))


def test_the_row_of_a_classifier_worked_out_by_hand(published):
    """zoo: 85 of a best 90, second of three; iris: 46 of a best 50, last of two."""
    table = a19_published.published_accuracies()
    assert table.loc["iris"].isna().tolist() == [False, True]
    found = table_row(pd.Series({"zoo": 85.0, "iris": 46.0}), table)
    assert found.average == 65.5 and found.sets == 2
    assert found.rank == 2.0
    assert (found.p90, found.p95) == (100.0, 0.0)
    assert found.pma == pytest.approx(100 * (85 / 90 + 46 / 50) / 2, rel=1e-14)
    assert found.sd == pytest.approx(39 / np.sqrt(2), rel=1e-14)
    with pytest.raises(StoreError, match="no set lenses"):
        table_row(pd.Series({"lenses": 85.0}), table)


def test_table_1_shows_the_published_row_only_for_all_sets(published):
    page = a19_tables.table_1(results_of({("zoo", "ntk", "a19"): [0.8, 0.9], ("iris", "ntk", "a19"): [0.45, 0.47]}))
    ((name, rank, average, p90, p95, pma),) = page.rows
    assert (name, rank, average, p90, p95) == ("ntk, here", "2.00", "65.50 +- 27.58", "100.00", "0.00")
    assert pma.startswith("93.22")
    assert page.notes[0].startswith("2 of 90 data sets") and "mean of 2 resamples" in page.notes[0]
    assert "--size full" in page.notes[-1]


def test_without_published_accuracies_what_needs_them_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("NTKBENCH_DATA", str(tmp_path))
    page = a19_tables.table_1(results_of({("zoo", "ntk", "a19"): [0.8, 0.9]}))
    assert page.rows[0] == ("ntk, here", "-", "85.00 +- -", "-", "-", "-")
    assert any("fd_results.txt" in note for note in page.notes)
    with pytest.raises(StoreError, match=r"fd_results\.txt"):
        a19_figure.accuracies(results_of({("zoo", "ntk", "a19"): [0.8]}))


def test_what_was_chosen_on_each_set(published):
    tables = results_of({("zoo", "ntk", "a19"): [0.8, 0.9]})
    facts = {"chosen_depth": 3.0, "chosen_fixed_layers": 1.0, "chosen_c": 0.01}
    row = {"cell_id": "0.0", "member": None, "split": None, "split_index": 0}
    rows = [row | {"metric": name, "value": value} for name, value in facts.items()]
    tables.measurements = pd.concat([tables.measurements, pd.DataFrame(rows)])
    page = a19_tables.by_data_set(tables)
    assert page.rows == (("zoo", "85.00", "90.0", "one_R", "3", "1", "0.01"),)


def networks_of(values, chosen=(1.0, 0.1), status="ok"):
    """Return tables of networks beside a kernel: at step 0 they have an accuracy too, which is nobody's business."""
    tables = results_of(values)
    tables.cells = tables.cells.assign(status=status, width=512)
    rows = tables.measurements
    networks = set(tables.cells[tables.cells["label"] != "ntk"]["cell_id"])
    last = rows["cell_id"].isin(networks)
    rows = pd.concat([rows.assign(step=[10.0 if of else None for of in last]), rows[last].assign(step=0.0, value=0.3)])
    facts = [
        {"cell_id": cell, "metric": metric, "value": value, "split_index": 0}
        for cell in networks
        for metric, value in zip(("chosen_depth", "chosen_learning_rate"), chosen, strict=True)
    ]
    tables.measurements = pd.concat([rows, pd.DataFrame(facts)])
    labels = [{"label": label} for label in dict.fromkeys(label for _, label, _ in values)]
    tables.runs = [{"resolved": {"reference": labels[:1], "subject": labels[1:], "training": {"steps": 10}}}]
    return tables


TOGETHER = {
    ("zoo", "ntk", "a19"): [0.8, 0.9],
    ("iris", "ntk", "a19"): [0.45, 0.47],
    ("only", "ntk", "a19"): [1.0],
    ("zoo", "network-he", "a19"): [0.7, 0.9],
    ("iris", "network-he", "a19"): [0.40, 0.46],
}


def test_networks_stand_beside_the_kernel_on_the_same_sets(published):
    """By hand: the networks are 5 and 3 points worse; the kernel's row is that of the two sets they share."""
    page = a19_networks.networks(networks_of(TOGETHER))
    kernel, network = page.rows
    assert kernel[:3] == ("ntk, here", "2.00", "65.50 +- 27.58") and kernel[-1] == ""
    assert network[:3] == ("network-he, here", "2.25", "61.50 +- 26.16")
    low, high = stats.t.interval(0.95, 1, loc=-4, scale=stats.sem([-5, -3]))
    assert network[-1] == f"-4.00 [{low:+.2f}, {high:+.2f}]"
    assert page.notes[0].startswith("2 of 90 data sets")
    assert page.notes[1].startswith("Trained 10 steps at width 512.")
    assert page.notes[2] == "No chosen network diverged."
    assert "--size full" in page.notes[-1]


def test_published_networks_are_shown_beside_all_ninety_sets(published, monkeypatch):
    monkeypatch.setattr(a19_networks, "ALL_SETS", 2)
    page = a19_networks.networks(networks_of(TOGETHER))
    assert [line[0] for line in page.rows[2:]] == [name for name, _ in a19_published.ROWS.values()]
    assert page.rows[3][2] == "80.88 +- 14.96" and page.rows[4][2] == "81.02 +- 14.47"
    assert "from memory" in page.notes[-1]


def test_networks_that_diverged_are_counted_and_left_out(published):
    tables = networks_of(TOGETHER)
    (lost,) = tables.cells.query("task == 'uci/a19/zoo' and label == 'network-he' and split_index == 0")["cell_id"]
    tables.cells.loc[tables.cells["cell_id"] == lost, "status"] = "diverged"
    rows = tables.measurements
    tables.measurements = rows[(rows["cell_id"] != lost) | (rows["step"] == 0)]
    assert a19_networks.shared_accuracies(tables).loc["zoo", "network-he"] == pytest.approx(90.0, rel=1e-14)
    assert "left out of the means: network-he 1." in a19_networks.networks(tables).notes[2]


def test_what_networks_chose_on_each_set():
    page = a19_networks.networks_by_data_set(networks_of(TOGETHER, chosen=(3.0, 0.1)))
    assert page.headings == ("data set", "ntk", "network-he", "network-he: hidden layers, learning rate")
    assert page.rows == (("iris", "46.00", "43.00", "3, 0.1"), ("zoo", "85.00", "80.00", "3, 0.1"))
    with pytest.raises(StoreError, match="no data set on which all of ntk, network-he have an accuracy"):
        a19_networks.networks(networks_of({("zoo", "ntk", "a19"): [1.0], ("iris", "network-he", "a19"): [1.0]}))


def test_a_long_page_is_named_and_not_printed(capsys, monkeypatch):
    long = Page("A long one", ("n",), tuple((f"row {i}",) for i in range(41)))
    monkeypatch.setattr(sys.modules["toy_pages"], "page", lambda results: long)
    show_pages(SimpleNamespace(), ["toy_pages:page"])
    assert capsys.readouterr().out.strip() == "A long one: 41 rows, in figures/page.md"


def test_the_leak_is_a_paired_difference_with_its_interval():
    values = {
        ("zoo", "ntk", "a19"): [0.9, 0.9],
        ("zoo", "ntk", "nested"): [0.8, 0.9],
        ("iris", "ntk", "a19"): [0.7],
        ("iris", "ntk", "nested"): [0.6],
        ("only", "ntk", "a19"): [0.1],
    }
    page = a19_tables.leakage(results_of(values))
    assert [line[:4] for line in page.rows] == [
        ("a19", "2", "1 to 2", "80.00"),
        ("nested", "2", "1 to 2", "72.50"),
        ("a19 minus nested", "2", "", "+7.50"),
    ]
    low, high = stats.t.interval(0.95, 1, loc=7.5, scale=stats.sem([5, 10]))
    assert page.rows[2][4] == f"[{low:+.2f}, {high:+.2f}]"
    assert np.isnan(mean_interval(np.array([1.0]))).all()


def test_the_leaks_splits_are_counted_under_each_protocol_where_there_is_an_accuracy():
    values = {("zoo", "ntk", "a19"): [0.9] * 4, ("zoo", "ntk", "nested"): [0.8] * 3, ("only", "ntk", "a19"): [0.1] * 7}
    tables = results_of(values)
    lost = tables.cells["cell_id"].iloc[0]
    assert [line[2] for line in a19_tables.leakage(tables).rows] == ["4", "3", ""]
    tables.measurements = tables.measurements[tables.measurements["cell_id"] != lost]
    assert [line[2] for line in a19_tables.leakage(tables).rows] == ["3", "3", ""]


def test_accuracies_are_drawn_against_the_published_ones(published):
    figure = a19_figure.accuracies(results_of({("zoo", "ntk", "a19"): [0.8, 0.9], ("iris", "ntk", "a19"): [0.45]}))
    (axes,) = figure.axes
    best, median = axes.get_lines()[:2]
    np.testing.assert_allclose(sorted(best.get_xydata().tolist()), [[50.0, 45.0], [90.0, 85.0]], rtol=1e-14)
    assert sorted(median.get_xdata()) == [50.0, 85.0]
    assert "published" in axes.get_xlabel() and "%" in axes.get_ylabel()


def test_errors_by_data_set_with_standard_errors_beside_the_published_ones():
    values = {
        ("yacht", "ntk", "hla"): [2.0, 2.4],
        ("yacht", "nngp", "hla"): [0.5],
        ("naval", "ntk", "hla"): [0.001, 0.003],
    }
    page = hla.errors(results_of(values, metric="rmse_unscaled", prefix="uci/"))
    assert page.headings[:5] == ("data set", "splits", "training rows", "ntk", "nngp")
    naval, yacht = page.rows
    assert naval[:5] == ("naval", "2", "9", "0.0020 +- 0.0010", "-")
    assert yacht[:5] == ("yacht", "2", "9", "2.20 +- 0.20", "0.50")
    assert yacht[5:] == ("1.02 +- 0.05", "1.11 +- 0.38", "1.58 +- 0.48")
    with pytest.raises(StoreError, match="negative_log_likelihood"):
        hla.likelihoods(results_of(values, metric="rmse_unscaled", prefix="uci/"))


def test_choices_and_how_many_are_at_the_end_of_their_list():
    tables = results_of({("yacht", "ntk", "hla"): [1.0, 2.0], ("yacht", "rbf", "hla"): [1.0]}, prefix="uci/")
    rows = [
        {"cell_id": cell, "metric": metric, "value": value}
        for cell, ridge, end in (("0.0", 1e-9, 1.0), ("0.1", 0.03, 0.0))
        for metric, value in (
            ("chosen_ridge", ridge),
            ("ridge_at_grid_edge", end),
            ("chosen_depth", 2),
            ("depth_at_grid_edge", 0),
        )
    ]
    rows.append({"cell_id": "1.0", "metric": "chosen_gamma", "value": 1.0})
    tables.measurements = pd.concat([tables.measurements, pd.DataFrame(rows)])
    page = choices(tables)
    assert page.headings == ("data set", "method", "hidden layers", "ridge")
    assert page.rows == (("yacht", "ntk", "2", "1e-09 to 0.03 (1 of 2 at an edge)"),)
    with pytest.raises(StoreError, match="no choice among several values"):
        choices(results_of({("yacht", "ntk", "hla"): [1.0]}, prefix="uci/"))


def test_differences_are_tested_split_by_split():
    """Twelve numbers by hand: variance of the mean (1/4 + 1/9) s^2, Holm over the two methods."""
    values = {
        ("yacht", "ntk", "hla"): [1.0, 2.0, 3.0, 4.0],
        ("yacht", "better", "hla"): [0.9, 1.7, 2.8, 3.6],
        ("yacht", "same", "hla"): [1.1, 1.9, 3.2, 3.8],
    }
    page = hla.differences(results_of(values, metric="rmse_unscaled", prefix="uci/"))
    by_hand = []
    for name in ("better", "same"):
        found = np.array(values["yacht", name, "hla"]) - values["yacht", "ntk", "hla"]
        error = found.std(ddof=1) * np.sqrt(1 / 4 + 1 / 9)
        by_hand.append((found.mean(), error, 2 * stats.t.sf(abs(found.mean()) / error, 3)))
    better, same = page.rows
    assert better[:3] == ("yacht", "better", "4") and same[1] == "same"
    assert better[3] == f"{by_hand[0][0]:+.2f} +- {by_hand[0][1]:.2f}"
    assert better[4] == "-10.0 %"
    assert better[5] == f"{2 * by_hand[0][2]:.4f}"
    assert same[5] == f"{max(by_hand[1][2], 2 * by_hand[0][2]):.4f}"
    once = {(name, label, protocol): numbers[:1] for (name, label, protocol), numbers in values.items()}
    (better, _) = hla.differences(results_of(once, metric="rmse_unscaled", prefix="uci/")).rows
    assert better[2:] == ("1", "-0.1000", "-10.0 %", "-")


def test_errors_in_the_datas_own_units_are_those_of_unscaled_targets():
    rng = np.random.default_rng(0)
    y, outputs, scale = rng.standard_normal((7, 2)), rng.standard_normal((7, 2)), np.array([3.0, 0.5])
    found = Problem(x_train=y, y_train=y, x_test=y, y_test=y, target_mean=np.ones(2), target_std=scale)
    solution = Solution(times=np.array([np.inf]), mean_train=outputs[None], mean_test=outputs[None])
    for row in rmse_unscaled(found, solution, None):
        assert row.value == pytest.approx(np.sqrt(np.mean(((outputs - y) * scale) ** 2)), rel=1e-14)
        assert (row.unit, row.goal) == ("data", "min")
    plain = Problem(x_train=y, y_train=y, x_test=y, y_test=y)
    assert [row.value for row in rmse_unscaled(plain, solution, None)] == [
        row.value for row in rmse(plain, solution, None)
    ]
