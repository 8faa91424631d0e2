"""Each synthetic target against an independent statement of what it is."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, special, stats

from ntkbench_synthetic import circle, gaussian_process, harmonic, interval, teacher
from ntkbench_synthetic.parameters import Circle, GaussianProcess, Harmonic, Sine, Step, Teacher
from ntkbench_synthetic.sampling import generator


def test_sine_is_the_sine_on_a_grid_with_both_ends():
    problem = interval.load_sine(Sine(low=-2, high=3, frequency=0.5, amplitude=3, phase=0.25, n_test=11), 0, 0)
    np.testing.assert_allclose(problem.x_test[:, 0], np.arange(-2, 3.5, 0.5), rtol=1e-15)
    np.testing.assert_allclose(problem.y_test[:, 0], 3 * np.sin(np.pi * np.arange(-2, 3.5, 0.5) + 0.25), atol=1e-14)
    assert np.all((problem.x_train >= -2) & (problem.x_train < 3))


def test_sine_inputs_are_uniform():
    x = interval.load_sine(Sine(low=-2, high=3, n_train=4000), 0, 0).x_train.ravel()
    assert stats.kstest(x, stats.uniform(-2, 5).cdf).pvalue > 1e-6


def test_step_jumps_once_at_its_location():
    problem = interval.load_step(Step(low=0, high=4, location=1, height=3, n_test=5, noise=0), 0, 0)
    assert problem.y_test.ravel().tolist() == [-1.5, 1.5, 1.5, 1.5, 1.5]
    np.testing.assert_array_equal(problem.y_train, np.where(problem.x_train < 1, -1.5, 1.5))


@pytest.mark.parametrize("angles", ["random", "even"])
def test_circle_targets_are_the_product_of_the_coordinates(angles):
    problem = circle.load(Circle(angles=angles), 0, 5)
    for x, y in ((problem.x_train, problem.y_train), (problem.x_test, problem.y_test)):
        np.testing.assert_array_equal(y[:, 0], x[:, 0] * x[:, 1])
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-15)


def test_circle_test_points_are_an_even_grid_of_angles():
    x = circle.load(Circle(n_test=8), 0, 0).x_test
    angles = np.unwrap(np.arctan2(x[:, 1], x[:, 0]))
    np.testing.assert_allclose(np.diff(angles), np.pi / 4, rtol=1e-12)


def test_four_even_angles_are_not_the_zeros_of_the_target():
    problem = circle.load(Circle(n_train=4, angles="even"), 0, 0)
    np.testing.assert_allclose(problem.y_train.ravel(), [0.5, -0.5, 0.5, -0.5], rtol=1e-14)


def test_gaussian_inputs_leave_the_circle_and_the_test_points_stay_on_it():
    problem = circle.load(Circle(angles="gaussian", n_train=4000, n_test=8), 0, 0)
    x = problem.x_train
    np.testing.assert_array_equal(problem.y_train[:, 0], x[:, 0] * x[:, 1])
    assert stats.kstest(np.square(x).sum(axis=1), stats.chi2(2).cdf).pvalue > 1e-6
    assert stats.kstest(np.arctan2(x[:, 1], x[:, 0]), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-6
    np.testing.assert_array_equal(problem.x_test, circle.load(Circle(n_test=8), 0, 0).x_test)
    np.testing.assert_array_equal(problem.x_test[4], [1, 0])  # the x_0 of J18 Fig. 1 is test point M / 2


def test_circle_angles_are_uniform():
    x = circle.load(Circle(n_train=4000), 0, 0).x_train
    assert stats.kstest(np.arctan2(x[:, 1], x[:, 0]), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-6


@pytest.mark.parametrize("d", [2, 3, 4, 7, 50])
def test_harmonics_are_orthonormal_over_the_sphere(d):
    degrees = range(9)
    t, weights = special.roots_jacobi(16, (d - 3) / 2, (d - 3) / 2)  # exact to degree 31 for the law of <x, axis>
    Z = np.array([harmonic.zonal(k, d, t) for k in degrees])
    np.testing.assert_allclose((Z * weights / weights.sum()) @ Z.T, np.eye(len(degrees)), atol=1e-10)


@pytest.mark.parametrize("d", [2, 3, 4, 7, 50])
@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_harmonics_are_gegenbauer_polynomials(k, d):
    t = np.linspace(-1, 1, 41)
    C = special.eval_chebyt(k, t) if d == 2 else special.eval_gegenbauer(k, (d - 2) / 2, t)
    np.testing.assert_allclose(harmonic.zonal(k, d, t), np.sqrt(harmonic.harmonics(k, d)) * C / C[-1], atol=1e-10)


@given(k=st.integers(0, 40), d=st.integers(2, 60))
def test_spaces_of_harmonics_add_up_to_the_homogeneous_polynomials(k, d):
    assert sum(harmonic.harmonics(j, d) for j in range(k, -1, -2)) == comb(k + d - 1, k)


def test_the_largest_harmonic_allowed_is_finite():
    assert np.isfinite(harmonic.zonal(64, 10_000, np.array([-1.0, 0.0, 1.0]))).all()


def test_a_sum_of_harmonics_has_unit_mean_square_on_the_circle():
    problem = harmonic.load(Harmonic(dimension=2, degrees=(1, 4, 7), n_test=64), 0, 0)
    np.testing.assert_allclose(np.mean(problem.y_test**2), 1, rtol=1e-12)  # the grid is exact below degree 32


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_harmonic_has_unit_mean_square_over_random_points(degree):
    squares = harmonic.load(Harmonic(degrees=(degree,), n_train=20_000), 0, 0).y_train ** 2
    assert abs(squares.mean() - 1) < 5 * squares.std() / np.sqrt(squares.size)


def test_harmonic_inputs_lie_on_the_sphere_and_the_axis_outlives_the_split():
    first, second = (harmonic.load(Harmonic(dimension=5, degrees=(1,)), split, 3) for split in (0, 1))
    for problem in (first, second):
        for x in (problem.x_train, problem.x_test):
            np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-14)
    axes = [np.linalg.lstsq(problem.x_train, problem.y_train)[0] for problem in (first, second)]
    np.testing.assert_allclose(axes[0], axes[1], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(axes[0]), np.sqrt(5), rtol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_a_teacher_is_its_network_unit_by_unit(activation):
    p = Teacher(depth=2, width=3, dimension=2, outputs=2, activation=activation, weight_std=1.3, bias_std=0.4)
    problem = teacher.load(p, 0, 0)
    phi = special.erf if activation == "erf" else lambda z: max(z, 0.0)
    h = list(problem.x_test[7])
    for layer, (W, b) in enumerate(teacher.draw_layers(p, 0)):
        units = range(W.shape[1])
        z = [sum(1.3 * W[i, j] * h[i] for i in range(len(h))) / len(h) ** 0.5 + 0.4 * b[j] for j in units]
        h = z if layer == 2 else [phi(value) for value in z]
    np.testing.assert_allclose(problem.y_test[7], h, rtol=1e-12)


def test_teachers_vary_like_the_nngp_kernel():
    """Depth 1, ReLU: E f(x)^2 = weight_std^2 K_1 / 2 + bias_std^2 exactly, at every width [CS09]."""
    x, squares = np.array([[0.3, -1.2, 0.5]]), []
    for seed in range(2000):
        p = Teacher(dimension=3, width=8, weight_std=1.3, bias_std=0.4)
        squares.append(teacher.outputs(x, teacher.draw_layers(p, seed), p).item() ** 2)
    K_1 = 1.3**2 * np.sum(x**2) / 3 + 0.4**2
    error = np.mean(squares) - (1.3**2 * K_1 / 2 + 0.4**2)
    assert abs(error) < 5 * np.std(squares) / np.sqrt(len(squares))


def test_splits_share_a_teacher_and_seeds_do_not():
    p = Teacher(inputs="sphere", dimension=2)  # the test grid of the circle is the same for all
    first = teacher.load(p, 0, 0)
    np.testing.assert_array_equal(first.y_test, teacher.load(p, 4, 0).y_test)
    assert not np.isclose(first.y_test, teacher.load(p, 0, 9).y_test).all()


def test_a_teacher_of_its_own_seed_outlives_the_studys():
    p = Teacher(inputs="sphere", dimension=2, teacher_seed=0)
    first = teacher.load(p, 0, 0)
    np.testing.assert_array_equal(first.y_test, teacher.load(p, 4, 9).y_test)
    other = teacher.load(p.model_copy(update={"teacher_seed": 1}), 0, 0)
    assert not np.isclose(first.y_test, other.y_test).all()
    np.testing.assert_array_equal(first.x_train, other.x_train)


def test_a_linear_teacher_is_linear():
    p = Teacher(depth=0, bias_std=0)
    problem = teacher.load(p, 0, 0)
    coefficients = np.linalg.lstsq(problem.x_train, problem.y_train)[0]
    np.testing.assert_allclose(problem.x_test @ coefficients, problem.y_test, atol=1e-12)


def test_a_process_is_the_symmetric_root_of_its_kernel_times_noise():
    A = generator("kernel", 0).standard_normal((12, 12))
    f = gaussian_process.draw(A @ A.T, generator("function", 1))
    np.testing.assert_allclose(f, linalg.sqrtm(A @ A.T) @ generator("function", 1).standard_normal(12), rtol=1e-8)


def test_a_process_of_a_singular_kernel_stays_in_its_range():
    v = generator("kernel", 0).standard_normal((20, 2))
    f = gaussian_process.draw(v @ v.T, generator("function", 0))
    residual = f - v @ np.linalg.lstsq(v, f)[0]
    assert np.abs(residual).max() < 1e-6 * np.abs(f).max()


def test_the_process_of_an_architecture_without_hidden_layers_is_affine():
    pytest.importorskip("jax")
    problem = gaussian_process.load(GaussianProcess(depth=0, dimension=3, inputs="gaussian", bias_std=0.5), 0, 0)
    with_one = [np.column_stack([x, np.ones(len(x))]) for x in (problem.x_train, problem.x_test)]
    coefficients = np.linalg.lstsq(with_one[0], problem.y_train)[0]
    np.testing.assert_allclose(with_one[1] @ coefficients, problem.y_test, atol=1e-5)


def test_processes_have_the_covariance_of_their_kernel():
    """The whitened draws K^-1/2 f over seeds are standard normal."""
    pytest.importorskip("jax")
    from ntkbench import Architecture
    from ntkbench_jax import analytic_kernels

    p = GaussianProcess(depth=1, activation="erf", n_train=3, n_test=2, bias_std=0.3)
    whitened = []
    for seed in range(100):
        problem = gaussian_process.load(p, 0, seed)
        x, f = (np.concatenate(pair) for pair in ((problem.x_train, problem.x_test), (problem.y_train, problem.y_test)))
        architecture = Architecture(depth=1, activation="erf", bias_std=0.3)
        K = np.asarray(analytic_kernels(x, architecture=architecture).nngp)
        whitened.append(np.linalg.solve(np.linalg.cholesky(K), f[:, 0]))
    assert stats.kstest(np.concatenate(whitened), "norm").pvalue > 1e-6
