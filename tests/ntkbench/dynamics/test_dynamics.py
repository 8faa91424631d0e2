"""The closed form against integration of the ODE, a literal loop of gradient descent, and dense matrix functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from ntkbench.dynamics import (
    Spectrum,
    decompose,
    ensemble_covariance,
    ensemble_law,
    kernel_dynamics,
    stable_learning_rate,
)
from ntkbench.errors import DataError

N, M, OUTPUTS, B = 7, 4, 2, 3


class WorkerConfig:
    """A tangent kernel and an NNGP of N + M points, targets, and B initial functions."""

    def __init__(self, seed=0, features=20):
        rng = np.random.default_rng(seed)
        jacobian, last = rng.normal(size=(N + M, features)), rng.normal(size=(N + M, 15))
        self.jacobian, self.ntk, self.nngp = jacobian, jacobian @ jacobian.T, last @ last.T
        self.train, self.test = self.ntk[:N, :N], self.ntk[N:, :N]
        self.y, self.f0 = rng.normal(size=(N, OUTPUTS)), rng.normal(size=(B, N + M, OUTPUTS))
        self.spectrum = decompose(self.train)
        self.start = {"f0_train": self.f0[:, :N], "f0_test": self.f0[:, N:]}
        self.law = (self.nngp[:N, :N], self.nngp[N:, :N], np.diag(self.nngp)[N:])

    def gain(self, time, rho=0.0):
        """g_t(T) by dense matrix functions."""
        shifted = self.train + rho * np.eye(N)
        return np.linalg.solve(shifted, np.eye(N) - expm(-time * shifted / N))


@pytest.fixture(scope="module")
def setting():
    return WorkerConfig()


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_flow_matches_the_integrated_ode_of_the_parameters(setting, rho):
    times = [0.0, 0.3, 2.0, 30.0]
    found = kernel_dynamics(setting.train, setting.test, setting.y, **setting.start, times=times, rho=rho)
    for b in range(B):
        f0, y, J = setting.f0[b], setting.y, setting.jacobian

        def velocity(_, theta, f0=f0, y=y, J=J):
            theta = theta.reshape(-1, OUTPUTS)
            return -((J[:N].T @ (f0[:N] + J[:N] @ theta - y) + rho * theta) / N).ravel()

        path = solve_ivp(velocity, (0, 30), np.zeros(J.shape[1] * OUTPUTS), t_eval=times, rtol=1e-11, atol=1e-12)
        functions = f0 + J @ path.y.T.reshape(len(times), -1, OUTPUTS)
        np.testing.assert_allclose(found.train[b], functions[:, :N], atol=1e-8)
        np.testing.assert_allclose(found.test[b], functions[:, N:], atol=1e-8)


@pytest.mark.parametrize("rho", [0.0, 0.7])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.95, 1.02])
def test_descent_matches_a_loop(setting, fraction, rho):
    rate = fraction * stable_learning_rate(setting.spectrum.eigenvalues, N, rho)
    steps = [0, 1, 2, 7, 50]
    found = kernel_dynamics(
        setting.train, setting.test, setting.y, **setting.start, learning_rate=rate, steps=steps, rho=rho
    )
    theta = np.zeros((B, setting.jacobian.shape[1], OUTPUTS))
    for step in range(51):
        function = setting.f0 + setting.jacobian @ theta
        if step in steps:
            t = steps.index(step)
            np.testing.assert_allclose(found.train[:, t], function[:, :N], rtol=0, atol=1e-12)
            np.testing.assert_allclose(found.test[:, t], function[:, N:], rtol=0, atol=1e-12)
            np.testing.assert_allclose(found.residual_train[:, t], setting.y - function[:, :N], rtol=0, atol=1e-12)
        theta -= rate / N * (setting.jacobian[:N].T @ (function[:, :N] - setting.y) + rho * theta)


def test_nothing_has_happened_at_time_zero(setting):
    for schedule in ({"times": [0.0]}, {"steps": [0], "learning_rate": 0.1}):
        found = kernel_dynamics(setting.train, setting.test, setting.y, **setting.start, **schedule)
        assert (found.train[:, 0] == setting.f0[:, :N]).all()
        assert (found.test[:, 0] == setting.f0[:, N:]).all()
        assert (found.residual_train[:, 0] == setting.y - setting.f0[:, :N]).all()


def test_leading_axes_are_any_and_f0_defaults_to_zero(setting):
    zero = kernel_dynamics(setting.train, setting.test, setting.y, times=[0.5, 1.0])
    assert zero.train.shape == (2, N, OUTPUTS)
    assert zero.test.shape == (2, M, OUTPUTS)
    shape = (2, 1, B)
    start = {key: np.broadcast_to(value, (2, 1, *value.shape)) for key, value in setting.start.items()}
    many = kernel_dynamics(setting.train, setting.test, setting.y, **start, times=[0.5, 1.0])
    one = kernel_dynamics(
        setting.train, setting.test, setting.y, f0_train=setting.f0[1, :N], f0_test=setting.f0[1, N:], times=[0.5, 1.0]
    )
    assert many.test.shape == (*shape, 2, M, OUTPUTS)
    np.testing.assert_allclose(many.test[1, 0, 1], one.test, atol=1e-14)
    f0 = np.zeros((N, OUTPUTS)), np.zeros((M, OUTPUTS))
    same = kernel_dynamics(setting.train, setting.test, setting.y, f0_train=f0[0], f0_test=f0[1], times=[0.5, 1.0])
    np.testing.assert_array_equal(same.test, zero.test)


def test_infinite_time_is_regression_and_the_limit_of_finite_times(setting):
    found = kernel_dynamics(setting.train, setting.test, setting.y, **setting.start, times=[1e4, np.inf])
    expected = setting.f0[:, N:] + setting.test @ np.linalg.solve(setting.train, setting.y - setting.f0[:, :N])
    np.testing.assert_allclose(found.test[:, 1], expected, atol=1e-12)
    np.testing.assert_allclose(found.test[:, 0], expected, atol=1e-11)
    np.testing.assert_array_equal(found.train[:, 1], np.broadcast_to(setting.y, (B, N, OUTPUTS)))
    assert found.rank == N
    assert 0 < found.cutoff < 1e-12 * setting.spectrum.eigenvalues[0]
    assert kernel_dynamics(setting.train, setting.test, setting.y, times=[1.0]).rank is None


def test_ridge_at_infinite_time_is_ridge_regression(setting):
    rho = 0.3
    found = kernel_dynamics(setting.train, setting.test, setting.y, times=[np.inf], rho=rho)
    weights = np.linalg.solve(setting.train + rho * np.eye(N), setting.y)
    np.testing.assert_allclose(found.test[0], setting.test @ weights, atol=1e-12)
    np.testing.assert_allclose(found.train[0], setting.train @ weights, atol=1e-12)
    np.testing.assert_allclose(found.residual_train[0], rho * weights, atol=1e-12)


def test_duplicates_with_conflicting_targets_end_at_their_mean():
    rng = np.random.default_rng(1)
    jacobian = rng.normal(size=(9, 12))
    jacobian[1] = jacobian[0]
    kernel = jacobian @ jacobian.T
    y = rng.normal(size=(6, 1))
    found = kernel_dynamics(kernel[:6, :6], kernel[6:, :6], y, times=[1e6, np.inf])
    assert found.rank == 5
    mean = (y[0] + y[1]) / 2
    for t in range(2):
        np.testing.assert_allclose(found.train[t, :2], [mean, mean], atol=1e-9)
        np.testing.assert_allclose(found.train[t, 2:], y[2:], atol=1e-9)
    merged = np.vstack([mean, y[2:]])
    expected = kernel[6:, 1:6] @ np.linalg.solve(kernel[1:6, 1:6], merged)
    np.testing.assert_allclose(found.test[1], expected, atol=1e-10)


def test_what_f0_has_in_the_null_space_stays():
    kernel = np.diag([2.0, 1.0, 0.0])
    f0 = np.array([[1.0], [2.0], [3.0]])
    found = kernel_dynamics(kernel, kernel[:1], np.zeros((3, 1)), f0_train=f0, f0_test=f0[:1], times=[1.0, np.inf])
    np.testing.assert_allclose(found.train[1, :, 0], [0, 0, 3], atol=1e-15)
    assert found.rank == 2


def test_a_negative_eigenvalue_raises_the_cutoff():
    kernel = np.diag([1.0, 1e-3, -1e-6])
    found = kernel_dynamics(kernel, kernel[:1], np.ones((3, 1)), times=[np.inf])
    assert found.cutoff == 1e-6
    assert found.rank == 2


def test_the_cutoff_knows_the_precision_of_the_kernel():
    kernel = np.eye(4, dtype=np.float32)
    found = kernel_dynamics(kernel, kernel, np.ones((4, 1)), times=[np.inf])
    assert found.cutoff == 4 * np.finfo(np.float32).eps


def test_zero_kernel_learns_nothing():
    found = kernel_dynamics(np.zeros((3, 3)), np.zeros((2, 3)), np.ones((3, 1)), times=[0.0, 1.0, np.inf])
    assert (found.train == 0).all()
    assert (found.test == 0).all()
    assert found.rank == 0


def test_small_residuals_keep_their_digits():
    kernel = np.diag([4.0, 2.0, 1.0])
    rate, steps = 0.6, 400
    found = kernel_dynamics(kernel, kernel, np.ones((3, 1)), learning_rate=rate, steps=[steps])
    with mp.workdps(50):
        exact = [(1 - mp.mpf(rate) * value / 3) ** steps for value in (4, 2, 1)]
    np.testing.assert_allclose(found.residual_train[0, :, 0], [float(e) for e in exact], rtol=2e-13)
    flow = kernel_dynamics(kernel, kernel, np.ones((3, 1)), times=[300.0])
    np.testing.assert_allclose(flow.residual_train[0, :, 0], np.exp([-400.0, -200.0, -100.0]), rtol=2e-13)


@settings(max_examples=200, deadline=None)
@given(
    eigenvalue=st.one_of(st.just(0.0), st.floats(1e-300, 1e3), st.floats(1e-20, 1e-5)),
    fraction=st.one_of(st.floats(1e-3, 0.999), st.sampled_from([0.5, 1.0, 1 - 1e-15, 1.0 + 1e-15])),
    step=st.integers(0, 10**6),
)
def test_the_gain_is_accurate_at_any_eigenvalue(eigenvalue, fraction, step):
    """One point with a diagonal kernel exposes g itself, beside a second that sets the scale of the rate."""
    largest = max(eigenvalue, 1.0)
    rate = fraction * 2 * 2 / largest
    spectrum = Spectrum(np.array([largest, eigenvalue]), np.eye(2))
    found = kernel_dynamics(
        np.diag([largest, eigenvalue]), np.eye(2), np.ones((2, 1)), learning_rate=rate, steps=[step], spectrum=spectrum
    )
    with mp.workdps(340):
        for i, value in enumerate((largest, eigenvalue)):
            # the product rate * value / 2 is formed in float64; its rounding is the problem's, not the method's
            a = mp.mpf(rate * value / 2)
            exact = (1 - (1 - a) ** step) / a if a else mp.mpf(step)
            exact *= mp.mpf(rate) / 2
            assert abs(found.test[0, i, 0] - exact) <= mp.mpf("1e-13") * abs(exact)


def test_divergence_is_told_honestly(setting):
    rate = 3 * stable_learning_rate(setting.spectrum.eigenvalues, N)
    found = kernel_dynamics(
        setting.train, setting.test, setting.y, **setting.start, learning_rate=rate, steps=[0, 100, 10**4, 10**15]
    )
    assert np.isfinite(found.train[:, :2]).all()
    assert np.isinf(found.train[:, 2:]).all()
    assert np.isinf(found.test[:, 2:]).all()
    step = 300
    late = kernel_dynamics(setting.train, setting.test, setting.y, learning_rate=rate, steps=[step])
    with mp.workdps(60):
        T = mp.matrix(setting.train.tolist())
        matrix = mp.eye(N) - T * (mp.mpf(rate) / N)
        residual = (matrix**step) * mp.matrix(setting.y.tolist())
        exact = np.array(residual.tolist(), dtype=float)
        test = mp.matrix(setting.test.tolist()) * T**-1 * (mp.matrix(setting.y.tolist()) - residual)
    np.testing.assert_allclose(late.residual_train[0], exact, rtol=1e-11)
    np.testing.assert_allclose(late.test[0], np.array(test.tolist(), dtype=float), rtol=1e-11)


def test_divergence_of_the_law_is_infinite_not_nan(setting):
    rate = 3 * stable_learning_rate(setting.spectrum.eigenvalues, N)
    law = ensemble_law(setting.spectrum, setting.test, *setting.law, learning_rate=rate, steps=[0, 100, 10**5])
    assert np.isfinite(law.test[:2]).all()
    assert np.isposinf(law.test[2]).all()
    assert np.isposinf(law.train[2]).all()


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_law_matches_dense_matrix_functions(setting, rho):
    times, K = [0.0, 0.4, 5.0, np.inf], setting.nngp
    law = ensemble_law(setting.spectrum, setting.test, *setting.law, times=times, rho=rho)
    full = ensemble_covariance(setting.spectrum, setting.test, *setting.law[:2], K[N:, N:], times=times, rho=rho)
    for t, time in enumerate(times):
        gain = np.linalg.inv(setting.train + rho * np.eye(N)) if time == np.inf else setting.gain(time, rho)
        A = setting.ntk[:, :N] @ gain
        covariance = K + A @ K[:N, :N] @ A.T - A @ K[:N] - K[:, :N] @ A.T
        np.testing.assert_allclose(law.train[t], np.diag(covariance)[:N], atol=1e-11)
        np.testing.assert_allclose(law.test[t], np.diag(covariance)[N:], atol=1e-11)
        np.testing.assert_allclose(full[t], covariance[N:, N:], atol=1e-11)
        np.testing.assert_allclose(np.diag(full[t]), law.test[t], atol=1e-12)
    assert (full == full.transpose(0, 2, 1)).all()


def test_law_of_descent_is_the_law_of_linear_maps(setting):
    """Descent is linear in f_0: push a square root of K through a literal loop."""
    rate = 0.7 * stable_learning_rate(setting.spectrum.eigenvalues, N)
    root = np.linalg.cholesky(setting.nngp)
    function = root.copy()
    for _ in range(12):
        function = function - rate / N * setting.ntk[:, :N] @ function[:N]
    variance = np.sum(function**2, axis=1)
    law = ensemble_law(setting.spectrum, setting.test, *setting.law, learning_rate=rate, steps=[12])
    np.testing.assert_allclose(law.train[0], variance[:N], rtol=1e-11)
    np.testing.assert_allclose(law.test[0], variance[N:], rtol=1e-11)


def test_law_starts_at_the_nngp_and_ends_without_variance_on_the_training_points(setting):
    law = ensemble_law(setting.spectrum, setting.test, *setting.law, times=[0.0, np.inf])
    np.testing.assert_array_equal(law.test[0], setting.law[2])
    np.testing.assert_allclose(law.train[0], np.diag(setting.nngp)[:N], rtol=1e-14)
    np.testing.assert_array_equal(law.train[1], 0)


def test_law_driven_by_the_nngp_is_the_posterior(setting):
    K = setting.nngp
    full = ensemble_covariance(decompose(K[:N, :N]), K[N:, :N], K[:N, :N], K[N:, :N], K[N:, N:], times=[np.inf])
    posterior = K[N:, N:] - K[N:, :N] @ np.linalg.solve(K[:N, :N], K[:N, N:])
    np.testing.assert_allclose(full[0], posterior, atol=1e-11)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), features=st.integers(1, 30), time=st.sampled_from([0.0, 1e-9, 0.1, 10.0, np.inf])
)
def test_variances_are_never_negative(seed, features, time):
    s = WorkerConfig(seed, features)
    law = ensemble_law(s.spectrum, s.test, *s.law, times=[time])
    assert (law.train >= 0).all()
    assert (law.test >= 0).all()


def test_decompose_is_descending_orthogonal_and_deterministic(setting):
    s = decompose(setting.train)
    assert (np.diff(s.eigenvalues) <= 0).all()
    np.testing.assert_allclose(s.eigenvectors.T @ s.eigenvectors, np.eye(N), atol=1e-14)
    np.testing.assert_allclose(s.eigenvectors * s.eigenvalues @ s.eigenvectors.T, setting.train, atol=1e-13)
    largest = s.eigenvectors[np.abs(s.eigenvectors).argmax(axis=0), np.arange(N)]
    assert (largest > 0).all()
    np.testing.assert_array_equal(decompose(setting.train.copy()).eigenvectors, s.eigenvectors)


def test_stable_learning_rate():
    assert stable_learning_rate([4.0, 1.0], 8) == 4.0
    assert stable_learning_rate([4.0, 1.0], 8, rho=4.0) == 2.0
    assert stable_learning_rate([0.0], 8) == np.inf


GOOD = {"kernel_train": np.eye(3), "kernel_test": np.ones((2, 3)), "y_train": np.ones((3, 1)), "times": [1.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel_train": np.ones((3, 2))}, r"kernel_train has shape \(3, 2\)"),
        ({"kernel_train": np.array([[1.0, 2], [0, 1]])}, "not symmetric"),
        ({"kernel_train": np.eye(3) * np.nan}, r"kernel_train\[0, 0\] is nan"),
        ({"kernel_train": np.zeros((0, 0))}, "kernel_train has shape"),
        ({"kernel_test": np.ones((2, 4))}, r"kernel_test has shape \(2, 4\), expected \(M, 3\)"),
        ({"kernel_test": np.ones(3)}, "kernel_test has 1 axes"),
        ({"y_train": np.ones(3)}, "y_train has 1 axes"),
        ({"y_train": np.ones((4, 1))}, r"y_train has shape \(4, 1\)"),
        ({"y_train": np.full((3, 1), np.inf)}, r"y_train\[0, 0\] is inf"),
        ({"f0_train": np.ones((3, 1))}, "both or neither"),
        ({"f0_train": np.ones((5, 3, 1)), "f0_test": np.ones((4, 2, 1))}, r"f0_test has shape \(4, 2, 1\)"),
        ({"f0_train": np.ones((3, 2)), "f0_test": np.ones((2, 1))}, r"f0_train has shape \(3, 2\)"),
        ({"times": None}, "give steps with a learning_rate"),
        ({"steps": [1], "learning_rate": 0.1}, "give steps with a learning_rate"),
        ({"times": None, "steps": [1]}, "learning_rate belongs to steps"),
        ({"learning_rate": 0.1}, "learning_rate belongs to steps"),
        ({"times": [-1.0]}, "times holds -1.0"),
        ({"times": [np.nan]}, "times holds nan"),
        ({"times": []}, r"times has shape \(0,\)"),
        ({"times": None, "steps": [0.5], "learning_rate": 0.1}, "integers"),
        ({"times": None, "steps": [1], "learning_rate": -0.1}, "learning_rate is -0.1"),
        ({"times": None, "steps": [1], "learning_rate": np.nan}, "learning_rate is nan"),
        ({"rho": -1.0}, "rho is -1.0"),
        ({"spectrum": decompose(np.eye(2))}, r"kernel_train has shape \(3, 3\), expected \(2, 2\)"),
    ],
)
def test_mistakes_are_named(change, message):
    arguments = GOOD | change
    with pytest.raises(DataError, match=message):
        kernel_dynamics(**{key: value for key, value in arguments.items() if value is not None})


def test_mistakes_in_the_law_are_named(setting):
    with pytest.raises(DataError, match="nngp_test_diagonal has shape"):
        ensemble_law(setting.spectrum, setting.test, *setting.law[:2], np.ones(M + 1), times=[1.0])
    with pytest.raises(DataError, match="nngp_train has shape"):
        ensemble_law(setting.spectrum, setting.test, np.eye(2), *setting.law[1:], times=[1.0])
    with pytest.raises(DataError, match="but nngp_test is"):
        ensemble_law(setting.spectrum, setting.test, setting.law[0], np.ones((1, N)), setting.law[2], times=[1.0])
    with pytest.raises(DataError, match="nngp_test_test has shape"):
        ensemble_covariance(setting.spectrum, setting.test, *setting.law[:2], np.eye(2), times=[1.0])
