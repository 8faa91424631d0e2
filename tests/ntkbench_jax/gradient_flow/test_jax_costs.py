"""Kernel gradient flow on convex costs (C12), against closed forms, another integrator, and the flow's own identities.

The kernels here are written out, so that nothing depends on the package's own. A program is compiled for each cost,
solver and shape (N, O), which takes seconds, so that most problems here have the same shape.
"""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from grids import exhaustive
from mpmath import mp
from scipy.integrate import solve_ivp
from scipy.special import log_softmax, softmax

from ntkbench import kernel_dynamics
from ntkbench.errors import DataError, UnavailableError
from ntkbench_jax import cost_flow
from ntkbench_jax.gradient_flow import flow, ode
from ntkbench_jax.gradient_flow.losses import squared_error

N, M, O = 12, 5, 3  # noqa: E741


def kernel(a, b):
    squares = np.square(a[:, None] - b[None]).sum(axis=-1)
    return np.exp(-squares / 4) + 0.1 * (1 + a @ b.T)


def data():
    """Kernels on N training points, targets, labels, and an initial function."""
    rng = np.random.default_rng(0)
    x, x_test = rng.standard_normal((N, 3)), rng.standard_normal((M, 3))
    f0 = 0.5 * rng.standard_normal((N + M, O))
    labels = np.r_[np.arange(O), rng.integers(0, O, N - O)]
    return {
        "kernels": (kernel(x, x), kernel(x_test, x)),
        "y": rng.standard_normal((N, O)),
        "labels": labels,
        "f0": {"f0_train": f0[:N], "f0_test": f0[N:]},
    }


def natural_time(theta):
    """N / lambda_max, the time in which the leading component of the squared error decays by e."""
    return len(theta) / np.linalg.eigvalsh(theta)[-1]


@pytest.mark.parametrize(
    ("solver", "tolerance"),
    [("implicit", 1e-7), ("auto", 1e-12), *exhaustive(("explicit", 1e-12), ("auto", 1e-4))],
)
@pytest.mark.parametrize("span", [0.5, 30.0, 2000.0])
def test_squared_error_has_the_closed_form(solver, tolerance, span):
    given = data()
    times = span * natural_time(given["kernels"][0]) * np.linspace(0, 1, 5)
    expected = kernel_dynamics(*given["kernels"], given["y"], times=times, **given["f0"])
    options = {"rtol": tolerance, "atol": tolerance, "solver": solver}
    found = cost_flow(*given["kernels"], given["y"], cost="squared-error", times=times, **given["f0"], **options)
    largest = max(np.abs(found.train).max(), np.abs(found.test).max())
    achieved = max(np.abs(found.train - expected.train).max(), np.abs(found.test - expected.test).max())
    assert achieved <= found.error + 1e-13 * largest
    assert found.error <= tolerance * (1 + largest)
    np.testing.assert_allclose(found.cost, np.square(expected.residual_train).sum(axis=(1, 2)) / (2 * N),
                               rtol=0, atol=4 * tolerance * (1 + found.cost[0]))  # fmt: skip


def test_long_times_are_left_to_the_implicit_solver():
    given = data()
    times = [1e7 * natural_time(given["kernels"][0])]
    found = cost_flow(*given["kernels"], given["y"], cost="squared-error", times=times)
    expected = kernel_dynamics(*given["kernels"], given["y"], times=times)
    assert found.statistics.solvers == ("Kvaerno5",)
    np.testing.assert_allclose(found.test, expected.test, rtol=1e-8, atol=1e-8)


def test_members_and_times_in_any_order():
    given = data()
    start = {name: np.stack([f, -f, 2 * f]) for name, f in given["f0"].items()}
    times = np.array([0.7, 0.0, 1.9, 0.7])
    expected = kernel_dynamics(*given["kernels"], given["y"], times=times, **start)
    found = cost_flow(*given["kernels"], given["y"], cost="squared-error", times=times, rtol=1e-12, atol=1e-12, **start)
    np.testing.assert_allclose(found.train, expected.train, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.test, expected.test, rtol=0, atol=1e-11)
    assert found.cost.shape == found.gradient_norm_squared.shape == (3, 4)
    assert (found.train[:, 1] == start["f0_train"]).all()
    assert (found.test[:, 1] == start["f0_test"]).all()
    assert (found.times == times).all()


