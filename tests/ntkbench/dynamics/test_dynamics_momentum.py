"""Momentum step for step: against torch's update taken literally, 60-digit powers, and its limits."""

import numpy as np
import pytest
from grids import each_once
from mpmath import mp, mpf

from ntkbench.dynamics import (
    decompose,
    ensemble_covariance,
    ensemble_covariance_cross,
    ensemble_covariance_train,
    ensemble_law,
    kernel_dynamics,
    mode_residuals,
    stable_learning_rate,
)
from ntkbench.dynamics.double_double import DoubleDouble
from ntkbench.dynamics.momentum import momentum_response
from ntkbench.errors import DataError

N, M, OUTPUTS, B = 7, 4, 2, 3
STEPS = [50, 0, 1, 2, 7]


class WorkerConfig:
    def __init__(self):
        rng = np.random.default_rng(5)
        self.jacobian, last = rng.normal(size=(N + M, 20)), rng.normal(size=(N + M, 15))
        self.ntk, self.nngp = self.jacobian @ self.jacobian.T, last @ last.T
        self.train, self.test = self.ntk[:N, :N], self.ntk[N:, :N]
        self.y, self.f0 = rng.normal(size=(N, OUTPUTS)), rng.normal(size=(B, N + M, OUTPUTS))
        self.spectrum = decompose(self.train)


@pytest.fixture(scope="module")
def setting():
    return WorkerConfig()


def torch_sgd(gradient, theta, steps, rate, momentum, nesterov):
    """Yield the iterates of torch.optim.SGD, from its documented update: the buffer starts as the first gradient."""
    buffer = None
    for _ in range(steps):
        yield theta
        g = gradient(theta)
        buffer = g if buffer is None else momentum * buffer + g
        theta = theta - rate * (g + momentum * buffer if nesterov else buffer)
    yield theta


@pytest.mark.parametrize("rho", [0.0, 0.7])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("optimizer", ["heavy-ball", "nesterov"])
@pytest.mark.parametrize("fraction", [0.1, 0.95, 1.05])
def test_it_is_the_optimizers_own_loop(setting, optimizer, momentum, fraction, rho):
    how = {"optimizer": optimizer, "momentum": momentum}
    rate = fraction * stable_learning_rate(setting.spectrum.eigenvalues, N, rho, **how)
    found = kernel_dynamics(
        setting.train,
        setting.test,
        setting.y,
        f0_train=setting.f0[:, :N],
        f0_test=setting.f0[:, N:],
        learning_rate=rate,
        steps=STEPS,
        rho=rho,
        **how,
    )

    def gradient(theta):
        residual = (setting.f0 + setting.jacobian @ theta)[:, :N] - setting.y
        return (setting.jacobian[:N].T @ residual + rho * theta) / N

    start = np.zeros((B, setting.jacobian.shape[1], OUTPUTS))
    for step, theta in enumerate(torch_sgd(gradient, start, 50, rate, momentum, optimizer == "nesterov")):
        if step in STEPS:
            t, function = STEPS.index(step), setting.f0 + setting.jacobian @ theta
            scale = np.abs(function).max()
            np.testing.assert_allclose(found.train[:, t], function[:, :N], rtol=0, atol=1e-12 * scale)
            np.testing.assert_allclose(found.test[:, t], function[:, N:], rtol=0, atol=1e-12 * scale)


def exact(a, momentum, nesterov, step):
    """d_k and (1 - d_k) / a of the two-term recurrence, by powers of its matrix."""
    a, mu = mpf(float(a)), mpf(momentum)
    p, q, first = ((1 + mu) * (1 - a), mu * (1 - a), 1 + mu) if nesterov else (1 + mu - a, mu, mpf(1))
    if step == 0:
        return mpf(1), mpf(0)
    power = mp.matrix([[p, -q, 1], [1, 0, 0], [0, 0, 1]]) ** (step - 1)
    return power[0, 0] * (1 - a * first) + power[0, 1], power[0, 0] * first + power[0, 2]


def interesting_rates(momentum, nesterov):
    """Rates at, near and far from the double roots, below and above the limit, tiny, zero and negative."""
    limit = 2 * (1 + momentum) / (1 + 2 * momentum if nesterov else 1)
    root = np.sqrt(momentum)
    double = (1 - 4 * momentum / (1 + momentum) ** 2, 1.0) if nesterov else ((1 - root) ** 2, (1 + root) ** 2)
    shifts = (0.0, 1e-15, -1e-15, 1e-9, -1e-9, 1e-4, -1e-4)
    near = [value * (1 + shift) for value in double for shift in shifts]
    return np.array([*near, 0.0, 1e-300, 1e-20, 1e-4, 0.3, limit, limit * (1 - 1e-15), limit * 1.001, 1e10, -0.01])


