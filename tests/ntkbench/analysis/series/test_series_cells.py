"""Which networks are one curve, and where on it."""

import pandas as pd
import pytest

from ntkbench.analysis.series.cells import series_cells
from ntkbench.analysis.series.names import proportion_words


def cells(*widths):
    facts = {"run_id": "r", "study": "s", "task": "t", "label": "net", "role": "subject", "status": "ok", "reason": ""}
    facts |= {"activation": "erf", "depth": 2, "weight_std": 1.5, "bias_std": 0.1, "dtype": "float32", "members": 3}
    return pd.DataFrame([facts | {"cell_id": str(each), "width": min(each), "widths": list(each)} for each in widths])


@pytest.mark.parametrize(
    ("widths", "x", "words"),
    [
        ([(16, 16), (32, 32)], {16, 32}, ""),
        ([(16, 32), (32, 64)], {16, 32}, "1:2"),
        ([(16, 8), (32, 8), (4, 8)], {16, 32, 4}, "1:8 fixed"),
        ([(8, 8), (32, 8)], {8, 32}, "1:8 fixed"),
        ([(16, 8, 32), (32, 8, 64)], {16, 32}, "1:8 fixed:2"),
    ],
)
def test_networks_whose_layers_grow_together_are_a_curve(widths, x, words):
    found = series_cells(cells(*widths))
    (key,) = found.keys
    assert {*found.frame["x"]} == x
    assert proportion_words(key.architecture.proportions) == words


def test_a_single_layout_of_unequal_widths_is_no_curve():
    assert series_cells(cells((16, 32))).keys == ()


def test_layouts_that_grow_apart_are_no_curve():
    assert series_cells(cells((16, 32), (32, 96))).keys == ()
