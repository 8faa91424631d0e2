"""What a study may state otherwise: a wrong theory, the posterior in place of the ensemble, and more of the law."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm
from test_jax_solve import OUTPUTS, STEPS, M, N, both_kernels, request

import ntkbench
from ntkbench.architecture.nodes import Architecture
from ntkbench.errors import DataError
from ntkbench.metrics.errors import predictions_from
from ntkbench.plugin.types import Solution
from ntkbench.store.solution_cache import load_solution
from ntkbench_jax import analytic_kernels
from ntkbench_jax.solve import solve


class TestWrongTheories:
    def test_the_kernels_are_those_of_the_changed_architecture(self):
        base = Architecture(depth=2, activation="erf", weight_std=1.3)
        found = solve(request(base, weight_std_multiplier=1.02, learning_rate=0.3, fraction_of_max_stable=None))
        asked = request(
            Architecture(depth=2, activation="erf", weight_std=1.3 * 1.02),
            learning_rate=0.3,
            fraction_of_max_stable=None,
        )
        kernels = analytic_kernels(asked.problem.x_train, architecture=asked.architecture)
        np.testing.assert_array_equal(found.kernel_train, kernels.ntk)
        np.testing.assert_allclose(found.variance_train[0, :, 0], np.diag(kernels.nngp), rtol=1e-13)
        np.testing.assert_array_equal(found.mean_test, solve(asked).mean_test)
        assert np.abs(found.kernel_train / both_kernels(request(base)).ntk[:N, :N] - 1).min() > 0.01

    @pytest.mark.parametrize("optimizer", ["gradient-descent", "nesterov"])
    def test_the_rate_is_multiplied_after_it_was_found(self, optimizer):
        training = {"optimizer": optimizer, "momentum": 0.5 if optimizer == "nesterov" else 0.0}
        right, wrong = (
            solve(request(training=training)),
            solve(request(training=training, learning_rate_multiplier=1.05)),
        )
        assert wrong.learning_rate == right.learning_rate
        np.testing.assert_array_equal(wrong.times, right.times)
        np.testing.assert_array_equal(wrong.steps, right.steps)
        assert (right.time_scale, wrong.time_scale) == (1.0, 1.05)
        faster = solve(
            request(training=training, learning_rate=1.05 * right.learning_rate, fraction_of_max_stable=None)
        )
        for name in ("mean_train", "mean_test", "variance_train", "variance_test", "mode_residuals"):
            np.testing.assert_allclose(getattr(wrong, name), getattr(faster, name), atol=1e-12)
            assert np.abs(getattr(wrong, name) - getattr(right, name)).max() > 1e-3

    def test_flow_is_as_much_further_at_the_times_it_reports(self):
        wrong = solve(request(dynamics="flow", times=(0.0, 2.0, np.inf), learning_rate_multiplier=1.5))
        np.testing.assert_array_equal(wrong.times, [0, 2, np.inf])
        later = solve(request(dynamics="flow", times=(0.0, 3.0, np.inf)))
        np.testing.assert_allclose(wrong.mean_test, later.mean_test, rtol=1e-13)
        usual = solve(request(dynamics="flow", learning_rate_multiplier=1.5))
        np.testing.assert_allclose(usual.times, usual.learning_rate * np.array(STEPS))

    def test_a_swirl_is_a_linear_iteration_with_a_matrix_that_is_not_symmetric(self):
        """From 0 and with an invertible kernel, f(x) = k(x, X) Theta^-1 f(X) at every step."""
        rate, non_gradient = 0.4, 0.7
        asked = request(learning_rate=rate, fraction_of_max_stable=None, training={"non_gradient": non_gradient})
        found, theta = solve(asked), both_kernels(asked).ntk
        skew = (np.roll(np.eye(N), 1, axis=1) - np.roll(np.eye(N), -1, axis=1)) / 2
        once = np.eye(N) - rate / N * theta[:N, :N] @ (np.eye(N) + non_gradient * skew)
        y = asked.problem.y_train
        train = np.stack([y - np.linalg.matrix_power(once, step) @ y for step in STEPS])
        np.testing.assert_allclose(found.mean_train, train, atol=1e-12)
        test = theta[N:, :N] @ np.linalg.solve(theta[:N, :N], train)
        np.testing.assert_allclose(found.mean_test, test, atol=1e-10)  # the solve's, of an ill-conditioned kernel
        plain = solve(request(learning_rate=rate, fraction_of_max_stable=None))
        assert np.abs(found.mean_test - plain.mean_test).max() > 0.01

    def test_other_costs_take_the_same_rate(self):
        asked = request(learning_rate_multiplier=1.25, learning_rate=0.4, fraction_of_max_stable=None)
        object.__setattr__(asked.problem, "loss", "huber")
        found = solve(asked)
        parameters = asked.parameters.model_copy(update={"learning_rate_multiplier": 1.0})
        faster = solve(replace(asked, parameters=parameters, training=replace(asked.training, learning_rate=0.5)))
        assert (found.learning_rate, faster.learning_rate) == (0.4, 0.5)
        np.testing.assert_array_equal(found.mean_test, faster.mean_test)

    @pytest.mark.parametrize("dynamics", ["descent", "flow"])
    def test_who_predicts_from_it_multiplies_the_subjects_rate(self, dynamics):
        """Members that start at 0 are predicted to be the law's own mean."""
        found = solve(asked := request(learning_rate_multiplier=1.2, dynamics=dynamics))
        rate = found.learning_rate
        members = {name: np.zeros((1, len(STEPS), n, OUTPUTS)) for name, n in (("train", N), ("test", M))}
        subject = Solution(
            times=rate * np.array(STEPS),
            steps=np.array(STEPS),
            training=found.training,
            members_train=members["train"],
            members_test=members["test"],
        )
        train, test = predictions_from(found, asked.problem, subject)
        np.testing.assert_allclose(train[0], found.mean_train, atol=1e-12)
        np.testing.assert_allclose(test[0], found.mean_test, atol=1e-12)


