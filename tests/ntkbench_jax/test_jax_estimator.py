"""NTKRegressor as scikit-learn's users expect it."""

import pickle
import warnings

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench_jax import NTKRegressor, analytic_kernels
from ntkbench_jax.regression import direct, eigen, source, suitable
from ntkbench_jax.regression.choose import fit
from ntkbench_jax.regression.problem import RegressionProblem


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([NTKRegressor(), NTKRegressor(solver="iterative", time=30.0)])
def test_the_conformance_suite(estimator, check):
    check(estimator)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        NTKRegressor(activation="erf", kernel="nngp", ridge=0.1, time=10.0),
        NTKRegressor(solver="cholesky", ridge=1e-3),
        NTKRegressor(solver="iterative", ridge=1e-3),
    ]
)
def test_the_conformance_suite_of_other_settings(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 3)), rng.normal(size=(12, 2)), rng.normal(size=(7, 3))


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_mean_and_covariance(data, kernel, ridge):
    x, y, z = data
    kernels = analytic_kernels(np.vstack([x, z]), architecture=Architecture(depth=3))
    driving, K = getattr(kernels, kernel), kernels.nngp
    rho = ridge * np.mean(np.diag(driving)[:12])
    A = driving[12:, :12] @ np.linalg.inv(driving[:12, :12] + rho * np.eye(12))
    covariance = K[12:, 12:] + A @ K[:12, :12] @ A.T - A @ K[:12, 12:] - K[12:, :12] @ A.T
    fitted = NTKRegressor(kernel=kernel, ridge=ridge).fit(x, y)
    mean, found = fitted.predict(z, return_cov=True)
    np.testing.assert_allclose(mean, A @ y, atol=1e-10)
    assert found.shape == (7, 7, 2)
    np.testing.assert_allclose(found[..., 1], covariance, atol=1e-10)
    same, std = fitted.predict(z, return_std=True)
    np.testing.assert_array_equal(same, mean)
    np.testing.assert_allclose(std[:, 0] ** 2, np.diag(covariance), atol=1e-10)


def test_it_interpolates_without_ridge_and_knows_nothing_at_time_zero(data):
    x, y, z = data
    np.testing.assert_allclose(NTKRegressor().fit(x, y).predict(x), y, atol=1e-10)
    mean, std = NTKRegressor(time=0.0).fit(x, y[:, 0]).predict(z, return_std=True)
    np.testing.assert_array_equal(mean, 0)
    prior = np.diag(analytic_kernels(z, architecture=Architecture(depth=3)).nngp)
    np.testing.assert_allclose(std, np.sqrt(prior), rtol=1e-14)


def test_one_target_is_one_column_of_many(data):
    x, y, z = data
    one, many = NTKRegressor().fit(x, y[:, 1]), NTKRegressor().fit(x, y)
    np.testing.assert_allclose(one.predict(z), many.predict(z)[:, 1], atol=1e-13)
    assert one.predict(z, return_std=True)[1].shape == (7,)
    assert one.predict(z, return_cov=True)[1].shape == (7, 7)


def test_duplicates_lower_the_rank(data):
    x, y, _ = data
    fitted = NTKRegressor().fit(np.vstack([x, x[:1]]), np.vstack([y, y[:1] + 2]))
    assert fitted.rank_ == 12
    np.testing.assert_allclose(fitted.predict(x[:1]), y[:1] + 1, atol=1e-9)
    assert NTKRegressor(time=3.0).fit(x, y).rank_ is None


def test_in_pipelines_and_searches():
    x, y = make_friedman1(60, noise=0.1, random_state=0)
    pipeline = make_pipeline(StandardScaler(), NTKRegressor(ridge=1e-3))
    assert cross_val_score(pipeline, x, y - y.mean(), cv=3).mean() > 0.5
    search = GridSearchCV(NTKRegressor(), {"depth": [1, 2], "kernel": ["ntk", "nngp"]}, cv=2).fit(x, y)
    assert search.best_params_["depth"] in (1, 2)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kernel": "rbf"}, 'expected "ntk" or "nngp"'),
        ({"ridge": -1.0}, "ridge is -1.0"),
        ({"time": -1.0}, "time is -1.0"),
        ({"ridge": "much"}, "ridge is 'much'"),
        ({"ridge": np.nan}, "ridge is nan"),
        ({"time": np.nan}, "time is nan"),
        ({"tol": 0.0}, "tol is 0.0"),
        ({"solver": "cholesk"}, r'did you mean "cholesky"'),
        ({"solver": "cholesky", "time": 3.0}, 'use "iterative" or "eigen"'),
        ({"depth": -1}, "depth is -1: Input should be greater than or equal to 0"),
        ({"weight_std": -2.0}, "weight_std is -2"),
        ({"activation": 3}, "activation is 3"),
    ],
)
def test_wrong_parameters_are_named(data, keys, message):
    with pytest.raises(ValueError, match=message):
        NTKRegressor(**keys).fit(*data[:2])


