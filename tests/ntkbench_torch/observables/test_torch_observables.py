"""Every observable, in float64, against training in parameter space, Jacobians and plain formulas."""

import numpy as np
import plain_network as plain
import pytest
import torch
from plain_training import Member, split

from ntkbench import Architecture
from ntkbench.plugin.types import Problem, Request, Solution, Training
from ntkbench_torch.observables import recorder as watch
from ntkbench_torch.observables.catalogue import OBSERVABLES
from ntkbench_torch.observables.moments import OBSERVABLE
from ntkbench_torch.parameters import Parameters
from ntkbench_torch.solve import solve

N, M, F, O, E, WIDTH, SEED = 8, 5, 3, 2, 3, 14, 4  # noqa: E741
RATE, STEPS = 0.3, np.array([0, 1, 6, 20])
ERF = Architecture(depth=2, activation="erf", weight_std=1.4, bias_std=0.3)
SETTINGS = {
    "plain": Parameters(ntk_steps="all"),
    "scaled": Parameters(ntk_steps="all", output_scale=2.5),
    "subtract_init": Parameters(ntk_steps="all", output_scale=0.5, subtract_init=True),
    "readout": Parameters(ntk_steps="all", trained_layers="last"),
}


def problem(n_outputs=O, **changes):
    rng = np.random.default_rng(0)
    shapes = {"x_train": (N, F), "y_train": (N, n_outputs), "x_test": (M, F), "y_test": (M, n_outputs)}
    return Problem(**{name: rng.standard_normal(shape) for name, shape in shapes.items()}, **changes)


def law(architecture, x):
    """A reference with the analytic kernel, its steps those of gradient descent."""
    theta = plain.analytic_ntk(architecture, np.vstack([x, problem().x_test]))
    values, vectors = np.linalg.eigh(theta[:N, :N])
    return Solution(
        times=RATE * STEPS,
        steps=STEPS,
        kernel_train=theta[:N, :N],
        kernel_test=theta[N:, :N],
        eigenvalues=values[::-1].copy(),
        eigenvectors=vectors[:, ::-1].copy(),
    )


def observed(*names, architecture=ERF, parameters=SETTINGS["plain"], training=None, n_outputs=O, **changes):
    data = problem(n_outputs)
    request = Request(
        problem=data,
        architecture=architecture,
        training=training or Training(learning_rate=RATE, steps=STEPS),
        parameters=parameters,
        hidden_widths=(WIDTH,) * architecture.depth,
        members=E,
        seed=SEED,
        dtype=changes.pop("dtype", "float64"),
        observe=frozenset(names),
        references=changes.pop("references", {"ntk": law(architecture, data.x_train)}),
        **changes,
    )
    return solve(request).measurements


def table(rows, metric):
    """{(member, step, component, split): value} of one metric."""
    found = {(r.member, r.step, r.component, r.split): r.value for r in rows if r.metric == metric}
    assert len(found) == sum(r.metric == metric for r in rows)
    return found


def by_reference(rows, metric):
    """The same for metrics that some references have and others not."""
    return {(r.reference, r.member, r.step, r.component, r.split): r.value for r in rows if r.metric == metric}


def member(k, parameters=SETTINGS["plain"], architecture=ERF, n_outputs=O):
    return Member(
        architecture,
        (F, *[WIDTH] * architecture.depth, n_outputs),
        SEED,
        k,
        scale=parameters.output_scale,
        subtract_init=parameters.subtract_init,
        last_alone=parameters.trained_layers == "last",
    )


def tensors(n_outputs=O):
    data = problem(n_outputs)
    return [torch.tensor(array) for array in (data.x_train, data.y_train, data.x_test)]


def rms(values):
    return float(torch.sqrt(torch.mean(values**2)))


def path_of(k, parameters=SETTINGS["plain"], **options):
    x, y, _ = tensors()
    return member(k, parameters).trained(x, y, RATE, int(STEPS[-1]), **options)


