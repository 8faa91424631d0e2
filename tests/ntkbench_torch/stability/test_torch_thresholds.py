"""The two stability thresholds, against linear networks whose cost is known at every step and every rate."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from ntkbench import Architecture
from ntkbench.errors import DataError
from ntkbench.theory.optimizers import stable_learning_rate
from ntkbench_torch import NetworkEnsemble, stability_thresholds

N, F, STEPS = 12, 4, 25
LINEAR = Architecture(depth=0, activation="identity", bias_std=0.3)


@pytest.fixture
def data():
    rng = np.random.default_rng(2)
    return rng.standard_normal((N, F)), rng.standard_normal(N)


def ensemble(architecture=LINEAR, members=5, width=64, **options):
    options = {"seed": 3, "dtype": "float64", "in_features": F, "out_features": 1, **options}
    return NetworkEnsemble(architecture, width=width, members=members, **options)


def limits(networks, x):
    """Each network's own stability limit, from its empirical kernel."""
    return [stable_learning_rate([np.linalg.eigvalsh(theta).max()], len(x)) for theta in networks.ntk(x).numpy()]


def linear_costs(x, y, member):
    """(rate, steps) -> C_0 .. C_K of a linear network, by the eigenvalues of its kernel."""
    networks = ensemble()
    values, vectors = np.linalg.eigh(networks.ntk(x)[member].numpy())
    start = vectors.T @ (networks.outputs(x)[member, :, 0].numpy() - y)

    def costs(rate, steps=STEPS):
        residuals = (1 - rate * values / N)[:, None] ** np.arange(steps + 1) * start[:, None]
        return (residuals**2).sum(axis=0) / (2 * N)

    return costs


@pytest.mark.parametrize("settle", [1, 7])
def test_both_thresholds_of_linear_networks_are_where_their_cost_says(data, settle):
    x, y = data
    limit = limits(ensemble(), x)
    found = stability_thresholds(
        ensemble, x, y, limit=limit, steps=STEPS, settle=settle, goal=0.9, resolution=1e-6, lowest=0.05
    )
    for member in range(5):
        costs = linear_costs(x, y, member)
        assert found.initial_loss[member] == pytest.approx(costs(0.0)[0], rel=1e-13)
        # convex in the rate at every step: the first rate that exceeds, and the last that reaches, are roots
        onset = brentq(lambda r, c=costs: c(r)[settle:].max() - c(r)[0], 0.5 * limit[member], 3 * limit[member])
        largest = brentq(lambda r, c=costs: c(r).min() - 0.9 * c(r)[0], limit[member] / 2, 9 * limit[member])
        for threshold, expected in ((found.onset, onset), (found.largest_trainable, largest)):
            assert threshold.outcome[member] == "found"
            in_units = expected / limit[member]
            assert threshold.lower[member] <= in_units * (1 + 1e-12)
            assert threshold.upper[member] >= in_units * (1 - 1e-12)
            assert threshold.value[member] == pytest.approx(in_units, rel=1.01e-6)
            assert 0 < threshold.resolution[member] <= 1e-6
    assert found.onset.monotone.all()
    assert found.runs == len(found.rates) < 60
    tried = ~np.isnan(found.rates)
    assert (found.exceeded & tried).any()
    assert not found.exceeded[~tried].any()


def test_without_a_goal_the_onset_is_the_same_and_takes_fewer_runs(data):
    x, y = data
    options = {"limit": limits(ensemble(), x), "steps": STEPS, "settle": 1, "resolution": 1e-3}
    both = stability_thresholds(ensemble, x, y, goal=0.9, **options)
    alone = stability_thresholds(ensemble, x, y, goal=None, **options)
    np.testing.assert_array_equal(alone.onset.value, both.onset.value)
    assert alone.runs < both.runs
    assert alone.largest_trainable.outcome == ("not sought",) * 5
    assert np.isnan(alone.largest_trainable.value).all()
    assert not alone.reached.any()


def test_the_onset_tends_to_the_limit_as_steps_grow(data):
    x, y = data
    limit = limits(ensemble(), x)
    onsets = []
    for steps in (5, 50, 500):
        found = stability_thresholds(
            ensemble, x, y, limit=limit, steps=steps, settle=steps, goal=0.9, resolution=1e-4, highest=4.0
        )
        onsets.append(found.onset.value)
    onsets = np.array(onsets)
    assert (onsets > 1).all()
    assert (np.diff(onsets, axis=0) < 0).all()
    assert (onsets[-1] < 1.02).all()


def test_a_members_thresholds_do_not_depend_on_the_others(data):
    x, y = data
    erf = Architecture(depth=1, activation="erf")
    options = {"limit": 0.4, "steps": 15, "settle": 1, "goal": 0.3}
    few = stability_thresholds(lambda: ensemble(erf, 2), x, y, **options)
    many = stability_thresholds(lambda: ensemble(erf, 11), x, y, **options)
    for name in ("onset", "largest_trainable"):
        one, other = getattr(few, name), getattr(many, name)
        assert one.outcome == other.outcome[:2]
        for ends in ("value", "lower", "upper"):
            np.testing.assert_array_equal(getattr(one, ends), getattr(other, ends)[:2])


