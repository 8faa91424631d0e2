"""What the package says of itself without JAX or torch, and a study through the front door."""

import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

import ntkbench
from ntkbench import Architecture
from ntkbench.errors import UnavailableError
from ntkbench.plugin.specs import Sizes, Workload, import_target
from ntkbench_features import plugin, sources
from ntkbench_features.parameters import Parameters

(SPEC,) = plugin.ntkbench_register_backends()
SIZES = Sizes(n_train=50, n_test=20, n_features=3, n_outputs=2, splits=1)


@pytest.mark.parametrize("module", ["ntkbench_features", "ntkbench_features.plugin"])
def test_importing_it_imports_nothing_heavy(module):
    heavy = "torch jax numpy scipy pydantic pandas"
    code = f"import sys, {module}; print([name for name in '{heavy}'.split() if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_knowing_what_is_supported_and_what_it_costs_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from ntkbench import Architecture\n"
        "from ntkbench.plugin.specs import Sizes, Workload\n"
        "from ntkbench_features.plugin import supports, estimate\n"
        "assert supports(Architecture()) is None\n"
        "estimate(Workload(Sizes(50, 20, 3, 2, 1), Architecture(), (64, 64), 8, 100, 10))\n"
        "print([name for name in ('torch', 'jax', 'scipy') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_spec_is_what_the_package_holds():
    assert (SPEC.name, SPEC.version, SPEC.role) == ("features", 1, "subject")
    assert import_target(SPEC.parameters) is Parameters
    assert import_target(SPEC.target).__name__ == "solve"
    assert tuple(SPEC.observables) == ("ntk_distance",)


def test_what_is_supported():
    assert SPEC.supports(Architecture(activation="erf")) is None
    assert "no width" in SPEC.supports(Architecture(depth=0))
    assert SPEC.supports(Architecture(parameterization="standard")) is None  # the kernel's functions have it
    reason = SPEC.supports(Architecture(parameterization="standard", activation="nonsense"))
    assert "functions = kernel" in reason
    assert "functions = tangent" in reason


def test_an_architecture_without_these_functions_is_unavailable():
    with pytest.raises(UnavailableError, match="functions = tangent: no activation"):
        sources.require("tangent", Architecture(activation="nonsense"))


def test_a_missing_package_says_what_to_install(monkeypatch):
    from ntkbench.plugin import availability

    monkeypatch.setattr(availability, "missing_requirement", lambda requires, install: f"missing: {install}")
    with pytest.raises(UnavailableError, match=r"ntkbench\[torch\]"):
        sources.require("tangent", Architecture())
    with pytest.raises(UnavailableError, match=r"ntkbench\[jax\]"):
        sources.require("kernel", Architecture())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"functions": "fourier"}, "'kernel' or 'tangent'"),
        ({"kernel": "rbf"}, "'ntk' or 'nngp'"),
        ({"functions": "tangent", "kernel": "nngp"}, "belongs to functions"),
        ({"count": 4}, "Extra inputs"),
    ],
)
def test_wrong_parameters_are_named(keys, message):
    with pytest.raises(ValidationError, match=message):
        Parameters(**keys)


def test_parameters_survive_the_way_through_a_cell():
    for given in (Parameters(), Parameters(functions="tangent"), Parameters(kernel="nngp")):
        assert Parameters.model_validate(given.model_dump(mode="json")) == given


def test_the_estimate_grows_as_the_work_does():
    architecture = Architecture(depth=2)
    base = SPEC.estimate(Workload(SIZES, architecture, (10_000, 10_000), 8, 100, 10))
    assert SPEC.estimate(Workload(SIZES, architecture, (20_000, 20_000), 8, 100, 10)).flops > 1.5 * base.flops
    assert (
        SPEC.estimate(Workload(SIZES, architecture, (10**6, 10**6), 8, 100, 10)).bytes == base.bytes
    )  # memory knows no P
    assert (
        SPEC.estimate(Workload(SIZES._replace(n_test=200), architecture, (10_000, 10_000), 8, 100, 10)).bytes
        > base.bytes
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study = {
        "schema": 1,
        "name": "random-features",
        "seed": 3,
        "task": [{"name": "synthetic/circle", "n_train": 8, "n_test": 8}],
        "architecture": [{"depth": 2, "activation": "erf", "bias_std": 0.5}],
        "reference": [{"label": "ntk", "backend": "jax"}],
        "subject": [
            {"label": "iid", "backend": "features", "widths": [64, 256, 1024, 4096, 16384], "members": 40,
             "compare_with": ["ntk"], "dtype": "float64"},
            {"label": "tangent", "backend": "features", "functions": "tangent", "widths": [16, 32], "members": 2,
             "compare_with": ["ntk"]},
        ],
        "training": {"steps": 20, "records": 4},
    }  # fmt: skip
    return ntkbench.run(study, out=tmp_path_factory.mktemp("features") / "run", executor="inline")


def test_a_study_runs(results):
    assert results.cells["status"].tolist() == ["ok"] * 8
    parameters = results.cells.set_index(["label", "width"])["parameters"]
    assert parameters["iid", 1024] == 1024
    assert parameters["tangent", 16] > 16**2


@pytest.mark.parametrize("metric", ["ntk_distance_frobenius", "ntk_distance_operator", "function_distance_max"])
def test_the_exponent_of_independent_functions_is_minus_one_half(results, metric):
    """C11, at P well above N. Of 40 members at 5 sizes, the interval holds -1/2 with 99.9 %, and stays within 0.1."""
    rates = ntkbench.convergence_rates(results, metric=metric).query("label == 'iid'")
    row = rates.iloc[0]
    half = (row["ci_high"] - row["ci_low"]) / 2 * 1.7  # from 95 % to 99.9 %
    assert abs(row["exponent"] + 0.5) < half
    assert half < 1.7 * 0.1


def test_distances_are_as_large_as_independence_says(results):
    """``E |K~ - K|_F^2 = (tr(K)^2 + |K|_F^2) / P`` exactly; the mean of 40 squares within 4.5 standard errors."""
    rows = results.measurements.query("metric == 'ntk_distance_frobenius'").merge(results.cells, on="cell_id")
    spectra = results.spectra[results.spectra["output"] == 0]
    eigenvalues = spectra.drop_duplicates("component")["eigenvalue"].to_numpy()
    for width, group in rows[rows["label"] == "iid"].groupby("width"):
        squares = group["value"] ** 2 * np.square(eigenvalues).sum()
        expected = (eigenvalues.sum() ** 2 + np.square(eigenvalues).sum()) / width
        assert abs(squares.mean() - expected) < 4.5 * squares.std() / 40**0.5
