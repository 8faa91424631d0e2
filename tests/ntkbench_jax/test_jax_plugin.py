"""What is registered, and that knowing it costs nothing."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

import ntkbench_jax
from ntkbench.architecture.nodes import Architecture
from ntkbench.plugin.specs import Sizes, Workload, import_target
from ntkbench_jax.parameters import Parameters
from ntkbench_jax.plugin import ntkbench_register_backends
from ntkbench_jax.tuned.parameters import Parameters as TunedParameters

SPEC, TUNED = ntkbench_register_backends()


@pytest.mark.parametrize("module", ["ntkbench_jax", "ntkbench_jax.plugin"])
def test_importing_it_imports_nothing_heavy(module):
    heavy = {"jax", "numpy", "scipy", "sklearn", "pydantic", "pandas"}
    code = f"import sys, {module}; sys.exit(', '.join({heavy!r} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_public_names_are_lazy_and_listed():
    assert set(ntkbench_jax.__all__) <= set(dir(ntkbench_jax))
    for name in ntkbench_jax.__all__:
        assert getattr(ntkbench_jax, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ntkbench_jax.nonsense  # noqa: B018


def test_targets_import_target():
    assert import_target(SPEC.parameters) is Parameters
    assert callable(import_target(SPEC.target))
    assert (SPEC.name, SPEC.role) == ("jax", "reference")


def test_supports_says_why_not():
    assert SPEC.supports(Architecture(activation="relu")) is None
    assert SPEC.supports(Architecture(activation="erf", depth=0)) is None
    assert SPEC.supports(Architecture(activation="tanh")) is None
    assert SPEC.supports(Architecture(activation="numpy:tanh")) is None
    assert SPEC.supports(Architecture(parameterization="standard")) is None
    assert 'did you mean "tanh"?' in SPEC.supports(Architecture(activation="tahn"))
    with pytest.raises(ValueError, match='"tanh" has no parameter slope'):
        Architecture(activation="tanh(slope=2)")
    assert "depth 0" in SPEC.supports(Architecture(parameterization="standard-global-rate", depth=0))


def test_estimate_grows_with_what_costs():
    sizes, architecture = Sizes(100, 50, 8, 1, 1), Architecture(depth=2)
    base = SPEC.estimate(Workload(sizes, architecture, None, 0, 200, 20))
    for other in (
        SPEC.estimate(Workload(sizes._replace(n_train=200), architecture, None, 0, 200, 20)),
        SPEC.estimate(Workload(sizes._replace(n_test=100), architecture, None, 0, 200, 20)),
        SPEC.estimate(Workload(sizes, architecture, None, 0, 200, 40)),
    ):
        assert other.flops > base.flops
        assert other.bytes > base.bytes
    assert SPEC.estimate(Workload(sizes, Architecture(depth=9), None, 0, 200, 20)).flops > base.flops


def test_the_estimate_of_a_tuned_kernel_knows_its_solver():
    def cost(rows, **parameters):
        sizes = Sizes(rows, rows // 9, 9, 1, 5)
        return TUNED.estimate(Workload(sizes, Architecture(depth=2), parameters=TunedParameters(**parameters)))

    matrix = 8.0 * 41_157**2
    assert matrix / 2 < cost(41_157).bytes < 0.7 * matrix  # in float32, where auto takes the iterative solver
    assert matrix < cost(41_157, solver="cholesky").bytes < 1.2 * matrix
    assert cost(2_000).bytes < cost(8_000).bytes < cost(32_000).bytes
    # a tridiagonal form, of at least 4/3 N^3, for each further candidate, and deeper kernels cost more
    assert cost(2_000, bias_std=(0.1, 0.5, 1.0)).flops - cost(2_000).flops > 2 * 4 / 3 * 2_000**3
    assert cost(2_000, depth=(64,)).flops > 1.1 * cost(2_000, depth=(1,)).flops
    bare = TUNED.estimate(Workload(Sizes(2_000, 222, 9, 1, 5), Architecture(depth=2)))
    assert bare == cost(2_000)


def test_parameters_of_a_flow():
    assert Parameters().times is None
    assert Parameters(dynamics="flow", times=(0, 1, float("inf"))).times[-1] == float("inf")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kernel": "rbf"}, "'ntk' or 'nngp'"),
        ({"ridge": -1}, "greater than or equal to 0"),
        ({"ridge": float("inf")}, "finite"),
        ({"times": (0, 1)}, "belong to dynamics"),
        ({"dynamics": "flow", "times": (1, 0)}, "must ascend"),
        ({"dynamics": "flow", "times": (1, 1)}, "must ascend"),
        ({"dynamics": "flow", "times": (-1, 1)}, "negative or nan"),
        ({"dynamics": "flow", "times": (float("nan"),)}, "negative or nan"),
        ({"dynamics": "flow", "times": ()}, "at least 1 item"),
        ({"kernell": "ntk"}, "Extra inputs"),
    ],
)
def test_wrong_parameters_are_named(keys, message):
    with pytest.raises(ValidationError, match=message):
        Parameters(**keys)
