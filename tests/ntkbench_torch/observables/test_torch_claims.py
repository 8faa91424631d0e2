"""What the claims' studies need of networks, against plain formulas, autograd and leaving members out one by one."""

import dataclasses

import mpmath
import numpy as np
import plain_network as plain
import pytest
import torch

from ntkbench import Architecture
from ntkbench.dynamics import kernel_descent
from ntkbench.errors import DataError
from ntkbench.plugin.types import Problem, Request, Solution, Training
from ntkbench.theory.optimizers import stable_learning_rate
from ntkbench_torch import NetworkEnsemble
from ntkbench_torch.observables.catalogue import THRESHOLDS
from ntkbench_torch.parameters import Parameters
from ntkbench_torch.solve import solve
from ntkbench_torch.stability import solve as stability
from ntkbench_torch.stability.parameters import Parameters as StabilityParameters

N, M, F, O, E, WIDTH, SEED, RATE = 7, 5, 3, 2, 6, 12, 4, 0.2  # noqa: E741
ERF = Architecture(depth=2, activation="erf", weight_std=1.4, bias_std=0.3)
STEPS = np.array([0, 1, 5])


def problem(n_outputs=O):
    rng = np.random.default_rng(0)
    shapes = {"x_train": (N, F), "y_train": (N, n_outputs), "x_test": (M, F), "y_test": (M, n_outputs)}
    return Problem(**{name: rng.standard_normal(shape) for name, shape in shapes.items()})


def law():
    """A reference with some positive definite kernel."""
    root = np.random.default_rng(1).standard_normal((N, N))
    kernel = root @ root.T
    values, vectors = np.linalg.eigh(kernel)
    return Solution(
        times=RATE * STEPS,
        steps=STEPS,
        kernel_train=kernel,
        kernel_test=np.random.default_rng(2).standard_normal((M, N)),
        eigenvalues=values[::-1].copy(),
        eigenvectors=vectors[:, ::-1].copy(),
    )


def solved(*names, members=E, n_outputs=O, training=None, architecture=ERF, **parameters):
    request = Request(
        problem=problem(n_outputs),
        architecture=architecture,
        training=training or Training(learning_rate=RATE, steps=STEPS),
        parameters=Parameters(**parameters),
        hidden_widths=(WIDTH,) * architecture.depth,
        members=members,
        seed=SEED,
        observe=frozenset(names),
        references={"ntk": law()},
    )
    return solve(request)


def table(solution, metric):
    rows = [r for r in solution.measurements if r.metric == metric]
    return {(r.member, r.step, r.reference, r.component): r.value for r in rows}


def networks(members=E, n_outputs=O):
    return [plain.drawn(ERF, (F, WIDTH, WIDTH, n_outputs), SEED, k) for k in range(members)]


def nngp(parameters, x):
    """The covariance of an output given the last hidden layer, from its activations."""
    h = x
    for weights, bias in parameters[:-1]:
        h = torch.erf(ERF.weight_std / len(weights) ** 0.5 * h @ weights + ERF.bias_std * bias)
    return (ERF.weight_std**2 / WIDTH * h @ h.T + ERF.bias_std**2).numpy()


def flat_ntk(parameters, x):
    return plain.jacobian_kernel(ERF, parameters, x, x).numpy()


def statistics(members):
    """The moments of a list of members, written as they are defined: bias, kurtosis, raw kurtosis, variance."""
    x = torch.from_numpy(problem().x_train.copy())
    limit = law().kernel_train
    kernels = np.stack([nngp(p, x) for p in members])
    outputs = np.stack([plain.output(ERF, p, x).numpy() for p in members])
    tangent = np.stack([flat_ntk(p, x) for p in members])
    diagonal = np.stack([np.diag(k) for k in kernels])
    return {
        "nngp_bias": np.linalg.norm(kernels.mean(axis=0) - limit) / np.linalg.norm(limit),
        "nngp_slope": np.sum(kernels.mean(axis=0) * limit) / np.sum(limit**2),
        "output_kurtosis": np.mean(3 * diagonal.var(axis=0, ddof=1) / diagonal.mean(axis=0) ** 2),
        "output_kurtosis_raw": np.mean((outputs**4).mean(axis=0) / (outputs**2).mean(axis=0) ** 2) - 3,
        "ntk_variance": tangent.var(axis=0, ddof=1).sum() / np.sum(tangent.mean(axis=0) ** 2),
    }


