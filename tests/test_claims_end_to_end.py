"""The scoreboard by the command line, with the real backends: claims that hold, and one that does not."""

import contextlib
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from ntkbench.api.claims import comparisons_of_claims
from ntkbench.cli.main import cli
from ntkbench.plugin.loading import load_registry

# Networks that learn features at every width, put forward as if they were lazy: C4 must fail, and say so.
FEATURE_LEARNING = """
schema = 1
name = "not-lazy"
title = "C4: networks in mean-field scaling, as if they were lazy"
task = [{ name = "synthetic/teacher", dimension = 4, n_train = 8, n_test = 4 }]
architecture = [{ depth = 1, activation = "erf", weight_std = 1.5, bias_std = 0.1 }]
reference = [{ label = "ntk", backend = "jax", kernel = "ntk" }]
training = { learning_rate = { fraction_of_max_stable = 0.5 }, steps = 40, records = 1 }
metrics = []
[[subject]]
label = "network"
backend = "torch"
widths = [16, 32, 64, 128]
members = 20
scaling = "mean-field"
observe = ["ntk_change"]
[claim]
id = "C4"
source = "Jacot, Gabriel and Hongler 2018, Theorem 2"
varies = "the width"
refuted_by = "a change that does not vanish"
judge = ["ntk_change_frobenius"]
"""


def shell(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "ntkbench", *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def invoke(folder, *arguments):
    """Give a command in a folder, in this process."""
    with contextlib.chdir(folder):
        return CliRunner(env={"COLUMNS": "160"}).invoke(cli, arguments, catch_exceptions=False)


@pytest.fixture(
    scope="module", params=["C13", pytest.param("C3", marks=pytest.mark.exhaustive)], ids=["one", "several"]
)
def board(request, tmp_path_factory):
    """One claim measured in this process, or several by worker slots."""
    folder, claims = tmp_path_factory.mktemp("board"), sorted({"C13", request.param})
    command = ("claims", *(claim.lower() for claim in claims), "--out", "board", "--json", "-q")
    if len(claims) == 1:
        done = invoke(folder, *command, "--executor", "inline")
        assert done.exit_code == 0, done.output
    else:
        done = shell(folder, *command)
        assert done.returncode == 0, done.stderr
    return folder / "board", claims, json.loads(done.stdout)


def test_claims_that_hold(board):
    path, claims, said = board
    assert said["comparisons"] == comparisons_of_claims(load_registry(), "small")  # whichever claims were asked for
    assert {claim["claim"]: claim["verdict"] for claim in said["claims"]} == dict.fromkeys(claims, "holds")
    table = pd.read_parquet(path / "verdicts" / "scoreboard.parquet")
    assert len(table) == len(said["verdicts"]) > 4
    assert set(table["claim"]) == set(claims)
    singular = table[table["expected"].eq(0) & table["band_high"].notna()]
    assert (singular["estimate"].abs() < 1e-12).all()
    assert (table.loc[table["band_high"].isna(), "ci_low"] > 1e-5).all()
    assert "**holds**" in (path / "scoreboard.md").read_text()
    figures = [f"claim-{claim.lower()}/figures/claim-{claim.lower()}" for claim in claims]
    for name in ("scoreboard", *figures):
        assert all((path / f"{name}.{kind}").stat().st_size > 5000 for kind in ("png", "svg"))


def test_the_same_command_again_has_nothing_to_do(board):
    path, claims, _ = board
    again = invoke(path.parent, "claims", *claims, "--out", "board")
    assert again.exit_code == 0
    assert again.stderr.count("0 to run") == len(claims)
    assert "The claims" in again.stdout
    assert "holds" in again.stdout


def test_a_claim_that_fails_is_exit_code_3(tmp_path):
    (tmp_path / "study.toml").write_text(FEATURE_LEARNING)
    done = invoke(tmp_path, "run", "study.toml", "--out", "run", "--executor", "inline", "-q")
    assert done.exit_code == 3, done.output
    verdicts = pd.read_parquet(tmp_path / "run" / "verdicts" / "not-lazy.parquet")
    (row,) = verdicts.to_dict("records")
    assert (row["claim"], row["role"], row["verdict"]) == ("C4", "claim", "fails")
    assert abs(row["estimate"]) < 0.3


@pytest.mark.parametrize(("arguments", "message"), [(["C18"], "C1 to C17"), (["--size", "huge"], "small")])
def test_mistakes(tmp_path, arguments, message):
    done = invoke(tmp_path, "claims", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_not_measured_does_not_hold(tmp_path):
    """A quantity without an estimate is a row with its reason, and keeps the claim from holding."""
    study = FEATURE_LEARNING.replace('judge = ["ntk_change_frobenius"]', 'judge = ["weight_change_first"]')
    (tmp_path / "study.toml").write_text(study.replace("widths = [16, 32, 64, 128]", "widths = [16]"))
    done = invoke(tmp_path, "run", "study.toml", "--out", "run", "--executor", "inline", "-q")
    assert done.exit_code == 0, done.output
    (row,) = pd.read_parquet(tmp_path / "run" / "verdicts" / "not-lazy.parquet").to_dict("records")
    assert (row["quantity"], row["verdict"]) == ("weight_change_first", "inconclusive")
    assert "nothing was measured" in row["reason"]


@pytest.mark.exhaustive
def test_what_is_judged_of_learning_along_a_component_is_measured(tmp_path):
    """C15 in small: narrow networks are faster, but not with the control's small target."""
    small = ["task.0.n_train=40", "subject.0.widths=[16,64]", "subject.1.widths=[16]", "training.steps=200"]
    changes = [word for change in [*small, "training.records=100"] for word in ("--set", change)]
    done = invoke(tmp_path, "run", "claim-c15", "--out", "run", "--executor", "inline", "--quiet", *changes)
    assert done.exit_code in (0, 3), done.output
    (table,) = (tmp_path / "run" / "verdicts").glob("*.parquet")
    found = pd.read_parquet(table)
    claims = found[found["role"] == "claim"]
    names = claims["quantity"].str.partition(" [")[0]
    assert {"time_over_linearization_narrowest", "speed_over_linearization", "time_and_growth"} <= {*names}
    assert claims["verdict"].isin(["holds", "fails", "inconclusive", "reported"]).all()
    narrow = found[found["quantity"].str.startswith("time_over_linearization_narrowest")]
    estimate = narrow.set_index("role")["estimate"]
    assert estimate["claim"] < 0.9
    assert estimate["negative_control"] == pytest.approx(1, abs=0.05)
    assert narrow.set_index("role").loc["negative_control", "verdict"] == "fails"


@pytest.mark.exhaustive
def test_raw_outputs_have_the_fourth_moment_that_their_kernels_predict(tmp_path):
    """C1 in small, at a width where outputs are far from Gaussian: for ReLU their kurtosis is about 5."""
    small = ["subject.0.widths=[8,16]", "subject.0.members=500", "task.0.n_train=2"]
    changes = [word for change in small for word in ("--set", change)]
    done = invoke(tmp_path, "run", "claim-c1", "--out", "run", "--executor", "inline", "--quiet", *changes)
    assert done.exit_code in (0, 3), done.output
    (table,) = (tmp_path / "run" / "verdicts").glob("*.parquet")
    found = pd.read_parquet(table)
    rows = found[found["quantity"].str.startswith("output_fourth_moment")]
    assert list(rows["n_widths"]) == [2, 2]
    error = (rows["ci_high"] - rows["ci_low"]) / 3.92
    assert ((rows["estimate"] - 1).abs() < 4 * error).all()
    assert error.max() < 0.2