class TestPosterior:
    @pytest.mark.parametrize("ridge", [0.0, 0.2])
    @pytest.mark.parametrize("kernel", ["ntk", "nngp"])
    def test_is_the_formula_at_every_record(self, kernel, ridge):
        asked = request(kernel=kernel, ridge=ridge, law="posterior", covariance=True)
        found, prior = solve(asked), getattr(both_kernels(asked), kernel)
        inverse = np.linalg.inv(prior[:N, :N] + found.rho * np.eye(N))
        everywhere = prior - prior[:, :N] @ inverse @ prior[:N]
        assert found.covariance_test.shape == (len(STEPS), M, M)
        for t in range(len(STEPS)):
            np.testing.assert_allclose(found.covariance_test[t], everywhere[N:, N:], atol=1e-11)
            for o in range(OUTPUTS):
                np.testing.assert_allclose(found.variance_test[t, :, o], np.diag(everywhere)[N:], atol=1e-11)
                np.testing.assert_allclose(found.variance_train[t, :, o], np.diag(everywhere)[:N], atol=1e-11)
        np.testing.assert_array_equal(found.mean_test, solve(request(kernel=kernel, ridge=ridge)).mean_test)

    def test_of_a_singular_kernel_takes_the_pseudo_inverse(self):
        """Depth 0 without bias is a linear model: 9 points, 3 features, all uncertainty gone by training."""
        asked = request(Architecture(depth=0, bias_std=0), law="posterior", covariance=True)
        found = solve(asked)
        np.testing.assert_allclose(found.covariance_test, 0, atol=1e-12)
        np.testing.assert_allclose(found.variance_train, 0, atol=1e-12)

    def test_is_not_the_law_of_the_ensemble(self):
        flow = {"dynamics": "flow", "times": (np.inf,)}
        posterior, ensemble = (solve(request(law=law, **flow)).variance_test for law in ("posterior", "ensemble"))
        assert np.abs(posterior / ensemble - 1).min() > 0.05
        posterior, ensemble = (
            solve(request(law=law, kernel="nngp", **flow)).variance_test for law in ("posterior", "ensemble")
        )
        np.testing.assert_allclose(posterior, ensemble, atol=1e-11)  # of the last layer alone it is


class TestCovariance:
    @pytest.mark.parametrize("kernel", ["ntk", "nngp"])
    def test_is_that_of_a_linear_iteration(self, kernel):
        asked = request(kernel=kernel, covariance=True)
        found, kernels = solve(asked), both_kernels(asked)
        driving, root = getattr(kernels, kernel), np.linalg.cholesky(kernels.nngp)
        spread = np.zeros((N, N + M))
        for step in range(STEPS[-1] + 1):
            deviations = root + driving[:, :N] @ spread
            if step in STEPS:
                t = STEPS.index(step)
                np.testing.assert_allclose(found.covariance_test[t], deviations[N:] @ deviations[N:].T, atol=1e-12)
                np.testing.assert_allclose(found.variance_test[t, :, 0], np.diag(found.covariance_test[t]), atol=1e-12)
            spread = spread - found.learning_rate / N * deviations[:N]

    def test_of_flow(self):
        asked = request(dynamics="flow", times=(1.0,), covariance=True)
        found, kernels = solve(asked), both_kernels(asked)
        T = kernels.ntk[:N, :N]
        gain = kernels.ntk[N:, :N] @ np.linalg.solve(T, np.eye(N) - expm(-T / N))
        mix = np.hstack([-gain, np.eye(M)])
        np.testing.assert_allclose(found.covariance_test[0], mix @ kernels.nngp @ mix.T, atol=1e-11)

    def test_only_where_it_is_asked_for(self):
        assert solve(request()).covariance_test is None
        assert solve(request(law="posterior")).covariance_test is None