def test_moments_are_those_of_all_members_with_jackknife_errors():
    solution, members = solved("initial_moments"), networks()
    whole = statistics(members)
    left_out = [statistics(members[:k] + members[k + 1 :]) for k in range(E)]
    for name, value in whole.items():
        label = "ntk" if name.startswith("nngp") else None
        assert table(solution, name)[None, 0, label, None] == pytest.approx(value, rel=1e-10)
        without = np.array([one[name] for one in left_out])
        error = np.sqrt((E - 1) / E * np.sum((without - without.mean()) ** 2))
        assert table(solution, f"{name}_standard_error")[None, 0, label, None] == pytest.approx(error, rel=1e-8)
    x = torch.from_numpy(problem().x_train.copy())
    spread = np.stack([nngp(p, x) for p in members]).var(axis=0, ddof=1).sum() / E
    floor = spread**0.5 / np.linalg.norm(law().kernel_train)
    assert table(solution, "nngp_bias_floor")[None, 0, "ntk", None] == pytest.approx(floor, rel=1e-10)


def test_moments_are_the_same_however_members_are_grouped(monkeypatch):
    whole = solved("initial_moments")
    monkeypatch.setattr("ntkbench_torch.solve.group_size", lambda layers, kind: 2)
    monkeypatch.setattr("ntkbench_torch.networks.ensemble.group_size", lambda layers, kind: 2)
    for name in ("nngp_bias", "ntk_variance_standard_error"):
        assert table(solved("initial_moments"), name) == pytest.approx(table(whole, name), rel=1e-10)


def test_two_members_have_no_moments():
    assert not solved("initial_moments", members=2).measurements


def test_the_direction_of_training_has_the_gradients_norm():
    solution, data = solved("cost_rate"), problem()
    x, y = (torch.from_numpy(a.copy()) for a in (data.x_train, data.y_train))
    for k, parameters in enumerate(networks()):
        leaves = [tensor.clone().requires_grad_() for layer in parameters for tensor in layer]
        plain.loss(ERF, list(zip(leaves[::2], leaves[1::2], strict=True)), x, y).backward()
        norm = sum(float((leaf.grad**2).sum()) for leaf in leaves)
        assert table(solution, "cost_rate")[k, 0, None, None] == pytest.approx(norm, rel=1e-10)
        residual = (plain.output(ERF, parameters, x) - y).numpy()
        limit = np.sum(residual * (law().kernel_train @ residual)) / N**2
        assert table(solution, "cost_rate")[k, 0, "ntk", None] == pytest.approx(limit, rel=1e-10)


def test_the_cost_falls_by_that_norm_as_the_rate_goes_to_zero():
    rate, steps = 1e-5, np.array([0, 1])
    solution = solved("cost_rate", training=Training(learning_rate=rate, steps=steps))
    residual = solution.members_train - problem().y_train
    costs = np.square(residual).sum(axis=(2, 3)) / (2 * N)
    for k in range(E):
        fallen = (costs[k, 0] - costs[k, 1]) / rate
        assert fallen == pytest.approx(table(solution, "cost_rate")[k, 0, None, None], rel=1e-3)


def test_smallest_eigenvalues_are_within_their_bounds():
    solution, x = solved("smallest_eigenvalue"), torch.from_numpy(problem().x_train.copy())
    for k, parameters in enumerate(networks()):
        kernel = flat_ntk(parameters, x).transpose(0, 2, 1, 3).reshape(N * O, N * O)
        value, error = (table(solution, f"ntk_smallest_eigenvalue{part}")[k, 0, None, None] for part in ("", "_error"))
        assert abs(np.linalg.eigvalsh(kernel)[0] - value) <= error
        assert 0 < error < 1e-9 * value


def test_a_slice_is_a_row_of_the_kernel():
    solution, x = solved("ntk_slice", slice_at=3), torch.from_numpy(problem().x_test.copy())
    for k, parameters in enumerate(networks()):
        kernel = plain.jacobian_kernel(ERF, parameters, x, x[3:4]).numpy()[:, 0]
        mean = np.trace(kernel, axis1=1, axis2=2) / O
        found = [table(solution, "ntk_slice")[k, 0, None, j] for j in range(M)]
        assert found == pytest.approx(mean, rel=1e-10)
    with pytest.raises(DataError, match="less than the number of test points, 5"):
        solved("ntk_slice", slice_at=5)


def test_norms_of_weights():
    found = table(solved("weight_norm"), "weight_operator_norm")
    for k, parameters in enumerate(networks()):
        expected = np.linalg.norm(parameters[1][0].numpy(), 2) / WIDTH**0.5
        assert found == found | {(k, 0, None, 1): pytest.approx(expected, rel=1e-12)}
    assert len(found) == E


def test_a_rate_of_its_own_is_another_learning_rate():
    ours = solved(learning_rate_multiplier=0.25)
    same = solved(training=Training(learning_rate=0.25 * RATE, steps=STEPS))
    assert np.array_equal(ours.members_test, same.members_test)
    assert (ours.learning_rate, ours.times.tolist()) == (same.learning_rate, same.times.tolist())