def test_every_observable_has_rows():
    rows = observed(*OBSERVABLES)
    assert {r.step for r in rows} == set(STEPS.tolist())
    assert {r.member for r in rows} == {*range(E), None}  # None: the ensemble as a whole
    metrics = {r.metric for r in rows}
    for name in OBSERVABLES:
        measured = {r.metric for r in observed(name)}
        assert measured
        assert measured <= metrics
    assert {*watch._MEASURES, OBSERVABLE} == set(OBSERVABLES)  # moments are of all groups together


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("optimizer", "momentum"), [("gradient-descent", 0.0), ("heavy-ball", 0.7), ("nesterov", 0.7)])
def test_distance_to_the_linearization_trained_in_parameter_space(setting, optimizer, momentum):
    parameters, (x, y, x_test) = SETTINGS[setting], tensors()
    training = Training(learning_rate=RATE, steps=STEPS, optimizer=optimizer, momentum=momentum)
    rows = observed("linearization_distance", parameters=parameters, training=training)
    found = table(rows, "linearization_distance")
    assert len(found) == E * 3 * 2
    options = {"optimizer": optimizer, "momentum": momentum}
    for k in range(E):
        network, path = member(k, parameters), path_of(k, parameters, **options)
        for split_name, points in (("train", x), ("test", x_test)):
            linear = network.linearized(x, y, points, RATE, int(STEPS[-1]), **options)
            size = rms(linear[-1])
            for step in STEPS[1:].tolist():
                expected = rms(network.function(path[step], points) - linear[step])
                assert found[k, step, None, split_name] == pytest.approx(expected, rel=1e-8, abs=1e-12 * size)
                if setting == "readout":
                    assert expected < 1e-12 * size


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_split_at_the_linearization(setting):
    """The kernel's prediction from each network's own initial function, step by step."""
    parameters, (x, y, x_test) = SETTINGS[setting], tensors()
    theta = law(ERF, problem().x_train)
    between = torch.from_numpy(np.vstack([theta.kernel_train, theta.kernel_test]))
    rows = observed("linearization_split", "linearization_distance", parameters=parameters)
    network_part = table(rows, "linearization_split_network")
    assert network_part == table(rows, "linearization_distance")
    kernel_part = table(rows, "linearization_split_kernel")
    for k in range(E):
        network, points = member(k, parameters), torch.cat([x, x_test])
        linear = network.linearized(x, y, points, RATE, int(STEPS[-1]))
        predicted = network.function(network.start, points)
        for step in range(int(STEPS[-1]) + 1):
            if step in STEPS[1:]:
                difference = linear[step] - predicted
                assert kernel_part[k, step, None, "train"] == pytest.approx(rms(difference[:N]), rel=1e-9)
                assert kernel_part[k, step, None, "test"] == pytest.approx(rms(difference[N:]), rel=1e-9)
            predicted = predicted - RATE / N * between @ (predicted[:N] - y)


def test_the_split_follows_a_reference_in_continuous_time():
    theta = law(ERF, problem().x_train)
    flow = Solution(
        times=theta.times,
        kernel_train=theta.kernel_train,
        kernel_test=theta.kernel_test,
        eigenvalues=theta.eigenvalues,
        eigenvectors=theta.eigenvectors,
    )
    found = table(observed("linearization_split", references={"flow": flow}), "linearization_split_kernel")
    (x, y, _), network = tensors(), member(0)
    start = network.function(network.start, x)
    decay = torch.linalg.matrix_exp(-torch.tensor(theta.kernel_train) * RATE * 20 / N)
    linear = network.linearized(x, y, x, RATE, 20)[-1]
    assert found[0, 20, None, "train"] == pytest.approx(rms(linear - (y + decay @ (start - y))), rel=1e-9)


@pytest.mark.parametrize("setting", SETTINGS)
def test_spectrum_shares_and_blocks_of_the_kernel(setting, monkeypatch):
    parameters, (x, y, _) = SETTINGS[setting], tensors()
    names = ("largest_eigenvalue", "layer_share", "output_blocks", "ntk_change", "alignment")
    rows = observed(*names, parameters=parameters)
    monkeypatch.setattr("ntkbench_torch.observables.kernels._FORMED", 0)
    alone = observed("largest_eigenvalue", "layer_share", parameters=parameters)  # no kernel is formed
    for k in range(E):
        network, path = member(k, parameters), path_of(k, parameters)
        before = network.kernel(network.start, x)
        for step in STEPS.tolist():
            theta = network.kernel(path[step], x)
            largest = float(torch.linalg.eigvalsh(theta)[-1])
            at = (k, step, None, "train")
            assert table(rows, "ntk_largest_eigenvalue")[at] == pytest.approx(largest, rel=1e-12)
            assert table(alone, "ntk_largest_eigenvalue")[at] == pytest.approx(largest, rel=1e-9)
            slopes = split(network.jacobian(path[step], x).flatten(0, 1).square().sum(0), network.drawn)
            for index, (weights, bias) in enumerate(slopes):
                share = float((weights.sum() + bias.sum()) / torch.trace(theta))
                for source in (rows, alone):
                    assert table(source, "layer_share")[k, step, index, "train"] == pytest.approx(share, rel=1e-11)
            blocks = theta.view(N, O, N, O)
            between = blocks.clone()
            between.diagonal(dim1=1, dim2=3).zero_()
            ratio = float(between.norm() / theta.norm())
            assert table(rows, "output_blocks")[at] == pytest.approx(ratio, rel=1e-10)
            mean = blocks.diagonal(dim1=1, dim2=3).mean(-1).numpy()
            outer = (y @ y.T).numpy()
            centring = np.eye(N) - 1 / N
            targets = cosine(centring @ mean @ centring, centring @ outer @ centring)
            assert table(rows, "ntk_cka_targets")[at] == pytest.approx(targets, rel=1e-11)
            assert table(rows, "ntk_target_alignment")[at] == pytest.approx(cosine(mean, outer), rel=1e-11)
            if step:
                change = float((theta - before).norm() / before.norm())
                assert table(rows, "ntk_change_frobenius")[at] == pytest.approx(change, rel=1e-9, abs=1e-14)
                signed = float(torch.trace(theta) / torch.trace(before) - 1)
                assert table(rows, "ntk_change_mean_diagonal")[at] == pytest.approx(signed, rel=1e-9, abs=1e-14)
                first = before.view(N, O, N, O).diagonal(dim1=1, dim2=3).mean(-1).numpy()
                alike = cosine(centring @ mean @ centring, centring @ first @ centring)
                assert table(rows, "ntk_cka_initial")[at] == pytest.approx(alike, rel=1e-12)
    assert not any(r.metric == "ntk_cka_initial" and r.step == 0 for r in rows)


