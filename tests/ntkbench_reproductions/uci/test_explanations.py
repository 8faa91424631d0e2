"""What is called an explanation, and what the NTK's disadvantage is said to go with, on tables made by hand."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ntkbench.errors import StoreError
from ntkbench_reproductions.statistics.paired import paired_test
from ntkbench_reproductions.statistics.rank_correlation import rank_correlation
from ntkbench_reproductions.uci import smoothness
from ntkbench_reproductions.uci.agreement import EXPLANATIONS
from ntkbench_reproductions.uci.explanations import OUTCOMES, explained
from ntkbench_reproductions.uci.smoothness_figure import smoothness_and_noise


def table_of(distances, seed=0, **columns):
    """Return an agreement table of two widths, half of the sets with classes; candidates not given are noise."""
    rng = np.random.default_rng(seed)
    count = len(distances)
    rows = {name: rng.standard_normal(count) for name in EXPLANATIONS} | columns
    table = pd.DataFrame(rows | {"task": [f"uci/{i}" for i in range(count)], "classes": np.arange(count) % 2 == 0})
    table["distance"] = table["distance_of_mean"] = distances
    return pd.concat([table.assign(width=64, distance=-table["distance"]), table.assign(width=512)])


def test_of_pure_chance_nothing_is_established():
    rng = np.random.default_rng(1)
    assert not any(one.established for one in explained(table_of(rng.standard_normal(30), seed=2)))


def test_what_goes_with_the_distance_in_both_kinds_is_established_at_the_largest_width():
    distances = np.random.default_rng(1).permutation(30) / 30
    found = {(one.outcome, one.candidate): one for one in explained(table_of(distances, ntk_change=distances**2))}
    assert len(found) == len(OUTCOMES) * len(EXPLANATIONS)
    assert {key for key, one in found.items() if one.established} == {(name, "ntk_change") for name in OUTCOMES}
    one = found["distance", "ntk_change"]
    assert one.over_all == rank_correlation(distances, distances) and one.over_all.units == 30
    assert one.regression.units == one.classes.units == 15
    assert one.corrected_p == pytest.approx(len(found) * one.over_all.p, rel=1e-12)


def test_a_difference_between_the_kinds_is_no_explanation():
    """Classes lie higher in both, and within each kind the candidate falls where the distance rises."""
    classes = np.arange(30) % 2 == 0
    steps = np.arange(30) / 300
    found = explained(table_of(classes + steps, features=classes - steps))
    one = next(one for one in found if (one.outcome, one.candidate) == ("distance", "features"))
    assert one.over_all.rho > 0.4 and one.regression.rho == one.classes.rho == pytest.approx(-1)
    assert not one.established


def runs(ratio, noises=(0.0,), activations=("relu", "erf"), tasks=4, splits=5):
    """Return results in which the NTK's error is ``ratio(task, noise, activation, split)`` times the NNGP's."""
    cells, rows = [], []
    for task in range(tasks):
        for noise in noises:
            for activation in activations:
                for split in range(splits):
                    for label in ("ntk", "nngp"):
                        name = f"{task} {noise} {activation} {split} {label}"
                        error = 0.1 * (task + 1) * (ratio(task, noise, activation, split) if label == "ntk" else 1.0)
                        cells.append(
                            {"cell_id": name, "label": label, "task": f"uci/set-{task}", "activation": activation}
                            | {"split_index": split, "n_test": 20, "n_train": 180, "n_features": task + 2}
                            | {"task_params_json": json.dumps({"noise": noise})}
                        )
                        rows.append({"cell_id": name, "metric": "rmse", "split": "test", "value": error})
                        rows.append({"cell_id": name, "metric": "rmse", "split": "train", "value": 7.0})
                        rows.append({"cell_id": name, "metric": "noise_std", "split": None, "value": 0.1 * task})
                        rows.append({"cell_id": name, "metric": "chosen_ridge", "split": None, "value": 1e-6})
    return SimpleNamespace(cells=pd.DataFrame(cells), measurements=pd.DataFrame(rows))


def test_ratios_and_their_tests_by_hand():
    """Of set 0 the rough NTK is twice as far off, the smooth one not; of the others neither."""

    def ratio(task, noise, activation, split):
        return (2.0 if task == 0 and activation == "relu" else 1.0) * np.exp(0.01 * ((7 * split + task) % 5 - 2))

    page = smoothness.smooth_kernels(runs(ratio))
    first = dict(zip(page.headings, page.rows[0], strict=True))
    assert first["data set"] == "set-0" and first["splits"] == "5"
    assert first["NTK / NNGP, relu"] == "2.00" and first["NTK / NNGP, erf"] == "1.00"
    wobble = 0.01 * (np.array([(7 * split) % 5 for split in range(5)]) - 2)
    p = paired_test(np.log(2) + wobble, 20 / 180).p
    assert first["p"] == ("< 0.0001" if 8 * p < 1e-4 else f"{8 * p:.4f}")
    others = [dict(zip(page.headings, row, strict=True)) for row in page.rows[1:]]
    assert {row["NTK / NNGP, relu"] for row in others} == {"1.00"} and all(float(row["p"]) > 0.5 for row in others)


def test_noise_is_compared_with_none_added():
    def ratio(task, noise, activation, split):
        return np.exp((0.5 - noise) * (activation == "relu") + 0.01 * (split * (1 + noise) % 3))

    page = smoothness.added_noise(runs(ratio, noises=(0.0, 0.5), tasks=1))
    assert page.headings[:4] == ("data set", "noise added", "NTK / NNGP, relu", "p, against none")
    without, with_noise = page.rows
    assert (without[1], with_noise[1]) == ("0", "0.5")
    assert without[2] == f"{np.exp(0.5 + 0.01 * np.mean([0, 1, 2, 0, 1])):.2f}"
    assert with_noise[2] == f"{np.exp(0.01 * np.mean([0, 1.5, 0, 1.5, 0])):.2f}"
    change = -0.5 + 0.01 * (np.array([0, 1.5, 0, 1.5, 0]) - [0, 1, 2, 0, 1])
    p = 2 * paired_test(change, 20 / 180).p  # the least of two
    assert with_noise[3] == ("< 0.0001" if p < 1e-4 else f"{p:.4f}")


def test_the_disadvantage_is_ranked_with_the_noise():
    page = smoothness.advantage_explained(runs(lambda task, noise, activation, split: 8.0 - task, tasks=6, splits=3))
    values = {row[0]: row for row in page.rows}
    assert values[smoothness.CANDIDATES["noise_std"]][2].startswith("-1.00")
    assert values[smoothness.CANDIDATES["features"]][2].startswith("-1.00")
    assert values[smoothness.CANDIDATES["features"]][1] == "6"


def test_the_figure_has_the_corrected_error_of_the_mean():
    def ratio(task, noise, activation, split):
        return np.exp(1.0 + 0.1 * split)

    figure = smoothness_and_noise(runs(ratio, noises=(0.0, 0.5), activations=("relu",), tasks=1, splits=3))
    (mark,) = figure.axes[1].containers
    line, _, (bars,) = mark.lines
    expected = paired_test([1.0, 1.1, 1.2], 20 / 180)
    np.testing.assert_allclose(line.get_ydata(), np.exp([expected.mean] * 2))
    low, high = bars.get_segments()[0][:, 1]
    np.testing.assert_allclose([low, high], np.exp([expected.mean - expected.error, expected.mean + expected.error]))
    assert "bars: its corrected standard error" in figure.axes[1].get_title()


def test_the_figure_has_no_error_bars_where_there_is_one_split():
    results = runs(lambda task, noise, activation, split: 1 + 0.1 * split, (0.0, 0.5), ("relu",), tasks=1, splits=3)
    noisy = results.cells["task_params_json"] == json.dumps({"noise": 0.5})
    results.cells = results.cells[~noisy | (results.cells["split_index"] == 0)]
    (mark,) = smoothness_and_noise(results).axes[1].containers
    segments = mark.lines[2][0].get_segments()
    assert [bool(np.isfinite(segment).all()) and len(segment) == 2 for segment in segments] == [True, False]
    results.cells = results.cells[results.cells["split_index"] == 0]
    (mark,) = smoothness_and_noise(results).axes[1].containers
    assert not mark.has_yerr and len(mark.lines[0].get_ydata()) == 2


def test_no_two_error_bars_of_the_figure_stand_in_one_place():
    results = runs(lambda *_: 1.5, noises=(0.0, 0.5, 1.0), activations=("relu", "erf", "gelu"), tasks=2)
    places = np.concatenate([mark.lines[0].get_xdata() for mark in smoothness_and_noise(results).axes[1].containers])
    places = places.astype(float)
    assert len(places) == 2 * 3 * 3 and np.diff(np.sort(places)).min() > 0.05
    np.testing.assert_allclose(places.reshape(6, 3).mean(axis=0), [0, 1, 2], atol=1e-12)  # about their ticks


def test_without_both_kernels_it_says_so():
    results = runs(lambda *_: 1.0)
    results.cells = results.cells[results.cells["label"] == "ntk"]
    with pytest.raises(StoreError, match="both ntk and nngp"):
        smoothness.log_ratios(results)
    with pytest.raises(StoreError, match="no noise"):
        smoothness.added_noise(runs(lambda *_: 1.0))
