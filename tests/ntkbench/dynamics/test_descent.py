"""Descent on the kernel's side step by step: against the closed form, against parameters, and by costs' derivatives."""

import numpy as np
import pytest

from ntkbench.dynamics import kernel_descent, kernel_dynamics
from ntkbench.errors import DataError
from ntkbench.theory.losses import LOSSES, cost, cost_gradient
from ntkbench.theory.minibatches import mini_batches

RNG = np.random.default_rng(3)
N, M, O = 7, 4, 2  # noqa: E741
FEATURES = RNG.standard_normal((N + M, 20))
THETA = FEATURES @ FEATURES.T / 20
TRAIN, TEST = THETA[:N, :N], THETA[N:, :N]
Y = RNG.standard_normal((N, O))
F0 = RNG.standard_normal((3, N + M, O))
STEPS = np.array([0, 1, 5, 40])


@pytest.mark.parametrize(("optimizer", "momentum"), [("gradient-descent", 0.0), ("heavy-ball", 0.7), ("nesterov", 0.7)])
@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_the_squared_error_has_its_closed_form(optimizer, momentum, rho):
    settings = {"learning_rate": 0.8, "steps": STEPS, "optimizer": optimizer, "momentum": momentum, "rho": rho}
    start = {"f0_train": F0[:, :N], "f0_test": F0[:, N:]}
    found, closed = (f(TRAIN, TEST, Y, **settings, **start) for f in (kernel_descent, kernel_dynamics))
    np.testing.assert_allclose(found.train, closed.train, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.test, closed.test, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.residual_train, closed.residual_train, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch_size", [None, 3])
def test_it_is_descent_on_the_parameters_of_a_linear_model(loss, batch_size):
    y = np.abs(Y) / np.abs(Y).sum(axis=1, keepdims=True) if loss == "cross-entropy" else 3 * Y
    theta, velocity = np.zeros((20, O)), np.zeros((20, O))
    features, batches = FEATURES / 20**0.5, mini_batches(N, batch_size or N, 11)
    expected = []
    for step in range(41):
        if step in STEPS:
            expected.append(F0[0] + features @ theta)
        rows = np.arange(N) if batch_size is None else next(batches)
        f = F0[0, rows] + features[rows] @ theta
        gradient = features[rows].T @ cost_gradient(loss, f, y[rows]) / len(rows) + 0.1 / N * theta
        velocity = 0.6 * velocity + gradient
        theta = theta - 0.5 * (gradient + 0.6 * velocity)
    found = kernel_descent(
        TRAIN,
        TEST,
        y,
        f0_train=F0[0, :N],
        f0_test=F0[0, N:],
        learning_rate=0.5,
        steps=STEPS,
        loss=loss,
        optimizer="nesterov",
        momentum=0.6,
        rho=0.1,
        batch_size=batch_size,
        batch_seed=11,
    )
    np.testing.assert_allclose(found.train, np.stack(expected)[:, :N], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.test, np.stack(expected)[:, N:], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_derivatives_of_costs(loss):
    y = np.abs(Y) / np.abs(Y).sum(axis=1, keepdims=True) if loss == "cross-entropy" else 3 * Y
    f, h = F0[0, :N], 1e-5
    for i in range(N):
        for o in range(O):
            nudge = np.zeros_like(f)
            nudge[i, o] = h
            numeric = (cost(loss, f + nudge, y) - cost(loss, f - nudge, y)) / (2 * h)
            assert abs(numeric - cost_gradient(loss, f, y)[i, o] / N) < 1e-8
    assert cost(loss, F0[:, :N], y).shape == (3,)
    big = 1e4 * f if loss == "cross-entropy" else f
    assert np.isfinite(cost(loss, big, y))


def test_an_epoch_shows_every_point_once():
    batches = mini_batches(10, 3, seed=1)
    for _ in range(4):
        epoch = np.concatenate([next(batches) for _ in range(3)])
        assert len(set(epoch)) == 9
    again = mini_batches(10, 3, seed=1)
    assert [next(again).tolist() for _ in range(5)] != [next(mini_batches(10, 3, seed=2)).tolist()] * 5
    np.testing.assert_array_equal(next(mini_batches(10, 3, seed=1)), next(mini_batches(10, 3, seed=1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"optimizer": "adam"}, "adam has no kernel descent"), ({"momentum": 0.5}, "gradient-descent has none")],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(DataError, match=message):
        kernel_descent(TRAIN, TEST, Y, learning_rate=0.1, steps=[1], **options)