def test_mean_field_scaling_is_an_output_scale():
    same = solved(output_scale=WIDTH**-0.5)
    assert np.array_equal(solved(scaling="mean-field").members_test, same.members_test)


def test_a_linear_network_follows_its_kernel_along_no_gradient():
    """At depth 0 the kernel x.x' / n_0 is exact at every step, whatever the direction."""
    linear = Architecture(depth=0, weight_std=1.2, bias_std=0.5)
    training = Training(learning_rate=RATE, steps=STEPS, non_gradient=0.7)
    solution, data = solved(architecture=linear, training=training), problem()
    kernel, between = (1.44 * x @ data.x_train.T / F + 0.25 for x in (data.x_train, data.x_test))
    start = {"f0_train": solution.members_train[:, 0], "f0_test": solution.members_test[:, 0]}
    options = {"learning_rate": RATE, "steps": STEPS, **start}
    expected = kernel_descent(kernel, between, data.y_train, non_gradient=0.7, **options)
    assert solution.members_train == pytest.approx(expected.train, abs=1e-13)
    assert solution.members_test == pytest.approx(expected.test, abs=1e-13)
    along_gradient = kernel_descent(kernel, between, data.y_train, **options)
    assert np.abs(expected.test - along_gradient.test).max() > 0.01


def test_the_non_gradient_direction_is_skew():
    """d . S d = 0, so that the cost falls as fast at first; and the kernel's side has the same S."""
    skew = (np.roll(np.eye(N), 1, axis=1) - np.roll(np.eye(N), -1, axis=1)) / 2
    assert np.array_equal(skew, -skew.T)
    data, theta = problem(), law().kernel_train
    found = kernel_descent(theta, theta, data.y_train, learning_rate=1e-3, steps=[0, 1], non_gradient=0.7)
    expected = 1e-3 / N * theta @ (np.eye(N) + 0.7 * skew) @ data.y_train
    assert found.train[1] == pytest.approx(expected, abs=1e-15)


def test_linearizations_have_no_closed_form_along_a_non_gradient_direction():
    with pytest.raises(DataError, match="not a gradient"):
        solved("linearization_distance", training=Training(learning_rate=RATE, steps=STEPS, non_gradient=0.1))


