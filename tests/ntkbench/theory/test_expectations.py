"""Which exponents are expected of which activation: a band for smooth ones, a bound for the others."""

import math

import pytest

from ntkbench.theory.activations import CATALOGUE
from ntkbench.theory.claims import expected_exponent

KINKED = {"relu", "leaky_relu", "abs", "step", "rectified_monomial", "elu", "celu", "selu", "softsign"}


@pytest.mark.parametrize("metric", ["ntk_change_frobenius", "linearization_distance_max"])
@pytest.mark.parametrize("activation", CATALOGUE)
def test_smooth_activations_have_a_band_and_kinked_ones_a_bound(activation, metric):
    found = expected_exponent(metric, activation)
    if activation in KINKED:
        assert (found.value, found.band_low, found.band_high, found.one_sided) == (-0.5, -math.inf, -0.5, True)
    else:
        assert (found.value, found.band_low, found.band_high, found.one_sided) == (-1.0, -1.1, -0.9, False)


@pytest.mark.parametrize(
    ("activation", "one_sided"),
    [
        ("leaky_relu(slope=1.0)", False),
        ("leaky_relu(slope=0.5)", True),
        ("hermite(degree=2)", False),
        ("rbf(gamma=0.3)", False),
        ("torch:tanh", True),
        ("snake(frequency=2.0)", True),
    ],
)
def test_parameters_count_and_unknown_functions_have_the_bound(activation, one_sided):
    assert expected_exponent("ntk_change_frobenius", activation).one_sided == one_sided


def test_other_metrics_do_not_depend_on_the_activation():
    assert expected_exponent("function_distance_max", "relu") == expected_exponent("function_distance_max", "erf")
    assert expected_exponent("no_such_metric", "relu") is None
