"""The mean of numbers that do not depend on the width."""

import numpy as np
import pytest

from ntkbench.analysis.estimation.fourth_moment import pooled_mean


def test_weights_are_those_of_least_variance():
    found = pooled_mean(np.array([1.0, 2.0]), np.array([0.1, 0.2]), 5)
    assert found.estimate == pytest.approx(1.2)
    assert found.standard_error == pytest.approx(1 / np.sqrt(125))
    assert found.interval(0.95) == pytest.approx((1.2 - 1.96 * 0.0894, 1.2 + 1.96 * 0.0894), abs=1e-3)
    assert (found.n_widths, found.n_members) == (2, 5)


def test_a_deviation_at_one_width_is_no_common_mean():
    """A wrong law at small widths alone is not averaged away."""
    errors = np.full(4, 0.02)
    assert pooled_mean(np.array([0.9, 1.0, 1.0, 1.0]), errors, 5).rejected
    assert not pooled_mean(np.array([0.99, 1.0, 1.01, 1.0]), errors, 5).rejected
    assert not pooled_mean(np.array([0.9]), errors[:1], 5).rejected