@pytest.mark.parametrize(("momentum", "nesterov"), each_once([0.0, 0.5, 0.9, 0.9999, 1 - 1e-9], [False, True]))
def test_every_digit_at_any_eigenvalue_after_any_number_of_steps(momentum, nesterov):
    steps = [0, 1, 2, 3, 10, 999, 5000, 10**6]
    with mp.workdps(60):
        for a in interesting_rates(momentum, nesterov):
            decay, learned, power = momentum_response(np.array([a]), np.array(steps), momentum, nesterov)
            for t, step in enumerate(steps):
                for found, expected in zip((decay, learned), exact(a, momentum, nesterov, step), strict=True):
                    value = mpf(float(found[t, 0])) * mpf(2) ** int(power[t])
                    # below 1e-285 double-double has no second half left
                    assert abs(value - expected) <= mpf("2e-14") * abs(expected) + mpf("1e-290")


def test_eigenvalues_that_grow_differently_share_a_power():
    rates = np.array([0.1, 5.0, 7.0])
    decay, learned, power = momentum_response(rates, np.array([400]), 0.5, False)
    with mp.workdps(60):
        for i, a in enumerate(rates):
            for found, expected in zip((decay, learned), exact(a, 0.5, False, 400), strict=True):
                value = mpf(float(found[0, i])) * mpf(2) ** int(power[0])
                error = abs(value - expected)
                assert error <= mpf("1e-14") * abs(expected) + mpf(2) ** (int(power[0]) - 1070)


def test_double_double_has_twice_the_digits():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=50) * 10.0 ** rng.integers(-20, 20, 50) for _ in range(2)]
    x, y = (DoubleDouble.of(part) * DoubleDouble.of(part[::-1].copy()) for part in parts)
    with mp.workdps(80):

        def value(z, i):
            return mpf(float(z.high[i])) + mpf(float(z.low[i]))

        for i in range(50):
            a, b = value(x, i), value(y, i)
            assert a == mpf(float(parts[0][i])) * mpf(float(parts[0][49 - i]))
            assert abs(value(x * y, i) - a * b) <= mpf(2) ** -102 * abs(a * b)
            assert abs(value(x + y, i) - (a + b)) <= mpf(2) ** -103 * abs(a + b)
            assert abs(value(x - x * y, i) - (a - value(x * y, i))) <= mpf(2) ** -103 * (abs(a - a * b))


def test_without_momentum_it_is_descent(setting):
    rate = 0.7 * stable_learning_rate(setting.spectrum.eigenvalues, N)
    when = {"learning_rate": rate, "steps": [0, 1, 30, 10**5]}
    plain = kernel_dynamics(setting.train, setting.test, setting.y, **when)
    for optimizer in ("heavy-ball", "nesterov"):
        found = kernel_dynamics(setting.train, setting.test, setting.y, optimizer=optimizer, **when)
        np.testing.assert_allclose(found.test, plain.test, rtol=0, atol=2e-14)
        np.testing.assert_allclose(found.residual_train, plain.residual_train, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("optimizer", ["heavy-ball", "nesterov"])
def test_small_steps_follow_the_flow_at_its_equivalent_time(setting, optimizer):
    momentum, flow = 0.9, 2.0
    errors = []
    for steps in (10**4, 10**5):
        rate = flow * (1 - momentum) / steps
        found = kernel_dynamics(
            setting.train, setting.test, setting.y, learning_rate=rate, steps=[steps], optimizer=optimizer, momentum=0.9
        )
        expected = kernel_dynamics(setting.train, setting.test, setting.y, times=[flow])
        errors.append(np.abs(found.test - expected.test).max())
    assert errors[0] < 0.05
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.1)  # of first order in the rate


@pytest.mark.parametrize("optimizer", ["gradient-descent", "heavy-ball", "nesterov"])
def test_the_stable_rate_is_where_growth_begins(optimizer):
    eigenvalues, n, rho = [3.0, 1.0], 5, 0.5
    for momentum in (0.0,) if optimizer == "gradient-descent" else (0.0, 0.3, 0.9, 0.99):
        how = {"optimizer": optimizer, "momentum": momentum}
        rate = stable_learning_rate(eigenvalues, n, rho, **how)
        kernel = np.diag(np.array([3.0, 1.0, 0, 0, 0]))
        left = [
            kernel_dynamics(
                kernel, kernel, np.eye(5)[:, :1], learning_rate=rate * f, steps=[10**6], rho=rho, **how
            ).test[0, 0, 0]
            for f in (1 - 1e-4, 1 + 1e-4)
        ]
        assert left[0] == pytest.approx(3 / 3.5, rel=1e-9)
        assert not abs(left[1]) < 10


@pytest.mark.parametrize("optimizer", ["heavy-ball", "nesterov"])
def test_divergence_is_infinite_not_nan(setting, optimizer):
    how = {"optimizer": optimizer, "momentum": 0.9}
    rate = 3 * stable_learning_rate(setting.spectrum.eigenvalues, N, **how)
    when = {"learning_rate": rate, "steps": [0, 100, 10**5, 2**62], **how}
    found = kernel_dynamics(setting.train, setting.test, setting.y, **when)
    assert np.isfinite(found.test[:2]).all()
    assert np.isinf(found.test[2:]).all()
    K = setting.nngp
    law = ensemble_law(setting.spectrum, setting.test, K[:N, :N], K[N:, :N], np.diag(K)[N:], **when)
    assert np.isposinf(law.test[2:]).all()
    assert np.isposinf(law.train[2:]).all()


