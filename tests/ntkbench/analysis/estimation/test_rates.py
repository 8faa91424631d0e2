"""Rates from tables: the right rows, members as replicates, and nothing that diverged or failed."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ntkbench.analysis.estimation import rates as rates_module
from ntkbench.analysis.estimation.rates import QUANTITIES, Rates, convergence_rates
from ntkbench.analysis.series.cells import series_cells
from ntkbench.analysis.series.keys import architecture_key
from ntkbench.analysis.series.names import architecture_words, subject_words
from ntkbench.analysis.series.records import MetricRows, over_layers, recorded
from ntkbench.errors import NtkbenchError

ARCHITECTURE = {"activation": "relu", "depth": 2, "weight_std": 2**0.5, "bias_std": 0.1, "parameterization": "ntk"}


def test_architecture_words():
    assert architecture_words(architecture_key(ARCHITECTURE)) == "relu, depth 2, weight_std 1.414, bias_std 0.1"
    other = ARCHITECTURE | {"parameterization": "standard", "output_scale": 2.0, "trained_layers": "last"}
    assert architecture_words(architecture_key(other)).endswith(
        "bias_std 0.1, standard, output_scale 2, trained layers: last"
    )


def make_results(*, splits=(0, 1), widths=(32, 128, 512), members=6, status="ok"):
    """Distances n^-1/2 at every step but twice that at step 1; the kernel's change n^-1; the mean's bias n^-1."""
    cells, rows = [], []
    for width in widths:
        for split in splits:
            cell = {"run_id": "r", "cell_id": f"{width}-{split}", "split_index": split}
            facts = {"study": "s", "task": "t", "label": "network", "role": "subject", "status": status}
            facts |= {"n_train": 8, "learning_rate": 0.5, "dtype": "float32"}
            cells.append(cell | facts | ARCHITECTURE | {"width": width, "members": members})
            rows += [cell | row for row in make_rows(width, members)]
    kernel = {"kernel": "ntk", "ridge": 0.0, "deviations": ()}
    cells.append(cells[0] | kernel | {"cell_id": "ntk", "role": "reference", "label": "ntk", "width": None})
    measurements = pd.DataFrame(rows).astype({"member": "Int64", "step": "Int64"})
    return SimpleNamespace(cells=pd.DataFrame(cells).astype({"width": "Int64"}), measurements=measurements)


def make_rows(n, members):
    def row(metric, split, member, step, value, reference="ntk", component=None):
        where = {"member": member, "step": step, "time": 0.1 * step, "component": component}
        compared = {"reference": reference, "reference_cell_id": reference}
        return {"metric": metric, "split": split, "value": value, **compared, **where}

    for k in range(members):
        x = 1 + 0.1 * np.cos(k)
        yield row("ntk_distance_frobenius", "train", k, 0, x * n**-0.5)
        yield row("ntk_distance_frobenius", "train", k, 2, 1.0)
        yield row("ntk_change_frobenius", "train", k, 0, 0.0, None)
        yield row("ntk_change_frobenius", "train", k, 2, x / n, None)
        for step in (0, 1, 2):
            yield row("function_distance", "test", k, step, (0, 2, 1)[step] * x * n**-0.5)
        yield row("output_blocks", "train", k, 0, x * n**-0.5, None)
        for step in (1, 2):
            for layer, change in enumerate((x * n**-0.5, x / n, 3 * x * n**-0.5)):
                yield row("weight_change_relative", None, k, step, change / step, None, layer)
            yield row("weight_change_operator", None, k, step, x * n**-0.5, None, 1)
            for layer in (0, 1):
                yield row("bias_change_relative", None, k, step, (1 + layer) * x * n**-0.5, None, layer)
                yield row("activation_change", "train", k, step, (1 + layer) * x * n**-0.5, None, layer + 1)
            yield row("linearization_distance", "test", k, step, (3 - step) * x / n, None)
            yield row("linearization_distance", "train", k, step, 1.0, None)
    for name in ("function_distance_of_mean", "function_distance_of_mean_over_time"):
        yield row(name, "test", None, 2, 1.0 / n)
        yield row(f"{name}_standard_error", "test", None, 2, 1e-4 / n)
        yield row(f"{name}_floor", "test", None, 2, 1e-4 / n)


def test_convergence_rates():
    rates = convergence_rates(make_results())
    columns = "run_id task architecture label reference metric exponent ci_low ci_high n_widths n_members method"
    assert list(rates.columns) == columns.split()
    found = rates.set_index("metric")
    assert set(found.index) == set(QUANTITIES) - {"ntk_distance_operator"}
    for metric, exponent in {
        "ntk_distance_frobenius": -0.5,
        "function_distance": -0.5,
        "function_distance_max": -0.5,
        "ntk_change_frobenius": -1,
        "function_distance_of_mean": -1,
        "function_distance_of_mean_over_time": -1,
        "output_blocks": -0.5,
        "weight_change_first": -0.5,
        "weight_change_middle": -1,
        "weight_change_middle_operator": -0.5,
        "weight_change_last": -0.5,
        "bias_change": -0.5,
        "activation_change": -0.5,
        "linearization_distance_max": -1,
    }.items():
        row = found.loc[metric]
        assert row["exponent"] == pytest.approx(exponent, abs=1e-6)
        assert row["ci_low"] <= exponent <= row["ci_high"]
        assert (row["n_widths"], row["n_members"]) == (3, 6)
        assert (row["label"], row["task"]) == ("network", "t")
    compared = {m for m in QUANTITIES if m.startswith(("ntk_distance", "function_distance"))}
    assert found["reference"].isna().to_dict() == {m: m not in compared for m in found.index}


def test_layers_are_taken_together_by_their_root_mean_square():
    results = make_results(widths=(32, 128), splits=(0,))
    member = results.measurements.query("metric == 'activation_change' and member == 0 and step == 2")
    cells = series_cells(results.cells).frame
    found = recorded("activation_change", QUANTITIES["activation_change"], MetricRows(results.measurements))
    together = over_layers(found.merge(cells, on=["run_id", "cell_id"]), "all").query("member == 0")
    for width in (32, 128):
        expected = np.sqrt(np.mean(member[member["cell_id"] == f"{width}-0"]["value"].astype(float) ** 2))
        assert together.loc[together["width"] == width, "value"].tolist() == pytest.approx([expected], rel=1e-14)


@pytest.mark.parametrize("name", QUANTITIES)
def test_parts_of_cells_and_categories_give_the_same_rows(name):
    whole = make_results().measurements
    text = [column for column in whole if whole[column].dtype == "str"]
    parts = [part.astype(dict.fromkeys(text, "category")) for _, part in whole.groupby("cell_id", sort=False)]
    quantity, found = QUANTITIES[name], [MetricRows(whole), MetricRows(parts)]
    for rows in ([recorded(quantity.stored, quantity, each) for each in found], [each.compared for each in found]):
        pd.testing.assert_frame_equal(*(each.reset_index(drop=True) for each in rows))


def test_splits_share_members():
    one, two = (convergence_rates(make_results(splits=s)) for s in ((0,), (0, 1)))
    pd.testing.assert_frame_equal(one, two)  # the same numbers twice are no more replicates


def test_diverged_members_are_counted_out():
    results = make_results()
    rows = results.measurements
    diverged = (rows["cell_id"] == "128-1") & (rows["member"] == 3) & (rows["step"] > 0)
    results.measurements = rows[~diverged.fillna(False)]
    found = convergence_rates(results).set_index("metric")["n_members"]
    assert found["function_distance"] == found["function_distance_max"] == found["ntk_change_frobenius"] == 5
    assert found["function_distance_of_mean"] == 5
    assert found["ntk_distance_frobenius"] == 6  # at initialization it had not diverged yet


def test_variants_of_a_task_are_kept_apart():
    small, large = make_results(splits=(0,)), make_results(splits=(0,))
    for n, results in ((16, small), (64, large)):
        results.cells["task_params_json"] = f'{{"n_train":{n}}}'
        results.cells["cell_id"] += f"-{n}"
        results.measurements["cell_id"] += f"-{n}"
    both = SimpleNamespace(
        cells=pd.concat([small.cells, large.cells], ignore_index=True),
        measurements=pd.concat([small.measurements, large.measurements], ignore_index=True),
    )
    rates = convergence_rates(both, "function_distance")
    assert list(rates["task"]) == ["t n_train=16", "t n_train=64"]


def test_no_usable_cells_give_an_empty_table():
    full = make_results()
    empty = SimpleNamespace(cells=full.cells.iloc[:0], measurements=full.measurements.iloc[:0])
    for results in (make_results(status="failed"), empty):
        rates = convergence_rates(results)
        assert rates.empty
        assert "exponent" in rates


def test_unequal_widths_are_no_point_of_a_fit():
    results = make_results(splits=(0,))
    results.cells["widths"] = [[32, 32], [128, 512], [512, 512], None]
    assert (convergence_rates(results)["n_widths"] == 2).all()


def test_one_metric_or_several():
    assert list(convergence_rates(make_results(), "function_distance")["metric"]) == ["function_distance"]
    assert len(convergence_rates(make_results(), ["function_distance", "ntk_change_frobenius"])) == 2
    with pytest.raises(NtkbenchError, match="choose from"):
        convergence_rates(make_results(), "rmse")


def test_widths_are_compared_on_the_splits_they_share():
    results = make_results(splits=(0, 1))
    harder = results.measurements["split_index"] == 1
    results.measurements.loc[harder, "value"] *= 3
    lost = results.cells["cell_id"] == "512-1"
    results.cells.loc[lost, "status"] = "timeout"
    rates = convergence_rates(results).set_index("metric")
    assert rates.loc["ntk_distance_frobenius", "exponent"] == pytest.approx(-0.5, abs=1e-6)
    assert rates.loc["function_distance_of_mean", "exponent"] == pytest.approx(-1, abs=1e-6)
    assert rates["method"].str.endswith("splits left out because some width lacks them: 1").all()


def test_scales_that_differ_in_the_fifth_digit_are_two_architectures():
    one, two = make_results(splits=(0,)), make_results(splits=(0,))
    two.cells["weight_std"] = 1.4141
    two.cells["cell_id"] += "x"
    two.measurements["cell_id"] += "x"
    both = SimpleNamespace(
        cells=pd.concat([one.cells, two.cells], ignore_index=True),
        measurements=pd.concat([one.measurements, two.measurements], ignore_index=True),
    )
    rates = convergence_rates(both, "function_distance")
    assert rates["architecture"].nunique() == 2
    assert rates["exponent"].to_list() == pytest.approx([-0.5, -0.5], abs=1e-6)


def test_twins_in_float64_set_the_floor_of_rounding():
    """The twin is known by its facts, and no curve of its own unless it is at every width; what is not ten times the
    distance to the twin is left out.
    """
    results = make_results(widths=(32, 128, 512, 2048), splits=(0,))
    (row,) = convergence_rates(results, "ntk_change_frobenius").to_dict("records")
    twin_cells = results.cells[results.cells["cell_id"] == "512-0"].assign(
        cell_id="twin", label="precise", dtype="float64"
    )
    change = results.measurements["metric"] == "ntk_change_frobenius"
    twins = results.measurements[change & (results.measurements["cell_id"] == "512-0")].assign(cell_id="twin")
    last = results.measurements[change & (results.measurements["cell_id"] == "2048-0")]["value"].astype(float)
    for apart, left_out in ((0.01, 0), (0.5, 1)):
        both = SimpleNamespace(
            cells=pd.concat([results.cells, twin_cells], ignore_index=True),
            measurements=pd.concat(
                [results.measurements, twins.assign(value=twins["value"] + apart * last.mean())], ignore_index=True
            ),
        )
        (found,) = convergence_rates(both, "ntk_change_frobenius").to_dict("records")
        assert found["label"] == "network"
        assert found["n_widths"] == 4 - left_out
        assert ("floor of rounding" in found["method"]) == bool(left_out)
        assert found["exponent"] == pytest.approx(row["exponent"], abs=0.2)
    every = results.cells[results.cells["role"] == "subject"]
    everywhere = every.assign(cell_id="twin-" + every["cell_id"], label="precise", dtype="float64")
    rows = results.measurements.assign(cell_id="twin-" + results.measurements["cell_id"])
    both = SimpleNamespace(
        cells=pd.concat([results.cells, everywhere], ignore_index=True),
        measurements=pd.concat([results.measurements, rows], ignore_index=True),
    )
    assert list(convergence_rates(both, "ntk_change_frobenius")["label"]) == ["network", "precise"]


def test_a_twin_stays_one_beside_other_networks_of_the_same_facts_and_when_cells_fail():
    """Twins are decided by what was planned: neither a narrow subject nor a failed cell makes a series of its own."""
    results = make_results(splits=(0,), widths=(64, 128, 256, 512, 1024))
    networks = results.cells[results.cells["role"] == "subject"]
    narrow = networks[networks["width"] == 64].assign(cell_id="narrow", label="narrow", width=8)
    twin = networks[networks["width"] == 1024].assign(cell_id="twin", label="precise", dtype="float64")
    results.cells = pd.concat([results.cells, narrow, twin], ignore_index=True)
    failed = results.cells.copy()
    failed.loc[failed["cell_id"] == "1024-0", "status"] = "failed"
    for cells in (results.cells, failed):
        found = series_cells(cells)
        labels = [key.labels[0] for key in found.keys]
        assert found.twins == {labels.index("network"): labels.index("precise")}
        assert found.hidden == {labels.index("precise")}


def along_scale(*subjects):
    """Return networks of one width whose kernels change as 1 / scale: (label, scale, what else of the backend)."""
    cells, rows = [], []
    for label, scale, others in subjects:
        one = make_results(splits=(0,), widths=(128,))
        parameters = json.dumps({"output_scale": scale, **others})
        networks = one.cells["role"] == "subject"
        cells.append(one.cells[networks].assign(label=label, output_scale=scale, backend_params_json=parameters))
        rows.append(one.measurements[one.measurements["metric"] == "ntk_change_frobenius"])
        rows[-1] = rows[-1].assign(value=rows[-1]["value"] / scale, cell_id=label)
        cells[-1] = cells[-1].assign(cell_id=label)
    tables = {"cells": pd.concat(cells, ignore_index=True), "measurements": pd.concat(rows, ignore_index=True)}
    return SimpleNamespace(**tables)


def test_subjects_that_differ_in_the_parameter_of_an_axis_alone_are_one_curve():
    """By what the cells say: labels may be anything. A negative control is no part of a curve that is none."""
    lazy = [("a", 1.0, {}), ("b-float64", 2.0, {}), ("c", 4.0, {})]
    others = [("centred-1", 1.0, {"subtract_init": True}), ("d", 0.5, {}), ("e", 0.25, {})]
    results = along_scale(*lazy, *others)
    claim = {"id": "C17", "judge": ["ntk_change_by_output_scale"], "negative_controls": ["d", "e"]}
    results.runs = [{"run_id": "r", "resolved": {"claim": claim}}]
    rates = Rates(results).of(["ntk_change_by_output_scale"])
    table = convergence_rates(results, "ntk_change_by_output_scale")  # the public way knows the controls too
    assert sorted(table["label"]) == ["a, b-float64, c", "e, d"]
    assert [rate.key.labels for rate in rates] == [("a", "b-float64", "c"), ("e", "d")]
    assert [rate.fit.estimate for rate in rates] == pytest.approx([-1, -1], abs=1e-6)
    assert rates[0].key.along == "output_scale"
    assert subject_words(rates[0].key) == "a, b-float64, c"


def test_what_labels_have_in_common_names_their_curve():
    (rate,) = Rates(along_scale(("lazy-1", 1.0, {}), ("lazy-16", 16.0, {}))).of(["ntk_change_by_output_scale"])
    assert subject_words(rate.key) == "lazy"


def test_two_subjects_at_the_same_place_are_two_curves():
    subjects = [("a", 1.0, {}), ("b", 2.0, {}), ("c", 1.0, {})]
    assert Rates(along_scale(*subjects)).of(["ntk_change_by_output_scale"]) == []


def test_each_rate_is_fitted_once(monkeypatch):
    fits = []
    fit = rates_module._fit
    monkeypatch.setattr(rates_module, "_fit", lambda *found: fits.append(found) or fit(*found))
    rates = Rates(make_results())
    once = rates.of(list(QUANTITIES))
    again = rates.of(list(QUANTITIES))
    assert len(fits) == len(once) > 5
    assert all(one is two for one, two in zip(once, again, strict=True))
