"""NTKRegressor as scikit-learn's users expect it."""

import numpy as np
import pytest
from sklearn.datasets import make_friedman1
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ntkbench.architecture import Architecture
from ntkbench_jax import NTKRegressor, analytic_kernels


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([NTKRegressor(), NTKRegressor(activation="erf", kernel="nngp", ridge=0.1, time=10.0)])
def test_the_conformance_suite(estimator, check):
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
        ({"kernel": "rbf"}, 'it is "ntk" or "nngp"'),
        ({"ridge": -1.0}, "ridge is -1.0"),
        ({"time": -1.0}, "time is -1.0"),
        ({"depth": -1}, "greater than or equal to 0"),
    ],
)
def test_wrong_parameters_are_named(data, keys, message):
    with pytest.raises(ValueError, match=message):
        NTKRegressor(**keys).fit(*data[:2])


def test_std_and_cov_at_once(data):
    with pytest.raises(ValueError, match="not both"):
        NTKRegressor().fit(*data[:2]).predict(data[2], return_std=True, return_cov=True)