def test_std_and_cov_at_once(data):
    with pytest.raises(ValueError, match="not both"):
        NTKRegressor().fit(*data[:2]).predict(data[2], return_std=True, return_cov=True)


@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("columns", [1, 2])
def test_every_solver_finds_the_same(data, kernel, ridge, columns):
    x, y, z = data
    y = y[:, 0] if columns == 1 else y
    exact = NTKRegressor(kernel=kernel, ridge=ridge, solver="eigen").fit(x, y)
    direct_ = NTKRegressor(kernel=kernel, ridge=ridge, solver="cholesky").fit(x, y)
    iterated = NTKRegressor(kernel=kernel, ridge=ridge, solver="iterative", tol=1e-13).fit(x, y)
    for found in (direct_, iterated):
        np.testing.assert_allclose(found.predict(z), exact.predict(z), atol=1e-12)
        assert found.error_.shape == (columns,)
        assert found.error_.max() < 1e-13
        assert found.rho_ == pytest.approx(exact.rho_, rel=1e-14)
    assert (exact.rank_, direct_.rank_, iterated.rank_) == (12, 12, None)
    assert (exact.error_, exact.iterations_) == (None, None)
    assert direct_.iterations_ <= 3
    assert iterated.iterations_ <= 6
    problem = RegressionProblem(x, y.reshape(12, -1), Architecture(depth=3), kernel, ridge, np.inf, 1e-13)
    for name, fitted in (("eigen", exact), ("cholesky", direct_), ("iterative", iterated)):
        at_points = fit(problem, name)[1].mean_train()
        np.testing.assert_allclose(at_points, fitted.predict(x).reshape(12, -1), atol=1e-12)
    for spread in ({"return_std": True}, {"return_cov": True}):
        for one, other in zip(direct_.predict(z, **spread), exact.predict(z, **spread), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("time", [0.0, 1e-3, 5.0, 1e4])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_finite_times_by_lanczos(data, time, ridge):
    x, y, z = data
    exact = NTKRegressor(ridge=ridge, time=time, solver="eigen").fit(x, y)
    found = NTKRegressor(ridge=ridge, time=time, solver="iterative", tol=1e-13).fit(x, y)
    np.testing.assert_allclose(found.predict(z), exact.predict(z), atol=1e-12)
    assert found.error_.max() <= 1e-13


@pytest.mark.parametrize("time", [3.0, np.inf])
def test_the_iterative_solver_knows_no_spread(data, time):
    x, y, z = data
    fitted = NTKRegressor(solver="iterative", time=time).fit(x, y)
    for spread in ({"return_std": True}, {"return_cov": True}):
        with pytest.raises(DataError, match='use solver "eigen"') as raised:
            fitted.predict(z, **spread)
        assert ('"cholesky"' in str(raised.value)) == (time == np.inf)


def test_auto_chooses_by_size_and_time(data, monkeypatch):
    x, y, z = data
    duplicated, twice = np.vstack([x, x]), np.vstack([y, y])
    for name in ("_EIGEN_AT_REST", "_EIGEN_IN_TIME"):
        monkeypatch.setattr(suitable, name, 11)
    assert NTKRegressor().fit(x[:11], y[:11]).solver_ == "eigen"
    assert NTKRegressor().fit(x, y).solver_ == "cholesky"
    assert NTKRegressor(time=3.0).fit(x[:11], y[:11]).solver_ == "eigen"
    assert NTKRegressor(time=3.0).fit(x, y).solver_ == "iterative"
    fallen_back = NTKRegressor().fit(duplicated, twice)
    assert (fallen_back.solver_, fallen_back.rank_) == ("eigen", 12)
    np.testing.assert_allclose(fallen_back.predict(z), NTKRegressor(solver="eigen").fit(x, y).predict(z), atol=1e-10)
    monkeypatch.setattr(suitable, "_EIGEN_IF_SINGULAR", 11)
    with pytest.raises(DataError, match="give a ridge, drop"):
        NTKRegressor().fit(duplicated, twice)
    monkeypatch.setattr(suitable, "_CHOLESKY", 11)
    assert NTKRegressor().fit(x, y).solver_ == "iterative"


def test_singular_systems_are_solved_refused_or_reported(data):
    """With contradictory targets of the same input: the pseudo-inverse takes their mean."""
    x, y, _ = data
    inputs, targets = np.vstack([x, x[:1]]), np.vstack([y, y[:1] + 2])
    with pytest.raises(DataError, match=r'such as a duplicate|reciprocal condition.*solver "eigen"'):
        NTKRegressor(solver="cholesky").fit(inputs, targets)
    with pytest.warns(ConvergenceWarning, match="reached an error of"):
        fitted = NTKRegressor(solver="iterative").fit(inputs, targets)
    residual = np.sqrt(2) / np.linalg.norm(targets, axis=0)  # a distance of 1 at two points, at least
    assert (fitted.error_ >= 0.999 * residual).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finite = NTKRegressor(solver="iterative", time=100.0).fit(inputs, targets)
    np.testing.assert_allclose(
        finite.predict(x), NTKRegressor(solver="eigen", time=100.0).fit(inputs, targets).predict(x), atol=1e-9
    )


@pytest.mark.parametrize("solver", ["eigen", "cholesky"])
def test_predictions_do_not_depend_on_the_blocks_they_are_made_in(data, monkeypatch, solver):
    x, y, z = data
    fitted = NTKRegressor(solver=solver).fit(x, y)
    whole = fitted.predict(z, return_std=True)
    blocks, seen = source.row_blocks, []

    def small(rows, columns, *_):
        parts = list(blocks(rows, columns, 3 * 8 * columns))
        seen.extend(part.stop - part.start for part in parts)
        return parts

    for module in (source, eigen, direct):
        monkeypatch.setattr(module, "row_blocks", small)
    for one, other in zip(fitted.predict(z, return_std=True), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    assert seen == [3, 3, 1, 3, 3, 1]


@pytest.mark.parametrize("keys", [{}, {"solver": "cholesky"}, {"solver": "iterative"}, {"time": 3.0}])
def test_clones_and_pickles(data, keys):
    x, y, z = data
    original = NTKRegressor(ridge=0.01, **keys).fit(x, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(original)).predict(z), original.predict(z))
    again = clone(original)
    assert not hasattr(again, "fit_")
    np.testing.assert_array_equal(again.fit(x, y).predict(z), original.predict(z))


def swish(x):
    return x * jax.nn.sigmoid(x)


def cubic(x):
    return x**3 - x


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (cubic, "polynomial(coefficients=[0.0, -1.0, 0.0, 1.0])"),
        pytest.param(swish, "silu", marks=pytest.mark.exhaustive),
    ],
)
def test_functions_are_activations(data, function, name):
    x, y, z = data
    fitted = NTKRegressor(depth=1, activation=function).fit(x, y)
    named = NTKRegressor(depth=1, activation=name).fit(x, y)
    np.testing.assert_allclose(fitted.predict(z), named.predict(z), atol=1e-10)
    again = pickle.loads(pickle.dumps(clone(fitted).fit(x, y)))
    np.testing.assert_array_equal(again.predict(z), fitted.predict(z))


@pytest.mark.exhaustive
def test_searches_run_in_parallel():
    x, y = make_friedman1(40, random_state=0)
    grid = {"solver": ["eigen", "cholesky", "iterative"], "ridge": [1e-3, 1e-1]}
    search = GridSearchCV(NTKRegressor(), grid, cv=2, n_jobs=2, error_score="raise").fit(x, y)
    scores = search.cv_results_["mean_test_score"].reshape(2, 3)
    np.testing.assert_allclose(scores, scores[:, :1] * np.ones(3), atol=1e-8)


def test_single_precision_is_computed_with_in_double(data):
    x, y, z = (part.astype(np.float32) for part in data)
    found = NTKRegressor().fit(x, y).predict(z)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, NTKRegressor().fit(x.astype(float), y.astype(float)).predict(z.astype(float)))


@pytest.mark.parametrize("solver", ["eigen", "cholesky", "iterative"])
def test_inputs_beyond_the_range_of_the_kernel(data, solver):
    x, y, _ = data
    with pytest.raises(DataError, match="beyond the range of float64"):
        NTKRegressor(solver=solver).fit(x * 1e200, y)