class TestSlice:
    @pytest.mark.parametrize("kernel", ["ntk", "nngp"])
    def test_is_a_row_of_the_tangent_kernel(self, kernel):
        asked = request(kernel=kernel, slice_at=3)
        rows = [m for m in solve(asked).measurements if m.metric == "ntk_slice"]
        assert [row.component for row in rows] == list(range(M))
        assert {row.split for row in rows} == {"test"}
        np.testing.assert_allclose([row.value for row in rows], both_kernels(asked).ntk[N + 3, N:], rtol=1e-13)

    def test_nowhere_by_default_and_not_beyond_the_points(self):
        assert not [m for m in solve(request()).measurements if m.metric == "ntk_slice"]
        with pytest.raises(DataError, match="slice_at is 5, but there are 5 test points"):
            solve(request(slice_at=M))


def test_a_study_keeps_all_of_it(tmp_path):
    study = {
        "schema": 1,
        "name": "stated",
        "task": [{"name": "synthetic/circle", "n_train": 8, "n_test": 6}],
        "architecture": [{"depth": 1}],
        "reference": [
            {"label": "right", "backend": "jax", "covariance": True, "slice_at": 0},
            {"label": "wrong", "backend": "jax", "learning_rate_multiplier": 1.05, "weight_std_multiplier": 1.02},
        ],
        "training": {"steps": 20, "records": 4},
    }
    results = ntkbench.run(study, out=tmp_path / "run", executor="inline")
    assert set(results.cells["status"]) == {"ok"}
    assert len(set(results.cells["learning_rate"])) == 1
    kept = {
        label: load_solution(tmp_path / "run" / "solutions", cell_id)
        for label, cell_id in zip(results.cells["label"], results.cells["cell_id"], strict=True)
    }
    assert kept["wrong"].time_scale == 1.05
    assert kept["right"].time_scale == 1.0
    assert kept["right"].covariance_test.shape == (5, 6, 6)
    assert kept["wrong"].covariance_test is None
    said = dict(zip(results.cells["label"], results.cells["backend_params_json"], strict=True))
    assert json.loads(said["wrong"])["weight_std_multiplier"] == 1.02


@pytest.mark.exhaustive
def test_networks_whose_last_layer_is_trained_follow_their_law_and_no_other(tmp_path):
    """C16 in small: 400 networks of width 512 against their own law, another's, and one with a faster clock."""
    pytest.importorskip("torch")
    study = {
        "schema": 1,
        "name": "agreement",
        "task": [{"name": "synthetic/circle", "n_train": 6, "n_test": 8}],
        "architecture": [{"depth": 1, "activation": "erf", "weight_std": 1.5, "bias_std": 0.1}],
        "reference": [
            {"label": "nngp", "backend": "jax", "kernel": "nngp", "covariance": True},
            {"label": "ntk", "backend": "jax", "covariance": True},
            {"label": "fast", "backend": "jax", "kernel": "nngp", "learning_rate_multiplier": 1.25},
        ],
        "subject": [
            {
                "label": "last",
                "backend": "torch",
                "trained_layers": "last",
                "widths": [512],
                "members": 400,
                "compare_with": ["nngp", "ntk", "fast"],
                "observe": [],
            }
        ],
        "training": {"learning_rate": {"fraction_of_max_stable": 0.5, "reference": "nngp"}, "steps": 20, "records": 4},
        "metrics": ["law_agreement", "learning_speed_ratio", "prediction_rmse", "function_distance_relative"],
    }
    results = ntkbench.run(study, out=tmp_path / "run", executor="inline")
    assert set(results.cells["status"]) == {"ok"}
    rows = results.measurements[results.measurements["member"].isna()]
    found = {(row["reference"], row["metric"]): row["value"] for row in rows.to_dict("records") if row["step"] == 20}
    for name, expected in (("variance_ratio", 1.0), ("covariance_slope", 1.0), ("kurtosis", 0.0)):
        metric = f"law_{name}_over_time"
        assert abs(found["nngp", metric] - expected) < 4 * found["nngp", f"{metric}_standard_error"] + 0.02
    metric = "law_covariance_slope_over_time"
    assert abs(found["ntk", metric] - 1) > 4 * found["ntk", f"{metric}_standard_error"]
    assert found["nngp", "learning_speed_ratio"] == pytest.approx(
        1, abs=4 * found["nngp", "learning_speed_ratio_standard_error"] + 0.01
    )
    assert found["fast", "learning_speed_ratio"] == pytest.approx(0.8, abs=0.06)
    assert ("fast", "law_variance_ratio_over_time") in found
    assert ("fast", metric) not in found
    own = results.measurements[results.measurements["member"].notna()]
    assert set(own["metric"]) == {"prediction_rmse", "function_distance_relative"}