@pytest.mark.parametrize("rho", [0.0, 0.7])
@pytest.mark.parametrize("optimizer", ["gradient-descent", "heavy-ball", "nesterov"])
def test_the_law_is_that_of_linear_maps(setting, optimizer, rho):
    """Training is linear in f_0: push a square root of K through the loop, and multiply."""
    how = {"optimizer": optimizer, "momentum": 0.0 if optimizer == "gradient-descent" else 0.8}
    rate = 0.7 * stable_learning_rate(setting.spectrum.eigenvalues, N, rho, **how)
    root, ntk, K = np.linalg.cholesky(setting.nngp), setting.ntk, setting.nngp

    def gradient(coefficients):  # of the training points: f = root + ntk[:, :N] @ coefficients
        return ((root + ntk[:, :N] @ coefficients)[:N] + rho * coefficients) / N

    *_, last = torch_sgd(gradient, np.zeros((N, N + M)), 12, rate, how["momentum"], optimizer == "nesterov")
    deviations = root + ntk[:, :N] @ last
    covariance = deviations @ deviations.T
    when = {"learning_rate": rate, "steps": [0, 12], "rho": rho, **how}
    law = ensemble_law(setting.spectrum, setting.test, K[:N, :N], K[N:, :N], np.diag(K)[N:], **when)
    np.testing.assert_allclose(law.train[1], np.diag(covariance)[:N], rtol=0, atol=1e-11)
    np.testing.assert_allclose(law.test[1], np.diag(covariance)[N:], rtol=0, atol=1e-11)
    test = ensemble_covariance(setting.spectrum, setting.test, K[:N, :N], K[N:, :N], K[N:, N:], **when)
    cross = ensemble_covariance_cross(setting.spectrum, setting.test, K[:N, :N], K[N:, :N], **when)
    train = ensemble_covariance_train(setting.spectrum, K[:N, :N], **when)
    for t, expected in enumerate((K, covariance)):
        np.testing.assert_allclose(test[t], expected[N:, N:], rtol=0, atol=1e-11)
        np.testing.assert_allclose(cross[t], expected[N:, :N], rtol=0, atol=1e-11)
        np.testing.assert_allclose(train[t], expected[:N, :N], rtol=0, atol=1e-11)
    assert (train == train.transpose(0, 2, 1)).all()


@pytest.mark.parametrize("optimizer", ["gradient-descent", "heavy-ball", "nesterov"])
def test_mode_residuals_are_the_residuals_in_the_eigenbasis(setting, optimizer):
    how = {"optimizer": optimizer, "momentum": 0.0 if optimizer == "gradient-descent" else 0.8}
    when = {"learning_rate": 0.3, "steps": [0, 3, 40], "rho": 0.2, **how}
    f0 = {"f0_train": setting.f0[:, :N], "f0_test": setting.f0[:, N:]}
    dynamics = kernel_dynamics(setting.train, setting.test, setting.y, **f0, **when)
    found = mode_residuals(setting.spectrum, setting.y, f0_train=f0["f0_train"], **when)
    expected = setting.spectrum.eigenvectors.T @ (setting.y - dynamics.train)
    assert found.shape == (B, 3, N, OUTPUTS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    flow = mode_residuals(setting.spectrum, setting.y, times=[0.0, 1.5, np.inf])
    c = setting.spectrum.eigenvectors.T @ setting.y
    np.testing.assert_allclose(flow[1], np.exp(-1.5 * setting.spectrum.eigenvalues / N)[:, None] * c, rtol=1e-12)
    np.testing.assert_array_equal(flow[2], 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer is 'sgd', expected one of gradient-descent, heavy-ball, nesterov, adam"),
        ({"optimizer": "adam"}, "adam has no kernel descent"),
        ({"optimizer": "nesterov", "momentum": 1.0}, r"momentum is 1.0; it must be in \[0, 1\)"),
        ({"optimizer": "nesterov", "momentum": np.nan}, "momentum is nan"),
        ({"momentum": 0.9}, "gradient-descent has none"),
        ({"optimizer": "heavy-ball", "steps": None, "learning_rate": None, "times": [1.0]}, "heavy-ball needs steps"),
        ({"optimizer": "heavy-ball", "learning_rate": 1e300}, "beyond the range"),
    ],
)
def test_mistakes_are_named(change, message):
    given = {"learning_rate": 0.1, "steps": [1], **change}
    with pytest.raises(DataError, match=message):
        kernel_dynamics(np.eye(3), np.eye(3), np.ones((3, 1)), **given)