def cosine(one, other):
    return (one * other).sum() / (np.linalg.norm(one) * np.linalg.norm(other))


def hidden(layers, x):
    """The activations h_1, h_2 of ERF, (n, WIDTH) each."""
    found = []
    for weights, bias in layers[:-1]:
        x = torch.erf(ERF.weight_std / len(weights) ** 0.5 * x @ weights + ERF.bias_std * bias)
        found.append(x)
    return found


def test_movement_of_weights_and_activations():
    rows, (x, _, _) = (
        observed("weight_change", "activation_change", "activation_statistics", "nngp_distance"),
        tensors(),
    )
    limit = nngp_limit(x.numpy())
    nngp = {"nngp": Solution(times=np.zeros(1), kernel_train=limit)}
    distances = table(observed("nngp_distance", references=nngp), "nngp_distance_frobenius")
    for k in range(E):
        network, path = member(k), path_of(k)
        units_before = hidden(network.drawn, x)
        for step in STEPS.tolist():
            layers = split(path[step], network.drawn)
            units = hidden(layers, x)
            for index, part in enumerate(units, start=1):
                at = (k, step, index, "train")
                assert table(rows, "activation_mean")[at] == pytest.approx(float(part.mean()), rel=1e-9)
                assert table(rows, "activation_rms")[at] == pytest.approx(rms(part), rel=1e-12)
                assert table(rows, "activation_inactive")[at] == 0
                if step:
                    moved = rms(part - units_before[index - 1]) / rms(units_before[index - 1])
                    assert table(rows, "activation_change")[at] == pytest.approx(moved, rel=1e-9)
            own = ERF.weight_std**2 / WIDTH * units[-1] @ units[-1].T + ERF.bias_std**2
            distance = np.linalg.norm(own.numpy() - limit) / np.linalg.norm(limit)
            assert distances[k, step, None, "train"] == pytest.approx(distance, rel=1e-10)
            if not step:
                continue
            for index, ((weights, bias), (drawn, drawn_bias)) in enumerate(zip(layers, network.drawn, strict=True)):
                at = (k, step, index, None)
                moved = weights - drawn
                assert table(rows, "weight_change_absolute")[at] == pytest.approx(float(moved.norm()), rel=1e-9)
                relative = float(moved.norm() / drawn.norm())
                assert table(rows, "weight_change_relative")[at] == pytest.approx(relative, rel=1e-9)
                if index < 2:
                    biases = float((bias - drawn_bias).norm() / drawn_bias.norm())
                    assert table(rows, "bias_change_relative")[at] == pytest.approx(biases, rel=1e-9)
                if index == 1:
                    norms = [float(torch.linalg.matrix_norm(w, 2)) for w in (moved, drawn)]
                    operator = table(rows, "weight_change_operator")[at]
                    assert operator == pytest.approx(norms[0] / norms[1], rel=1e-9)
    assert {r.component for r in rows if r.metric == "weight_change_operator"} == {1}
    assert {r.component for r in rows if r.metric == "bias_change_relative"} == {0, 1}


def nngp_limit(x):
    """Williams 1997, twice."""
    kernel = ERF.weight_std**2 * x @ x.T / F + ERF.bias_std**2
    for _ in range(2):
        kernel = ERF.weight_std**2 * plain._erf_pair(kernel)[0] + ERF.bias_std**2
    return kernel


