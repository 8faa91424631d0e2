"""Numbers made of several rows: rates of decay, times of least error, residuals of descent, all from known curves."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ntkbench.analysis.derived.cost import cost_left, descent_residual, limit_rate_distance
from ntkbench.analysis.derived.decay import decay_ratio
from ntkbench.analysis.derived.stability import (
    linearization_onset_ratio,
    onset_over_linearization,
    stability_onset_ratio,
)
from ntkbench.analysis.derived.stopping import early_stopping, late_excess_kernel, late_excess_network
from ntkbench.analysis.derived.table import series
from ntkbench.analysis.estimation.missing import missing_members
from ntkbench.analysis.series.records import Tables

N, RATE = 10, 0.2
EIGENVALUES = np.array([20.0, 10.0, 10.0, 4.0, 3.9, 0.1])


def rows(metric, values, *, steps, split="train", reference="ntk", component=None):
    """Return rows of values (E, T)."""
    return [
        {
            "run_id": "r",
            "cell_id": "net",
            "split_index": 0,
            "metric": metric,
            "reference": reference,
            "reference_cell_id": None if reference is None else "law",
            "split": split,
            "member": member,
            "step": step,
            "time": RATE * step,
            "component": component,
            "value": values[member, record],
        }
        for member in range(len(values))
        for record, step in enumerate(steps)
    ]


def results(*tables, learning_rate_multiplier=1.0):
    measurements = pd.DataFrame([row for table in tables for row in table])
    cells = pd.DataFrame(
        [
            {"cell_id": "net", "learning_rate": RATE, "n_train": N, "learning_rate_multiplier": 1.0},
            {"cell_id": "law", "learning_rate": RATE, "n_train": N}
            | {"learning_rate_multiplier": learning_rate_multiplier},
        ]
    )
    spectra = pd.DataFrame(
        {"cell_id": "law", "output": 0, "component": np.arange(len(EIGENVALUES)), "eigenvalue": EIGENVALUES}
    )
    return Tables(SimpleNamespace(measurements=measurements, cells=cells, spectra=spectra))


def value(table, metric):
    return table.loc[table["metric"] == metric, "value"].item()


def residuals(component, speed, steps, members=6, seed=0):
    """Return residuals of members that decay ``speed`` times as fast as the kernel says, from starts of their own."""
    starts = 1 + np.random.default_rng(seed).random((members, 1))
    return starts * (1 - RATE * EIGENVALUES[component] / N) ** (speed * np.asarray(steps, dtype=float))


def test_only_the_series_that_are_wanted_are_looked_at():
    steps, asked = np.arange(4), []
    tables = results(*(rows("kernel_residual", residuals(i, 1.0, steps), steps=steps, component=i) for i in (3, 0, 1)))

    def wanted(key):
        asked.append(key["component"])
        return key["component"] != 0

    every, some = (
        list(series(tables, "kernel_residual", "train")),
        list(series(tables, "kernel_residual", "train", wanted)),
    )
    assert asked == [3, 0, 1]
    assert [key["component"] for key, *_ in some] == [3, 1]
    for ours, theirs in zip(some, (every[0], every[2]), strict=True):
        assert ours[0] == theirs[0]
        assert all(map(np.array_equal, ours[1:], theirs[1:]))
    assert not list(series(tables, "kernel_residual", "train", lambda _: False))
    assert not list(series(tables, "absent", "train"))


@pytest.mark.parametrize("speed", [1.0, 1.05])
def test_a_rate_of_decay_is_found_exactly(speed):
    steps = np.arange(12)
    found = decay_ratio(results(rows("kernel_residual", residuals(1, speed, steps), steps=steps, component=1)))
    assert value(found, "decay_ratio") == pytest.approx(speed, rel=1e-12)
    assert value(found, "decay_ratio_standard_error") == pytest.approx(0, abs=1e-12)


def test_a_law_whose_rate_is_off_shows():
    steps = np.arange(12)
    made = rows("kernel_residual", residuals(1, 1.0, steps), steps=steps, component=1)
    found = value(decay_ratio(results(made, learning_rate_multiplier=1.05)), "decay_ratio")
    assert found == pytest.approx(np.log(1 - 0.2) / np.log(1 - 0.21), rel=1e-12)


@pytest.mark.parametrize("component", [3, 4, 5])
def test_spaces_that_are_close_or_small_are_not_looked_at(component):
    steps = np.arange(200)
    made = rows("kernel_residual", residuals(component, 1.0, steps), steps=steps, component=component)
    assert decay_ratio(results(made)).empty


def test_the_jackknife_of_a_rate_is_that_of_leaving_members_out():
    steps = np.arange(12)
    values = np.concatenate([residuals(1, s, steps, members=1, seed=k) for k, s in enumerate((0.9, 1.0, 1.1, 1.2))])
    whole = decay_ratio(results(rows("kernel_residual", values, steps=steps, component=1)))
    without = []
    for k in range(4):
        rest = np.delete(values, k, axis=0)
        without.append(
            value(decay_ratio(results(rows("kernel_residual", rest, steps=steps, component=1))), "decay_ratio")
        )
    error = np.sqrt(3 / 4 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert value(whole, "decay_ratio_standard_error") == pytest.approx(error, rel=1e-10)


def bowl(least, steps):
    return 1 + (np.log(np.maximum(steps, 0.5)) - np.log(least)) ** 2


def test_the_least_error_is_found_between_records():
    steps = np.array([0, *np.unique(np.rint(np.geomspace(1, 100, 20)))])
    network, kernel = (np.sqrt(np.stack([bowl(t, steps)] * 3)) for t in (12.0, 10.0))
    made = results(
        rows("rmse", network, steps=steps, split="test", reference=None),
        rows("prediction_rmse", kernel, steps=steps, split="test"),
    )
    assert value(early_stopping(made), "early_stopping_ratio") == pytest.approx(np.log(1.2), abs=0.02)
    last = np.log(bowl(12.0, 100.0) / bowl(12.0, steps[1:]).min())
    assert value(late_excess_network(made), "late_excess_network") == pytest.approx(last, rel=1e-12)
    assert value(late_excess_kernel(made), "late_excess_kernel") > last


def test_an_error_that_still_falls_at_the_end_has_a_negative_excess():
    steps = np.array([0, *np.unique(np.rint(np.geomspace(1, 100, 20)))])
    curve = np.sqrt(np.stack([bowl(1000.0, steps)] * 3))
    made = results(
        rows("rmse", curve, steps=steps, split="test", reference=None),
        rows("prediction_rmse", curve, steps=steps, split="test"),
    )
    last = 2 * np.log(curve[0, -1] / curve[0, -2])
    assert last < 0
    for found in (late_excess_network, late_excess_kernel):
        assert value(found(made), found.__name__) == pytest.approx(last, rel=1e-12)


@pytest.mark.parametrize("least", [0.01, 1000.0])
def test_a_least_error_outside_of_the_records_is_no_time(least):
    """Two curves that still fall at the end agree on nothing: their least errors are after it."""
    steps = np.array([0, *np.unique(np.rint(np.geomspace(1, 100, 20)))])
    inside, outside = (np.sqrt(np.stack([bowl(t, steps)] * 3)) for t in (10.0, least))
    for network, kernel in ((outside, outside), (outside, inside), (inside, outside)):
        made = results(
            rows("rmse", network, steps=steps, split="test", reference=None),
            rows("prediction_rmse", kernel, steps=steps, split="test"),
        )
        assert early_stopping(made).empty


def test_residuals_of_descent():
    steps = np.array([0, 1, 5])
    costs = np.array([[1.0, 0.9, 0.5], [2.0, 1.7, 1.0]])
    rates = np.array([[0.6, 0.5, 0.3], [1.5, 1.4, 0.7]])
    made = results(
        rows("loss", costs, steps=steps, reference=None),
        rows("cost_rate", rates, steps=steps, reference=None),
        rows("cost_rate", rates / 1.1, steps=steps),
    )
    found = descent_residual(made)["value"].to_numpy()
    assert found == pytest.approx([1 - 0.1 / RATE / 0.6, 0.3 / RATE / 1.5 - 1 + 1e-15], abs=1e-12)
    assert limit_rate_distance(made)["value"].to_numpy() == pytest.approx([0.1, 0.1], rel=1e-12)
    assert cost_left(made)["value"].to_numpy() == pytest.approx(np.log10([0.5, 0.5]), rel=1e-12)


def test_onsets_are_compared_member_by_member():
    one = np.array([[1.2], [1.5], [2.0]])
    made = results(
        rows("stability_onset", one, steps=[0], split=None),
        rows("stability_onset_kernel", np.array([[1.0], [1.5], [1.0]]), steps=[0], split=None),
    )
    assert stability_onset_ratio(made)["value"].to_numpy() == pytest.approx([1.2, 1.0, 2.0], rel=1e-15)
    assert onset_over_linearization(made).empty
    own = rows("stability_onset_linearization", np.array([[1.2], [1.0], [4.0]]), steps=[0], split=None)
    only = rows("linearization_onset", np.array([[1.1], [1.5], [0.5]]), steps=[0], split=None)
    kernel = rows("stability_onset_kernel", np.array([[1.0], [1.5], [1.0]]), steps=[0], split=None)
    made = results(rows("stability_onset", one, steps=[0], split=None), own, only, kernel)
    assert onset_over_linearization(made)["value"].to_numpy() == pytest.approx([1.0, 1.5, 0.5], rel=1e-15)
    assert linearization_onset_ratio(made)["value"].to_numpy() == pytest.approx([1.1, 1.0, 0.5], rel=1e-15)


def test_a_member_that_stays_stable_up_to_the_highest_rate_is_missed():
    """Its onset is not recorded; the others are a selection, and what they say is marked so."""
    onsets = rows("stability_onset", np.array([[1.2], [1.5], [2.0]]), steps=[0], split=None)
    kernel = rows("stability_onset_kernel", np.array([[1.0], [1.5], [1.0]]), steps=[0], split=None)
    found = stability_onset_ratio(results([row for row in onsets if row["member"] != 1], kernel))
    assert found["member"].tolist() == [0, 2]
    assert missing_members(found.assign(members=3)) == "members without this number: 1 of 3"
    assert missing_members(found.assign(members=2)) is None
