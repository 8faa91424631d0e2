"""Rows of measurements: numbered by their keys, and averaged over splits."""

import numpy as np
import pandas as pd
import pytest

from ntkbench.analysis.series.points import points_of
from ntkbench.analysis.series.records import first_of_each, group_codes


@pytest.mark.parametrize("scale", [1, 10**9], ids=["dense", "sparse"])
@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_rows_are_numbered_by_their_keys(rows, scale):
    draw = np.random.default_rng(0).integers
    frame = pd.DataFrame(
        {
            "constant": "a",
            "text": pd.Series(["a", "b", None], dtype="str").take(draw(3, size=rows)).to_numpy(),
            "number": draw(-3, 4, size=rows) * scale,
            "nullable": pd.array(draw(4, size=rows), dtype="Int64"),
        }
    )
    frame.loc[frame["nullable"] == 3, "nullable"] = pd.NA
    frame["coded"] = frame["text"].astype("category")
    for names in (["constant", "text", "number", "nullable"], ["coded", "number"], ["nullable"]):
        codes, wanted = (
            group_codes(frame, names),
            frame.groupby(names, dropna=False, sort=False, observed=True).ngroup(),
        )
        first = first_of_each(codes)
        assert first.tolist() == frame.index[~frame.duplicated(names)].tolist()
        assert np.array_equal(pd.factorize(codes)[0], wanted)
        assert not rows or 0 <= codes.min() <= codes.max() < max(rows, 1000)


@pytest.mark.parametrize("summary", ["members", "mean", "ensemble", "bias"])
def test_one_split_is_as_good_as_the_same_twice(summary):
    draw = np.random.default_rng(1).random
    one = pd.DataFrame({"x": np.repeat([64.0, 16.0, 256.0], 7), "member": np.tile(np.arange(7)[::-1], 3), "members": 7})
    if summary in ("ensemble", "bias"):
        one = one.drop_duplicates("x")
    one = one.assign(**{name: draw(len(one)) for name in ("value", "standard_error", "floor")}, split_index=0)
    points = [points_of(rows, summary) for rows in (one, pd.concat([one, one.assign(split_index=1)]))]
    pd.testing.assert_frame_equal(*(each.drop(columns="samples") for each in points), check_dtype=False, rtol=0, atol=0)
    for once, twice in zip(*(each["samples"] for each in points), strict=True):
        assert np.array_equal(once, twice)
