"""The bound of the errors that a fitted law makes, against such errors."""

from dataclasses import dataclass

import numpy as np
import pytest

from ntkbench.architecture import Architecture
from ntkbench_jax.kernels import enable_x64
from ntkbench_jax.laws.catalogue import find_law
from ntkbench_jax.trace import trace

MISSED = 1e-6


@dataclass
class Point:
    """K and Theta of one point with itself, and what they are with expectations that are off."""

    covariance: float
    tangent: float
    wrong_covariance: float
    wrong_tangent: float

    def error(self):
        """Of both kernels, relative to the product of deviations."""
        return (
            abs(self.wrong_covariance - self.covariance) / self.covariance,
            abs(self.wrong_tangent - self.tangent) / self.covariance,
        )


def relu_layer(point, weight_std, bias_std, off):
    """E[phi^2] = K / 2 and E[phi'^2] = 1 / 2, both off by so much of themselves."""
    value, slope = 1 + off[0] * MISSED, 1 + off[1] * MISSED
    w, b = weight_std**2, bias_std**2
    covariance, wrong = w * point.covariance / 2 + b, w * point.wrong_covariance / 2 * value + b
    return Point(
        covariance,
        covariance + w * point.tangent / 2,
        wrong,
        wrong + w * point.wrong_tangent / 2 * slope,
    )


class Nearly:
    """ReLU as a law that says it may be off."""

    def resolved(self, deviations):
        return find_law("relu"), MISSED


def within(depth, weight_std, bias_std, rms):
    """Return the bound that is told for a law that is ReLU's but may be off by ``MISSED``."""
    architecture = Architecture(depth=depth, weight_std=weight_std, bias_std=bias_std)
    with enable_x64(True):
        return trace(np.array([rms]), Nearly(), architecture)[2]


@pytest.mark.parametrize("rms", [1e-3, 1.0, 1e2, 1e6])
@pytest.mark.parametrize("depth", [1, 3, 30])
@pytest.mark.parametrize(("weight_std", "bias_std"), [(2**0.5, 0.0), (2**0.5, 1.0), (1.0, 1.0), (0.5, 0.1), (3.0, 1.0)])
def test_errors_of_both_kernels_are_within_the_bound_and_reach_a_fifth_of_it(weight_std, bias_std, depth, rms):
    worst = 0.0
    for off in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
        first = weight_std**2 * rms**2 + bias_std**2
        point = Point(first, first, first, first)
        for _ in range(depth):
            point = relu_layer(point, weight_std, bias_std, off)
        worst = max(worst, *point.error())
    bound = within(depth, weight_std, bias_std, rms)
    assert bound / 5 <= worst <= bound * (1 + 1e-3)  # errors of second order beside