class TestStability:
    STILL = Training(learning_rate=RATE, steps=np.array([0]))
    SETTINGS = StabilityParameters(steps=20, resolution=0.01, highest=4.0)

    def request(self, **changes):
        settings = {
            "problem": problem(1),
            "architecture": ERF,
            "training": self.STILL,
            "parameters": self.SETTINGS,
            "hidden_widths": (WIDTH,) * ERF.depth,
            "members": 3,
            "seed": SEED,
            "references": {"ntk": law()},
            "observe": frozenset(THRESHOLDS),
        }
        return Request(**{**settings, **changes})

    def test_the_kernels_onset_is_where_its_own_cost_first_exceeds(self):
        rng = np.random.default_rng(3)
        values, modes = np.array([3.0, 1.0, 0.2]), rng.standard_normal((4, 3, 1))
        for found, start in zip(stability.kernel_onset(values, modes, self.SETTINGS), modes, strict=True):
            exceeds = []
            for rate in (found * (1 - 1e-6), found * (1 + 1e-6)):
                now, costs = start.copy(), []
                for _ in range(self.SETTINGS.steps):
                    now = (1 - 2 * rate * values / values[0])[:, None] * now
                    costs.append(float(np.sum(now**2)))
                exceeds.append(max(costs) > np.sum(start**2))
            assert exceeds == [False, True]
            assert found > 1

    def test_rows_of_members(self):
        solution = stability.solve(self.request())
        rows = {r.metric for r in solution.measurements}
        assert rows == {*THRESHOLDS, "stability_onset_kernel", "stability_onset_linearization"}
        ensemble = NetworkEnsemble(
            ERF, in_features=F, out_features=1, width=WIDTH, members=3, seed=SEED, dtype="float64"
        )
        assert np.array_equal(solution.members_train[:, 0], ensemble.outputs(problem(1).x_train).numpy())

    @pytest.mark.parametrize(
        ("observe", "metrics"),
        [
            ("linearization_onset", {"linearization_onset"}),
            ("stability_onset", {"stability_onset", "stability_onset_linearization"}),
            ("largest_trainable", {"largest_trainable"}),
        ],
    )
    def test_what_is_not_observed_has_no_rows(self, observe, metrics):
        every = {(r.metric, r.member): r.value for r in stability.solve(self.request()).measurements}
        found = stability.solve(self.request(observe=frozenset({observe})))
        assert {r.metric for r in found.measurements} == metrics | {"stability_onset_kernel"}
        assert all(r.value == every[r.metric, r.member] for r in found.measurements)

    @pytest.mark.parametrize("scale", [1.0, 4.0])
    @pytest.mark.parametrize("outputs", [1, 2])
    def test_the_linearizations_onset_in_high_precision(self, outputs, scale):
        """C_K = C_0 of descent with each member's own kernel, its loss written out with 40 digits."""
        data = problem(outputs)
        settings = self.SETTINGS.model_copy(update={"output_scale": scale})
        networks = NetworkEnsemble(
            ERF, in_features=F, out_features=outputs, width=WIDTH, members=3, seed=SEED, dtype="float64"
        )
        kernels = networks.ntk(data.x_train, outputs="all").numpy()
        starts = data.y_train - scale * networks.outputs(data.x_train).numpy()
        solution = stability.solve(self.request(problem=data, parameters=settings))
        found = {(r.metric, r.member): r.value for r in solution.measurements}
        limit = stable_learning_rate(law().eigenvalues[:1], N)
        for member in range(3):
            kernel = kernels[member].swapaxes(1, 2).reshape(N * outputs, N * outputs)
            values, vectors = np.linalg.eigh(kernel)
            start = vectors.T @ starts[member].ravel()
            modes = [(mpmath.mpf(v), mpmath.mpf(m) ** 2) for v, m in zip(values, start, strict=True)]
            low, high = 2 * N / modes[-1][0], 4 * N / modes[-1][0]
            with mpmath.workdps(40):
                for _ in range(60):
                    rate = (low + high) / 2
                    gained = sum(m * ((1 - rate * v / N) ** (2 * settings.steps) - 1) for v, m in modes)
                    low, high = (low, rate) if gained > 0 else (rate, high)
            for metric in ("linearization_onset", "stability_onset_linearization"):
                assert found[metric, member] * limit == pytest.approx(float(high), rel=1e-9)

    def test_onsets_in_units_of_each_reference(self):
        """A theory that assumes a rate 10 % higher has a limit 10 % lower, and its own onset in units of that."""
        references = {"ntk": law(), "rate-off": dataclasses.replace(law(), time_scale=1.1)}
        solution = stability.solve(self.request(references=references))
        found = {(r.metric, r.reference, r.member): r.value for r in solution.measurements}
        for metric in THRESHOLDS:
            assert found[metric, "rate-off", 1] == pytest.approx(1.1 * found[metric, "ntk", 1], rel=1e-12)
        assert found["stability_onset_kernel", "rate-off", 1] == found["stability_onset_kernel", "ntk", 1]

    def test_initial_functions_are_zero_if_subtracted(self):
        settings = self.SETTINGS.model_copy(update={"subtract_init": True})
        solution = stability.solve(self.request(parameters=settings))
        assert not solution.members_train.any()
        kernel = [r.value for r in solution.measurements if r.metric == "stability_onset_kernel"]
        assert len({*kernel}) == 1

    def test_members_kernels_are_formed_in_groups(self, monkeypatch):
        whole = stability.solve(self.request(observe=frozenset({"linearization_onset"})))
        monkeypatch.setattr(stability, "_FLOATS", 1)
        one_by_one = stability.solve(self.request(observe=frozenset({"linearization_onset"})))
        for found, expected in zip(one_by_one.measurements, whole.measurements, strict=True):
            assert found.value == pytest.approx(expected.value, rel=1e-12)

    def test_the_onset_of_a_linear_network_on_its_own_kernel_is_the_kernels_and_its_linearizations(self):
        linear = Architecture(depth=0, weight_std=1.2, bias_std=0.5)
        data = problem(1)
        kernel = 1.44 * data.x_train @ data.x_train.T / F + 0.25
        values, vectors = np.linalg.eigh(kernel)
        exact = Solution(
            times=np.zeros(1),
            kernel_train=kernel,
            eigenvalues=values[::-1].copy(),
            eigenvectors=vectors[:, ::-1].copy(),
        )
        solution = stability.solve(self.request(architecture=linear, hidden_widths=(), references={"ntk": exact}))
        found = {(r.metric, r.member): r.value for r in solution.measurements}
        for k in range(3):
            for other in ("stability_onset_kernel", "stability_onset_linearization"):
                ratio = found["stability_onset", k] / found[other, k]
                assert ratio == pytest.approx(1, abs=0.006)  # half the resolution
            own, exact = found["linearization_onset", k], found["stability_onset_kernel", k]
            assert own == pytest.approx(exact, rel=1e-9)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"references": {}}, "compare_with"),
            ({"training": Training(learning_rate=RATE, steps=STEPS)}, "steps = 0"),
        ],
    )
    def test_what_it_needs(self, changes, message):
        with pytest.raises(DataError, match=message):
            stability.solve(self.request(**changes))