def test_the_inactive_fraction_is_that_of_units_at_slope_zero():
    relu = Architecture(depth=1, activation="relu", bias_std=0.0)
    found = table(observed("activation_statistics", architecture=relu), "activation_inactive")
    (x, _, _), (weights, _) = tensors(), member(1, architecture=relu).drawn[0]
    assert found[1, 0, 1, "train"] == float(((x @ weights) <= 0).double().mean())


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_residuals_along_eigenspaces_add_up_to_the_error(n_outputs):
    rows = observed("kernel_residuals", n_outputs=n_outputs)
    assert {r.component for r in rows} == set(range(N))
    (x, y, _), reference = tensors(n_outputs), law(ERF, problem().x_train)
    network = member(2, n_outputs=n_outputs)
    path = network.trained(x, y, RATE, int(STEPS[-1]))
    found = table(rows, "kernel_residual")
    for step in STEPS.tolist():
        residual = (y - network.function(path[step], x)).numpy()
        parts = [found[2, step, component, "train"] for component in range(N)]
        assert np.square(parts).sum() == pytest.approx(np.mean(residual**2), rel=1e-12)
        along = reference.eigenvectors[:, 1] @ residual
        assert parts[1] == pytest.approx(np.linalg.norm(along) / (N * n_outputs) ** 0.5, rel=1e-10)


def test_eigenvalues_that_coincide_share_a_space():
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((N, N)))[0]
    values = np.array([3.0, 1.0, 1.0, 1.0, 0.5, 0.2, 1e-14, 0.0])
    reference = Solution(
        times=np.zeros(1),
        kernel_train=(basis * values) @ basis.T,
        kernel_test=np.zeros((M, N)),
        eigenvalues=values,
        eigenvectors=basis,
    )
    rows = observed("kernel_residuals", references={"toy": reference})
    assert {r.component for r in rows} == {0, 1, 4, 5, 6}
    (x, y, _), network = tensors(), member(0)
    residual = (y - network.function(network.start, x)).numpy()
    expected = np.linalg.norm(basis[:, 1:4].T @ residual) / (N * O) ** 0.5
    assert table(rows, "kernel_residual")[0, 0, 1, "train"] == pytest.approx(expected, rel=1e-12)


def test_one_output_has_no_blocks_between_outputs():
    assert not observed("output_blocks", n_outputs=1)


def test_when_observables_are_looked_at_by_default():
    rows = observed(*OBSERVABLES, parameters=Parameters())
    steps = {metric: sorted({r.step for r in rows if r.metric == metric}) for metric in {r.metric for r in rows}}
    assert steps["ntk_distance_frobenius"] == steps["nngp_distance_frobenius"] == steps["output_blocks"] == [0]
    assert steps["ntk_change_frobenius"] == steps["ntk_cka_initial"] == [20]
    for metric in ("layer_share", "ntk_largest_eigenvalue", "ntk_cka_targets"):
        assert steps[metric] == [0, 20]
    for metric in ("weight_change_relative", "activation_change", "linearization_distance"):
        assert steps[metric] == [1, 6, 20]
    for metric in ("kernel_residual", "activation_rms"):
        assert steps[metric] == [0, 1, 6, 20]


def test_members_looked_at_one_by_one_have_the_same_rows(monkeypatch):
    together = observed(*OBSERVABLES)
    monkeypatch.setattr(watch, "_KERNEL_FLOATS", 1)
    alone = observed(*OBSERVABLES)
    for metric in {r.metric for r in together}:
        one, other = by_reference(together, metric), by_reference(alone, metric)
        assert one.keys() == other.keys()
        for at, value in one.items():
            assert other[at] == pytest.approx(value, rel=1e-9, abs=1e-14)


def test_float32_sees_the_same():
    exact, rounded = observed(*OBSERVABLES), observed(*OBSERVABLES, dtype="float32")
    for metric in {r.metric for r in exact} - {"ntk_smallest_eigenvalue_error"}:  # a bound on rounding itself
        one, other = by_reference(exact, metric), by_reference(rounded, metric)
        assert one.keys() == other.keys()
        largest = max(map(abs, one.values()))
        for at, value in one.items():
            assert other[at] == pytest.approx(value, abs=2e-5 * max(largest, 0.1))


@pytest.mark.parametrize(
    "changes",
    [{"optimizer": "adam", "learning_rate": 0.01}, {"batch_size": 3}, {"loss": "huber"}],
    ids=lambda changes: next(iter(changes)),
)
def test_the_linearization_is_left_out_where_it_has_no_closed_form(changes):
    loss = changes.get("loss", "squared-error")
    training = {name: value for name, value in changes.items() if name != "loss"}
    request = Request(
        problem=problem(loss=loss),
        architecture=ERF,
        training=Training(**{"learning_rate": RATE, "steps": STEPS, **training}),
        parameters=Parameters(),
        hidden_widths=(WIDTH,) * ERF.depth,
        members=E,
        seed=SEED,
        observe=frozenset({"linearization_distance", "linearization_split", "layer_share"}),
    )
    assert {r.metric for r in solve(request).measurements} == {"layer_share"}
