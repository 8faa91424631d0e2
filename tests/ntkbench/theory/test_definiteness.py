"""Where a tangent kernel is positive definite, and where singular: each rule against kernels of plain formulas."""

import json

import numpy as np
import pytest

from ntkbench.theory.claims import expectation
from ntkbench.theory.definiteness import definiteness


def facts(activation, depth=1, bias_std=0.1, n_train=12, n_features=2, task="synthetic/circle", **parameters):
    return {
        "activation": activation,
        "depth": depth,
        "bias_std": bias_std,
        "n_train": n_train,
        "n_features": n_features,
        "task": task,
        "task_params_json": json.dumps({"angles": "even"} | parameters),
    }


def arc_cosine_ntk(x, bias_std):
    """Return the NTK of one hidden layer of ReLUs at weight_std 1 (Cho and Saul 2009), written out."""
    k = x @ x.T / x.shape[1] + bias_std**2
    norms = np.sqrt(np.diag(k))
    cosine = np.clip(k / np.outer(norms, norms), -1, 1)
    angle = np.arccos(cosine)
    first = np.outer(norms, norms) * (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi)
    return first + bias_std**2 + k * (np.pi - angle) / (2 * np.pi)


def even_points(n):
    angles = -np.pi + 2 * np.pi * (np.arange(n) + 0.5) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize(("bias_std", "expected"), [(0.1, "positive"), (0.0, "singular")])
def test_relu_on_antipodal_pairs_has_the_eigenvalues_that_are_claimed(bias_std, expected):
    assert definiteness(facts("relu", bias_std=bias_std)) == expected
    values = np.linalg.eigvalsh(arc_cosine_ntk(even_points(12), bias_std))
    assert (values[0] / values[-1] > 1e-4) == (expected == "positive")


@pytest.mark.parametrize(
    ("activation", "changes", "expected"),
    [
        ("erf", {"depth": 3}, "positive"),
        ("erf", {"depth": 3, "bias_std": 0.0}, "singular"),
        ("relu", {"depth": 2, "bias_std": 0.0}, None),
        ("relu", {"bias_std": 0.0, "n_train": 4}, None),
        ("erf", {"bias_std": 0.0, "angles": "random"}, None),
        ("erf", {"task": "synthetic/teacher"}, None),
        ("erf", {"task": "synthetic/teacher", "inputs": "sphere"}, "positive"),
        ("polynomial(coefficients=[0.0, 1.0, 0.5])", {}, "singular"),
        ("polynomial(coefficients=[0.0, 1.0, 0.5])", {"n_train": 6}, None),  # C(2 + 2, 2) = 6 points can be fitted
        ("polynomial(coefficients=[0.0, 1.0, 0.5])", {"depth": 2}, None),
        ("identity", {}, "singular"),
        ("monomial(degree=3)", {"n_train": 11}, "singular"),  # C(5, 3) = 10
    ],
)
def test_rules(activation, changes, expected):
    assert definiteness(facts(activation, **changes)) == expected


def test_what_is_expected():
    positive = expectation("smallest_eigenvalue", facts("erf"))
    assert (positive.band_low, positive.one_sided) == (0.0, True)
    singular = expectation("ntk_smallest_eigenvalue", facts("identity"))
    assert singular.band_low < 0 < singular.band_high < 1e-9
    assert expectation("smallest_eigenvalue", facts("relu", depth=2, bias_std=0.0)) is None