def test_logistic_cost_of_independent_points_to_forty_digits():
    """df/dt = k / (N (1 + e^f)), so f + e^f = k t / N + f_0 + e^f_0: f = c - W(e^c)."""
    k, f0, times = np.linspace(1.0, 3.0, N), np.linspace(-0.7, 0.4, N), N * np.array([0.0, 0.5, 10.0, 1e4])
    between = np.c_[np.zeros((1, N - 1)), 2.0]
    found = cost_flow(np.diag(k), between, np.ones(N, int), cost="logistic", times=times, f0_train=f0[:, None],
                      f0_test=[[0.0]], rtol=1e-12, atol=1e-12)  # fmt: skip
    with mp.workdps(40):
        sums = [[mp.mpf(a) * mp.mpf(t) / N + b + mp.exp(b) for a, b in zip(k, f0, strict=True)] for t in times]
        exact = np.array([[float(c - mp.lambertw(mp.exp(c))) for c in row] for row in sums])
    np.testing.assert_allclose(found.train[..., 0], exact, rtol=3e-12)
    np.testing.assert_allclose(found.test[:, 0, 0], 2.0 / k[-1] * (exact[:, -1] - f0[-1]), rtol=3e-12, atol=1e-12)
    np.testing.assert_allclose(found.cost, np.log1p(np.exp(-exact)).mean(axis=1), rtol=1e-10)


