"""Training along a direction that is not a gradient, in kernel descent, against powers of a matrix (C7)."""

from dataclasses import replace

import numpy as np
import pytest

from ntkbench.dynamics import kernel_descent
from ntkbench.metrics.errors import predictions_from
from ntkbench.plugin.types import Problem, Solution, Training

N, M, O, E, RATE, NON_GRADIENT = 6, 3, 2, 4, 0.8, 0.7  # noqa: E741
STEPS = np.array([0, 1, 5, 30])
RNG = np.random.default_rng(5)
FEATURES = RNG.standard_normal((N + M, 20))
THETA = FEATURES @ FEATURES.T / 20
Y, F0 = RNG.standard_normal((N, O)), RNG.standard_normal((E, N + M, O))
SKEW = np.zeros((N, N))
for i in range(N):
    SKEW[i, (i + 1) % N], SKEW[i, (i - 1) % N] = 0.5, -0.5


def expected(non_gradient, rate=RATE):
    """f(X) = y + A^t (f_0 - y), and f moves elsewhere by k(x, X) Theta^-1 of how it moves on X."""
    once = np.eye(N) - rate / N * THETA[:N, :N] @ (np.eye(N) + non_gradient * SKEW)
    powers = [np.linalg.matrix_power(once, step) for step in STEPS]
    train = np.stack([Y + power @ (F0[:, :N] - Y) for power in powers], axis=1)
    moved = np.linalg.solve(THETA[:N, :N], train - F0[:, None, :N])
    return train, F0[:, None, N:] + THETA[N:, :N] @ moved


def test_descent_has_its_closed_form():
    course = {"learning_rate": RATE, "steps": STEPS, "f0_train": F0[:, :N], "f0_test": F0[:, N:]}
    found = kernel_descent(THETA[:N, :N], THETA[N:, :N], Y, non_gradient=NON_GRADIENT, **course)
    for ours, theirs in zip((found.train, found.test), expected(NON_GRADIENT), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_members_are_predicted_along_the_direction_they_were_trained_along(factor):
    values, vectors = np.linalg.eigh(THETA[:N, :N])
    reference = Solution(
        times=RATE * STEPS,
        steps=STEPS,
        kernel_train=THETA[:N, :N],
        kernel_test=THETA[N:, :N],
        eigenvalues=values[::-1].copy(),
        eigenvectors=vectors[:, ::-1].copy(),
        time_scale=factor,
    )
    training = Training(learning_rate=RATE, steps=STEPS, non_gradient=NON_GRADIENT)
    start = np.repeat(F0[:, None], len(STEPS), axis=1)
    subject = Solution(
        times=RATE * STEPS,
        steps=STEPS,
        training=training,
        members_train=start[:, :, :N],
        members_test=start[:, :, N:],
    )
    x, x_test = RNG.standard_normal((N, 2)), RNG.standard_normal((M, 2))
    problem = Problem(x_train=x, y_train=Y, x_test=x_test, y_test=np.zeros((M, O)))
    along = predictions_from(reference, problem, subject)
    for ours, theirs in zip(along, expected(NON_GRADIENT, factor * RATE), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    gradient = predictions_from(reference, problem, replace(subject, training=replace(training, non_gradient=0.0)))
    for ours, theirs in zip(gradient, expected(0.0, factor * RATE), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert np.abs(along[1] - gradient[1]).max() > 0.01
