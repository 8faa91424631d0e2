"""Floors below distances, and local slopes: known answers, and false alarms in simulated studies."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench.analysis.estimation.exponents import fit_exponent
from ntkbench.analysis.estimation.floor import fit_floor
from ntkbench.analysis.estimation.local_slopes import local_slopes

WIDTHS = 64.0 * 2 ** np.arange(7)
SCATTER = np.array([0.98, 1.0, 1.02, 0.99, 1.01])


def curve_of(values, scatter=SCATTER, tau=2.0):
    fit = fit_exponent(WIDTHS, [value * scatter for value in values], correction=tau)
    assert fit.curve is not None
    return fit.curve


def with_floor(square, p=-0.5):
    """Return distances with a floor whose square is a share ``square`` of that at the largest width."""
    return np.sqrt(square + (1 - square) * (WIDTHS / WIDTHS.max()) ** (2 * p))


@pytest.mark.parametrize("p", [-0.5, -1.0])
@pytest.mark.parametrize("share", [-0.6, -0.2, 0.0, 0.2, 0.5, 0.9])
def test_an_exact_floor_is_found(share, p):
    floor = fit_floor(curve_of(with_floor(np.sign(share) * share**2, p)), p)
    assert floor is not None
    assert floor.share == pytest.approx(share, abs=0.02)  # shares of the grid are up to 0.02 apart
    low, high = floor.interval()
    assert low < share < high
    assert floor.is_above_zero() == (low > 0)
    wider = floor.interval(0.999)
    assert wider[0] < low
    assert wider[1] >= high


def test_a_flat_distance_is_all_floor_and_a_fast_one_has_none():
    flat = fit_floor(curve_of(np.ones(7)), -0.5)
    assert flat.share == pytest.approx(1.0, abs=0.02)
    assert flat.interval()[0] > 0.9
    assert flat.interval()[1] == 1.0
    fast = fit_floor(curve_of(WIDTHS**-1.0), -0.5)
    assert fast.interval()[1] < 0


def test_no_floor_of_two_widths_or_without_a_curve():
    fit = fit_exponent(WIDTHS[:2], [SCATTER, SCATTER / 2])
    assert fit_floor(fit.curve, -0.5) is None
    assert fit_floor(None, -0.5) is None
    assert local_slopes(fit.curve) is None


@pytest.mark.parametrize(("k", "power"), [(0, 1.0), (2, 1.0), (-2, 1.0), (2, 0.5), (-2, 0.5)])
def test_false_alarms_under_corrections_up_to_twice_the_allowed(k, power):
    # 20 members as of C2; at most the nominal 5 %, and three standard errors of the simulation.
    rng = np.random.default_rng(0)
    studies, tau = 300, 2.0
    scale = WIDTHS**-0.5 * np.exp(k * tau / 64 * (64 / WIDTHS) ** power)
    alarms = 0
    for _ in range(studies):
        samples = [s * np.sqrt(rng.gamma(5, 0.2, 20)) for s in scale]
        alarms += fit_floor(fit_exponent(WIDTHS, samples, correction=tau).curve, -0.5).is_above_zero()
    assert alarms / studies <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)


def test_local_slopes_of_a_parabola():
    logs = np.log(WIDTHS / 64)
    slopes = local_slopes(curve_of(np.exp(-0.1 * logs - 0.05 * logs**2)))
    assert slopes.first == pytest.approx(-0.1)
    assert slopes.last == pytest.approx(-0.1 - 0.1 * logs[-1])
    assert slopes.steepens < 1e-6
    assert slopes.width_at(-1.1, -0.3) == pytest.approx(64 * np.exp(2.0))  # -0.1 - 0.1 L = -0.3
    assert slopes.may_reach(-1.1, -0.9)
    assert slopes.leaves(0.0, 0.1)
    assert not slopes.leaves(-1.1, -0.9)


def test_the_interval_covers_corrections_in_the_square_root_of_the_width():
    # 40 members, a correction as large as allowed at the smallest width, falling as n^-1/2 [docs/theory.md].
    rng = np.random.default_rng(1)
    studies, tau = 300, 12.0
    scale = WIDTHS**-1.0 * np.exp(tau / 64 * (64 / WIDTHS) ** 0.5)
    inside = 0
    for _ in range(studies):
        samples = [s * np.sqrt(rng.gamma(2.5, 0.4, 40)) for s in scale]
        low, high = fit_exponent(WIDTHS, samples, correction=tau).interval()
        inside += low <= -1.0 <= high
    assert inside / studies >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / studies)