def test_cross_entropy_against_another_integrator():
    """DOP853 of scipy on the outputs themselves, at training and test points together."""
    given = data()
    theta, f0 = np.concatenate(given["kernels"]), np.concatenate(list(given["f0"].values()))
    y = np.eye(O)[given["labels"]]
    y[1] = [0.2, 0.3, 0.5]
    times = np.array([0.0, 0.3, 4.0, 60.0])

    def velocity(_, f):
        return (-theta @ (softmax(f.reshape(-1, O)[:N], axis=1) - y) / N).ravel()

    exact = solve_ivp(velocity, (0, 60), f0.ravel(), "DOP853", times, rtol=1e-13, atol=1e-14).y.T.reshape(4, -1, O)
    found = cost_flow(*given["kernels"], y, cost="cross-entropy", times=times, **given["f0"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.train, exact[:, :N], rtol=0, atol=3e-12)
    np.testing.assert_allclose(found.test, exact[:, N:], rtol=0, atol=3e-12)
    np.testing.assert_allclose(found.cost, -(y * log_softmax(exact[:, :N], axis=2)).sum(axis=(1, 2)) / N, atol=1e-11)


def own_cost(f, y):
    """Return a cost that is no cost of the package's."""
    return jnp.sum(jnp.logaddexp(f - y, y - f)) / len(f)


DELTA = 0.6  # of every Huber cost: a program is compiled for each
COSTS = [
    ("cross-entropy", {}, "labels"),
    pytest.param("squared-error", {}, "y", marks=pytest.mark.exhaustive),  # it has a closed form
    pytest.param("huber", {"delta": DELTA}, "y", marks=pytest.mark.exhaustive),  # its own second derivative jumps
    pytest.param(own_cost, {}, "y", marks=pytest.mark.exhaustive),
]


@pytest.mark.parametrize(("cost", "options", "targets"), COSTS, ids=["cross-entropy", "squared-error", "huber", "own"])
def test_the_cost_falls_by_the_squared_norm_of_its_gradient(cost, options, targets):
    """C12: C(0) - C(t) is the integral of |d|_K^2, here by 10 Gauss-Legendre nodes on each of 6 intervals.

    Of the Huber cost the second derivative jumps, which quadrature pays for; of the others it is exact to 1e-9.
    """
    given = data()
    end = 20 * natural_time(given["kernels"][0])
    edges = end * np.linspace(0, 1, 7) ** 2
    nodes, weights = np.polynomial.legendre.leggauss(10)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    times = np.r_[0.0, end, (middle[:, None] + half[:, None] * nodes).ravel()]
    found = cost_flow(*given["kernels"], given[targets], cost=cost, times=times, rtol=1e-10, atol=1e-10, **options,
                      **given["f0"])  # fmt: skip
    lost = found.cost[0] - found.cost[1]
    dissipated = (half[:, None] * weights * found.gradient_norm_squared[2:].reshape(6, 10)).sum()
    assert dissipated == pytest.approx(lost, rel=1e-4 if cost == "huber" else 1e-9)
    assert lost > 0.1
    ascending = np.argsort(times)
    assert (np.diff(found.cost[ascending]) < 0).all()


def test_a_cost_of_ones_own():
    given = data()
    found = cost_flow(*given["kernels"], given["y"], cost=own_cost, times=[0.0], **given["f0"])
    residual = given["f0"]["f0_train"] - given["y"]
    np.testing.assert_allclose(found.cost, [np.logaddexp(residual, -residual).sum() / N], rtol=1e-14)
    gradient = np.tanh(residual) / N
    expected = np.einsum("io,ij,jo->", gradient, given["kernels"][0], gradient)
    np.testing.assert_allclose(found.gradient_norm_squared, [expected], rtol=1e-12)


def test_the_gradient_norm_is_that_of_the_kernel():
    given = data()
    found = cost_flow(*given["kernels"], given["labels"], cost="cross-entropy", times=[0.0], **given["f0"])
    gradient = (softmax(given["f0"]["f0_train"], axis=1) - np.eye(O)[given["labels"]]) / N
    expected = np.einsum("io,ij,jo->", gradient, given["kernels"][0], gradient)
    np.testing.assert_allclose(found.gradient_norm_squared, [expected], rtol=1e-12)


@pytest.mark.exhaustive
def test_random_labels_are_fitted_and_the_infimum_is_not_attained():
    """With a positive-definite kernel any labels are separable: C falls to 0 about as 1 / t and stays above it.

    Descent on a convex cost is bounded by any other function g: ``C(f_t) <= C(g) + |g - f_0|_K^2 / (2t)``.
    """
    given = data()
    times = np.array([1e2, 1e4, 1e6, 1e8])
    found = cost_flow(*given["kernels"], given["labels"], cost="cross-entropy", times=times)
    assert (found.train[-1].argmax(axis=1) == given["labels"]).all()
    assert (found.cost > 0).all()
    sure = np.eye(O)[given["labels"]] - 1 / O
    norm = np.sum(sure * np.linalg.solve(given["kernels"][0], sure))
    margins = np.linspace(0, 40, 400)
    costs = np.array([-log_softmax(m * sure, axis=1)[np.arange(N), given["labels"]].mean() for m in margins])
    assert (found.cost <= (costs + margins**2 * norm / (2 * times[:, None])).min(axis=1)).all()
    rate = np.diff(np.log(found.cost)) / np.diff(np.log(times))
    assert (np.abs(rate[1:] + 1) < 0.1).all()


@pytest.mark.exhaustive
def test_an_infimum_that_is_attained_is_reached():
    """With no label sure, the minimum is the labels' own entropy."""
    given = data()
    y = 0.8 * np.eye(O)[given["labels"]] + 0.2 / O
    found = cost_flow(*given["kernels"], y, cost="cross-entropy", times=[1e6])
    np.testing.assert_allclose(found.cost, -(y * np.log(y)).sum() / N, rtol=1e-8)
    np.testing.assert_allclose(softmax(found.train[-1], axis=1), y, atol=1e-6)


def test_huber_with_small_residuals_is_the_squared_error():
    given = data()
    tight = {"times": [0.0, 1.0, 50.0], "rtol": 1e-11, "atol": 1e-11}
    y = given["y"] * DELTA / np.linalg.norm(given["y"])  # no residual grows beyond the norm of the first ones
    found = cost_flow(*given["kernels"], y, cost="huber", delta=DELTA, **tight)
    expected = kernel_dynamics(*given["kernels"], y, times=tight["times"])
    np.testing.assert_allclose(found.test, expected.test, rtol=0, atol=1e-10)
    assert found.cost[0] == pytest.approx(np.square(y).sum() / (2 * N), rel=1e-14)


def test_huber_of_independent_points_falls_linearly_then_exponentially():
    """Each residual y falls by k delta / N per unit of time until it is delta."""
    k, y = np.linspace(1.0, 2.0, N)[:, None], np.linspace(1.0, 5.0, O)
    times = N * np.array([0.0, 0.2, 1.0, 3.0, 5.0])
    found = cost_flow(np.diag(k[:, 0]), np.zeros((1, N)), np.tile(y, (N, 1)), cost="huber", delta=DELTA, times=times,
                      rtol=1e-9, atol=1e-9)  # fmt: skip
    t = times[:, None, None] / N
    bend = (y / DELTA - 1) / k  # when the residual is delta
    residual = np.where(t < bend, y - k * DELTA * t, DELTA * np.exp(-k * np.maximum(t - bend, 0)))
    np.testing.assert_allclose(y - found.train, residual, atol=1e-8)
    costs = np.where(residual > DELTA, DELTA * (residual - DELTA / 2), residual**2 / 2)
    np.testing.assert_allclose(found.cost, costs.sum(axis=(1, 2)) / N, atol=1e-8)


def test_binary_labels_in_either_form():
    given = data()
    labels = given["labels"] % 2
    one, other = (
        cost_flow(*given["kernels"], y, cost="logistic", times=[0.0]) for y in (labels, 2.0 * labels[:, None] - 1)
    )
    np.testing.assert_array_equal(one.cost, other.cost)
    np.testing.assert_array_equal(one.gradient_norm_squared, other.gradient_norm_squared)
    assert one.gradient_norm_squared[0] > 0


@pytest.mark.exhaustive
def test_binary_labels_two_ways():
    """Logistic on f is cross-entropy on (-f/2, f/2) with twice the kernel: their difference moves at twice the rate."""
    given = data()
    labels, (theta, between) = given["labels"] % 2, given["kernels"]
    one = cost_flow(theta, between, labels, cost="logistic", times=[0.0, 3.0])
    signs = cost_flow(theta, between, 2.0 * labels[:, None] - 1, cost="logistic", times=[0.0, 3.0])
    two = cost_flow(theta / 2, between / 2, labels, cost="cross-entropy", times=[0.0, 3.0])
    np.testing.assert_allclose(one.test[..., 0], two.test[..., 1] - two.test[..., 0], atol=1e-9)
    np.testing.assert_allclose(one.cost, two.cost, atol=1e-9)
    assert (one.train == signs.train).all()


def test_repeated_inputs_move_together():
    given = data()
    rows = [*range(N - 2), 0, 1]
    theta, between = given["kernels"][0][np.ix_(rows, rows)], given["kernels"][1][:, rows]
    y = np.r_[given["y"][:-2], given["y"][:2] + 1]
    found = cost_flow(theta, between, y, cost="squared-error", times=[1.0, 1e3], rtol=1e-10)
    expected = kernel_dynamics(theta, between, y, times=[1.0, 1e3])
    np.testing.assert_allclose(found.test, expected.test, atol=1e-9)
    np.testing.assert_allclose(found.train[:, :2], found.train[:, N - 2 :], atol=1e-12)


def test_a_kernel_of_zeros_trains_nothing():
    given = data()
    found = cost_flow(np.zeros((N, N)), np.zeros((M, N)), given["labels"], cost="cross-entropy", times=[0.0, 1e3])
    assert (found.train == 0).all()
    assert (found.test == 0).all()
    np.testing.assert_allclose(found.cost, np.log(O), rtol=1e-15)
    assert (found.gradient_norm_squared == 0).all()


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_kernels_units_are_those_of_time(scale):
    given = data()
    theta, between = given["kernels"]
    one = cost_flow(theta, between, given["labels"], cost="cross-entropy", times=[5.0])
    other = cost_flow(scale * theta, scale * between, given["labels"], cost="cross-entropy", times=[5.0 / scale])
    np.testing.assert_allclose(one.test, other.test, rtol=0, atol=1e-9)


def test_a_kernel_in_float32_is_positive_semidefinite_to_its_rounding():
    x = 0.5 * np.random.default_rng(3).standard_normal((N, 1))
    theta, y = kernel(x, x).astype(np.float32), np.sin(x * np.arange(1, O + 1))  # of rank about 6 in float32
    assert np.linalg.eigvalsh(theta.astype(np.float64))[0] < -1e-10
    found = cost_flow(theta, theta[:3], y, cost="squared-error", times=[10.0], rtol=1e-10)
    expected = kernel_dynamics(theta, theta[:3], y, times=[10.0])
    np.testing.assert_allclose(found.test, expected.test, atol=1e-6)


def test_64_bit_inside_and_nothing_left_behind():
    given = data()
    before = jax.config.jax_enable_x64
    found = cost_flow(*given["kernels"], given["labels"], cost="cross-entropy", times=[1.0])
    assert jax.config.jax_enable_x64 == before
    assert jnp.asarray(1.5).dtype == (jnp.float64 if before else jnp.float32)
    assert {a.dtype for a in (found.train, found.test, found.cost, found.gradient_norm_squared)} == {np.dtype("f8")}


BAD = [
    ({"times": [1.0, np.inf]}, "kernel_dynamics"),
    ({"times": [-1.0]}, "none may be negative"),
    ({"times": []}, r"expected \(T,\) numbers"),
    ({"cost": "hubert"}, 'did you mean "huber"'),
    ({"cost": "squared-error", "delta": 1.0}, "delta belongs to"),
    ({"cost": "huber", "delta": -1.0}, "finite and positive"),
    ({"rtol": 1e-14}, "rtol from 1e-13 to 1"),
    ({"atol": 0.0}, "positive finite atol"),
    ({"solver": "euler"}, "one of auto, explicit, implicit"),
    ({"y": np.zeros(N)}, r"expected \(12, O\)"),
    ({"y": np.zeros((N + 1, O))}, "one row per training point"),
    ({"y": np.full((N, O), np.nan)}, "must be finite"),
    ({"y": np.array(["a"] * N)}, "expected numbers"),
    ({"cost": "cross-entropy", "y": np.ones((N, O))}, "sum to 1"),
    ({"cost": "cross-entropy", "y": np.ones((N, 1))}, "use logistic"),
    ({"cost": "cross-entropy", "y": np.zeros(N)}, "integers from 0"),
    ({"cost": "cross-entropy", "y": np.full(N, -1)}, "labels range from -1"),
    ({"cost": "logistic"}, "one output"),
    ({"cost": "logistic", "y": np.arange(N)}, "0 and 1, or -1 and 1"),
    ({"f0_train": np.zeros((N, O))}, "give both or neither"),
    ({"f0_train": np.zeros((N, O)), "f0_test": np.zeros((M, O + 1))}, "f0_test has shape"),
    ({"f0_train": np.full((N, O), np.inf), "f0_test": np.zeros((M, O))}, "f0_train holds inf"),
    ({"kernels": (-np.eye(N), np.zeros((M, N)))}, "positive semidefinite"),
    ({"kernels": (np.eye(N), np.zeros((M, N + 1)))}, r"kernel_test has shape \(5, 13\)"),
    ({"cost": lambda f, y: f - y}, "to one number"),
    ({"cost": lambda f, y: np.asarray(f).sum()}, "not a JAX function"),
    ({"cost": lambda f, y: jnp.sum((f - y) ** 2).astype(jnp.float32)}, "computes in float32"),
    ({"cost": lambda f, y: jnp.sum(jnp.sqrt(f - 10))}, "not finite at the initial function"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message for _, message in BAD])
def test_mistakes_are_named(changes, message):
    given = data()
    options = {"cost": "squared-error", "times": [1.0], "solver": "explicit", **changes}
    kernels, y = options.pop("kernels", given["kernels"]), options.pop("y", given["y"])
    with pytest.raises(DataError, match=message):
        cost_flow(*kernels, y, **options)


def test_a_tolerance_that_is_not_attained_is_refused(monkeypatch):
    given, rng = data(), np.random.default_rng(0)

    def noisy(cost, basis, start, targets, times, **options):
        return ode.Solve(rng.standard_normal((len(times), N, O)), "explicit", 1, 0)

    monkeypatch.setattr(flow, "integrate", noisy)
    with pytest.raises(DataError, match=r"solves at tolerances 1e-14 and 1e-16 differ .* raise rtol or atol"):
        cost_flow(*given["kernels"], given["y"], cost="squared-error", times=[5.0])


def test_solvers_that_run_out_of_steps_are_followed_by_the_implicit_one_or_named(monkeypatch):
    given, tried = data(), []

    def tired(*arguments):
        tried.append(arguments[-2:])
        return ode.Solve(np.zeros((1, N, O)), arguments[-2], 7, 0), "it ran out of steps"

    monkeypatch.setattr(ode, "_attempt", tired)
    with pytest.raises(DataError, match=r"implicit solver did not reach t = 50 .* ran out of steps \(7 steps\)"):
        cost_flow(*given["kernels"], given["y"], cost="squared-error", times=[50.0])
    assert tried == [("explicit", 20_000), ("implicit", 50_000)]


@pytest.mark.exhaustive
def test_a_time_that_is_not_reached_is_named(monkeypatch):
    given = data()
    monkeypatch.setitem(ode._MOST_STEPS, "explicit", 5)
    with pytest.raises(DataError, match=r"explicit solver did not reach t = 50 .* ran out of steps \(5 steps\)"):
        cost_flow(*given["kernels"], given["y"], cost="squared-error", times=[50.0], solver="explicit")


def test_a_device_that_is_not_there_is_named():
    given = data()
    with pytest.raises(UnavailableError, match="quantum"):
        cost_flow(*given["kernels"], given["y"], cost=squared_error, times=[1.0], device="quantum")


def test_without_diffrax_it_says_what_to_install():
    code = (
        "import sys; sys.modules['diffrax'] = None\n"
        "from ntkbench.errors import UnavailableError\n"
        "import ntkbench_jax\n"
        "try: ntkbench_jax.cost_flow\n"
        "except UnavailableError as error: print(error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "ntkbench[jax]"' in answer.stdout
