"""Many fits at once are the same as each by itself: of one curve, and of the means over seeds."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench.analysis.estimation.curve import Curve
from ntkbench.analysis.estimation.pooling import pooled, pooled_at_hand

WIDTHS = 32.0 * 2 ** np.arange(5)


def drawn_curve(rng, tau):
    counts = rng.integers(5, 40, len(WIDTHS))
    y = -0.5 * np.log(WIDTHS) + 0.1 * rng.standard_normal(len(WIDTHS))
    return Curve(WIDTHS, y, rng.uniform(0.01, 0.1, len(WIDTHS)), counts, tau, share=1 / 3)


def one_by_one(curve, shapes, y, power):
    return [curve.fit([shape], of=0, allowed=2.0, power=power, y=own) for shape, own in zip(shapes, y, strict=True)]


def columns(estimates):
    names = ("estimate", "sampling_error", "correction", "sampling_dof")
    return [[getattr(each, name) for each in estimates] for name in names]


@pytest.mark.parametrize("tau", [0.0, 8.0])
@pytest.mark.parametrize("power", [1.0, 0.5])
def test_many_shapes_at_once_are_the_fits_of_each(tau, power):
    rng = np.random.default_rng(0)
    curve, shapes = drawn_curve(rng, tau), rng.standard_normal((7, len(WIDTHS)))
    y = curve.y + rng.standard_normal(shapes.shape)
    found = curve.fit_each(shapes, y, allowed=2.0, power=power)
    np.testing.assert_allclose(found, columns(one_by_one(curve, shapes, y, power)), rtol=1e-12, atol=1e-14)


def test_many_means_over_seeds_are_those_of_each_at_hand():
    rng = np.random.default_rng(1)
    curves, shapes = [drawn_curve(rng, 8.0) for _ in range(3)], rng.standard_normal((7, len(WIDTHS)))
    y = [curve.y + rng.standard_normal(shapes.shape) for curve in curves]
    found = pooled_at_hand(
        [curve.fit_each(shapes, own, allowed=2.0, power=1.0) for curve, own in zip(curves, y, strict=True)]
    )
    seeds = [one_by_one(curve, shapes, own, 1.0) for curve, own in zip(curves, y, strict=True)]
    each = [pooled(fits) for fits in zip(*seeds, strict=True)]
    assert any(mean.between_error > 0 for mean in each)  # which the means at hand leave out
    np.testing.assert_allclose(found, columns([mean.at_hand for mean in each]), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(np.hypot(*found[1:3]), [mean.at_hand.standard_error for mean in each], rtol=1e-12)
