"""A killed cell goes on where it was, and comes out the same to the bit."""

import numpy as np
import pytest
import torch
from test_torch_solve import request

from ntkbench.plugin.types import Training
from ntkbench_torch.parameters import Parameters
from ntkbench_torch.solve import solve
from ntkbench_torch.training import checkpoint


class KilledError(Exception):
    pass


@pytest.fixture
def always(monkeypatch):
    """Save after every step, and however short a cell is."""
    monkeypatch.setattr(checkpoint, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint, "_SHORT_SECONDS", 0.0)
    monkeypatch.setattr("ntkbench_torch.solve._REPORT_SECONDS", 0.0)


def killer(at):
    def progress(done, total):
        if done == at:
            raise KilledError

    return progress


@pytest.mark.parametrize(
    ("training", "options"),
    [
        ({}, {}),
        ({"optimizer": "nesterov", "momentum": 0.9, "batch_size": 5}, {}),
        ({"optimizer": "adam", "stop_loss": 0.35, "learning_rate": 0.02}, {"subtract_init": True, "output_scale": 2.0}),
    ],
)
@pytest.mark.parametrize("at", [3, 37])
def test_it_goes_on_where_it_was(tmp_path, always, training, options, at):
    """Ten members are two groups of 25 steps each: the second is the one that is killed at the 37th."""
    training = {"learning_rate": 0.3, "steps": np.array([0, 4, 10, 25])} | training

    def asked(**more):
        return request(members=10, training=Training(**training), parameters=Parameters(**options), **more)

    expected = solve(asked())
    with pytest.raises(KilledError):
        solve(asked(scratch=tmp_path, progress=killer(at)))
    seen = []
    found = solve(asked(scratch=tmp_path, progress=lambda done, total: seen.append(done)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.pt", "8.pt"]
    for name in ("members_train", "members_test", "diverged_at", "stopped_at"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.measurements == expected.measurements
    assert seen[-1] == 50


@pytest.mark.parametrize("at", [3, 37])
def test_moments_of_all_members_outlive_a_kill(tmp_path, always, at):
    """They are gathered at step 0, which a group that is taken up later does not see again."""
    training = Training(learning_rate=0.3, steps=np.array([0, 25]))

    def asked(**more):
        return request(members=10, training=training, observe=frozenset({"initial_moments"}), **more)

    expected = solve(asked())
    with pytest.raises(KilledError):
        solve(asked(scratch=tmp_path, progress=killer(at)))
    found = solve(asked(scratch=tmp_path))
    assert {row.metric for row in found.measurements} >= {"output_kurtosis", "ntk_variance"}
    assert found.measurements == expected.measurements


def test_a_file_that_is_no_checkpoint_is_passed_over(tmp_path, always):
    training = Training(learning_rate=0.3, steps=np.array([0, 5]))
    (tmp_path / "0.pt").write_bytes(b"rubbish")
    found = solve(request(members=2, training=training, scratch=tmp_path))
    np.testing.assert_array_equal(found.members_train, solve(request(members=2, training=training)).members_train)


def test_short_cells_leave_nothing(tmp_path):
    solve(request(members=2, training=Training(learning_rate=0.3, steps=np.array([0, 5])), scratch=tmp_path))
    assert not list(tmp_path.iterdir())


def test_nothing_in_a_checkpoint_is_run(tmp_path):
    files = checkpoint.Checkpoints(tmp_path)
    torch.save({"result": KilledError}, tmp_path / "0.pt")
    assert files.load(0, torch.device("cpu")) == {}


@pytest.mark.parametrize("obstacle", ["a file in its place", "no folder above it", "a full disk"])
def test_a_checkpoint_that_cannot_be_saved_costs_nothing_else(obstacle, tmp_path, monkeypatch, capsys, always):
    training = Training(learning_rate=0.3, steps=np.array([0, 5]))
    scratch = tmp_path / "checkpoints" / "cell"
    if obstacle != "no folder above it":
        scratch.parent.mkdir()
    if obstacle == "a file in its place":
        scratch.write_text("not a folder")
    if obstacle == "a full disk":

        def full(path, data):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(checkpoint, "_write", full)
    found, expected = (solve(request(members=2, training=training, scratch=place)) for place in (scratch, None))
    np.testing.assert_array_equal(found.members_test, expected.members_test)
    assert "no checkpoint is saved" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pt", ".part")]
