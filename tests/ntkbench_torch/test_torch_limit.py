"""Theorem 1 of Jacot et al. 2018 as a statistical test: the mean empirical kernel over many networks is the limit."""

import numpy as np
import plain_network as plain
import pytest
from scipy.stats import norm

from ntkbench import Architecture
from ntkbench_torch import NetworkEnsemble

X = np.random.default_rng(2).standard_normal((4, 3))
ENTRIES = np.triu_indices(4)
FALSE_ALARM = 1e-6
BOUND = norm.isf(FALSE_ALARM / (2 * len(ENTRIES[0])))  # two-sided, Bonferroni over the 10 entries: 5.3


def kernels(architecture, width, members, seed):
    """Entries of the mean diagonal block of every member, (members, 10)."""
    ensemble = NetworkEnsemble(
        architecture, in_features=3, out_features=2, width=width, members=members, seed=seed, dtype="float64"
    )
    return ensemble.ntk(X).numpy()[:, *ENTRIES]


def scores(architecture, limit):
    """z-scores of the mean kernel at infinite width.

    With one hidden layer the expectation is the limit at every width. With more there is a bias a/n + O(1/n^2), whose
    first term 2 mean(128) - mean(64) removes; what is left, about 1e-4, is far below the standard errors.
    """
    if architecture.depth == 1:
        draws = [(1.0, kernels(architecture, 64, 1200, 0))]
    else:
        draws = [(2.0, kernels(architecture, 128, 500, 0)), (-1.0, kernels(architecture, 64, 500, 0))]
    mean = sum(weight * values.mean(axis=0) for weight, values in draws)
    variance = sum(weight**2 * values.var(axis=0, ddof=1) / len(values) for weight, values in draws)
    return (mean - limit[ENTRIES]) / np.sqrt(variance)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_the_mean_kernel_is_the_analytic_kernel(activation, depth):
    """False alarm at most 1e-6 per case if the theory holds (central limit theorem over 500 or more members)."""
    architecture = Architecture(depth=depth, activation=activation, weight_std=1.4, bias_std=0.2)
    assert np.abs(scores(architecture, plain.analytic_ntk(architecture, X))).max() < BOUND


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_a_theory_with_weights_too_large_by_five_percent_is_refuted(activation):
    architecture = Architecture(depth=2, activation=activation, weight_std=1.4, bias_std=0.2)
    wrong = architecture.model_copy(update={"weight_std": 1.05 * 1.4})
    assert np.abs(scores(architecture, plain.analytic_ntk(wrong, X))).max() > BOUND


def test_outputs_decouple_in_the_mean():
    """C3: the mean of the off-diagonal block is zero, by symmetry, at every width."""
    architecture = Architecture(depth=2, activation="erf")
    ensemble = NetworkEnsemble(
        architecture, in_features=3, out_features=2, width=32, members=400, seed=1, dtype="float64"
    )
    block = ensemble.ntk(X, outputs="all").numpy()[..., 0, 1][:, *ENTRIES]
    z = block.mean(axis=0) / (block.std(axis=0, ddof=1) / 400**0.5)
    assert np.abs(z).max() < BOUND