@pytest.mark.parametrize(
    ("width", "steps", "resolution"),
    [(1024, 40, 0.05), pytest.param(4096, 60, 0.01, marks=pytest.mark.exhaustive)],
)
@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_wide_networks_leave_the_kernel_at_its_limit_and_learn_beyond_it(data, activation, width, steps, resolution):
    """C14: (a) at the limit, from above; (b) not below it."""
    x, y = data

    def draw():
        return ensemble(Architecture(depth=1, activation=activation), 4, width, dtype="float32")

    limit = limits(draw(), x)
    options = {"limit": limit, "steps": steps, "goal": 0.2, "highest": 8.0, "resolution": resolution}
    found = stability_thresholds(draw, x, y, settle=1, **options)
    assert found.onset.outcome == ("found",) * 4
    assert (found.onset.value > 1).all()
    assert (found.onset.value < 1.15).all()
    assert found.largest_trainable.outcome == ("found",) * 4
    assert (found.largest_trainable.value >= 1 / (1 + resolution)).all()
    late = stability_thresholds(draw, x, y, settle=steps, **options)
    assert (late.onset.value > found.onset.value).all()  # what rose and came back goes unseen


def test_open_ends_are_said(data):
    x, y = data
    far = stability_thresholds(ensemble, x, y, limit=1e-4, steps=10, settle=1, goal=0.01)
    assert set(far.onset.outcome) == {"never exceeded"}
    assert np.isnan(far.onset.value).all()
    np.testing.assert_allclose(far.onset.lower, 16, rtol=1e-14)
    assert np.isinf(far.onset.upper).all()
    assert set(far.largest_trainable.outcome) == {"never reached"}
    wild = stability_thresholds(ensemble, x, y, limit=1e4, steps=10, settle=1, goal=0.5)
    assert set(wild.onset.outcome) == {"exceeded at the lowest rate"}
    assert (wild.onset.lower == 0).all()
    slow = stability_thresholds(ensemble, x, y, limit=1e-4, steps=10, settle=1, goal=1 - 1e-9)
    assert set(slow.largest_trainable.outcome) == {"reached at the highest rate"}
    done = stability_thresholds(ensemble, x, y, limit=0.1, steps=3, settle=1, goal=1e9, goal_is="absolute")
    assert set(done.largest_trainable.outcome) == {"reached at the start"}
    assert np.isnan(done.largest_trainable.value).all()


def test_momentum_has_a_limit_of_its_own(data):
    """Heavy-ball is stable up to 2 (1 + mu) N / lambda; what it overshoots at first is left to settle."""
    x, y = data
    limit = [
        stable_learning_rate([np.linalg.eigvalsh(theta).max()], N, optimizer="heavy-ball", momentum=0.5)
        for theta in ensemble().ntk(x).numpy()
    ]
    found = stability_thresholds(
        ensemble, x, y, limit=limit, steps=400, settle=400, goal=0.9, optimizer="heavy-ball", momentum=0.5, highest=2.0
    )
    assert (found.onset.value > 0.99).all()
    assert (found.onset.value < 1.05).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 0.0}, "resolution is 0.0"),
        ({"resolution": 1e-16}, "one of"),
        ({"steps": 0}, "steps is 0"),
        ({"settle": 11}, "settle 11"),
        ({"goal": 1.5}, "between 0 and 1"),
        ({"goal": -1.0, "goal_is": "absolute"}, "positive number"),
        ({"goal_is": "final"}, "goal_is"),
        ({"limit": -1.0}, "limit is -1.0"),
        ({"limit": [1.0, 2.0]}, "one for each of 5"),
        ({"lowest": 2.0}, "lowest <= 1 <= highest"),
        ({"factor": 1.0}, "factor is 1.0"),
        ({"record_at": [0, 3], "settle": 5}, "5 or later"),
        ({"loss": "absolute"}, "loss 'absolute'"),
    ],
)
def test_what_makes_no_sense_is_refused(data, changes, message):
    x, y = data
    options = {"limit": 0.1, "steps": 10, "settle": 1, "goal": 0.5, **changes}
    with pytest.raises(DataError, match=message):
        stability_thresholds(ensemble, x, y, **options)


def test_networks_that_are_not_drawn_anew_are_noticed(data):
    x, y = data
    kept = ensemble()
    with pytest.raises(DataError, match="as drawn"):
        stability_thresholds(lambda: kept, x, y, limit=1.0, steps=5, settle=1, goal=0.5)
    with pytest.raises(DataError, match="not finite at the start"):
        stability_thresholds(ensemble, x * np.inf, y, limit=1.0, steps=5, settle=1, goal=0.5)


def test_targets_may_be_tensors(data):
    x, y = map(torch.from_numpy, data)
    options = {"limit": 0.4, "steps": 5, "settle": 1, "goal": 0.9, "resolution": 0.1}
    one = stability_thresholds(ensemble, x, y, **options)
    other = stability_thresholds(ensemble, x.numpy(), y.numpy()[:, None], **options)
    np.testing.assert_array_equal(one.rates, other.rates)
