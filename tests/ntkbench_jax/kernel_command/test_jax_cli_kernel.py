"""``ntkbench kernel``: what it computes, writes and says, and how it takes a mistake."""

import json
import subprocess
import sys

import click
import numpy as np
import pytest
from click.testing import CliRunner

import ntkbench
from ntkbench.cli.main import Commands
from ntkbench.theory.activations import CATALOGUE
from ntkbench_jax.activations import FUNCTIONS
from ntkbench_jax.kernel_command.facts import entry_error_of, facts, spectrum_facts
from ntkbench_jax.kernel_command.request import SPECTRUM_POINTS
from ntkbench_jax.plugin import ntkbench_register_commands

X = np.random.default_rng(5).standard_normal((12, 3))
Y = np.random.default_rng(6).standard_normal((4, 3))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.savez("both.npz", x_train=X, x_test=Y)
    np.savetxt("x.csv", X, delimiter=",", header="a,b,c", comments="", fmt="%.17g")
    return tmp_path


def kernel(*arguments):
    cli = Commands("ntkbench")
    ntkbench_register_commands(cli)
    return CliRunner().invoke(cli, ["kernel", *map(str, arguments)], catch_exceptions=False)


def report(*arguments):
    found = kernel(*arguments, "--json")
    assert found.exit_code == 0, found.output
    assert found.stderr == ""
    return json.loads(found.stdout, parse_constant=pytest.fail)


def of_one_relu_layer(x, y, weight_std, bias_std):
    """The arc-cosine kernels, written down on their own (Cho and Saul 2009)."""
    features = x.shape[1]
    k = weight_std**2 * x @ y.T / features + bias_std**2
    u, v = (np.column_stack([weight_std * z / features**0.5, np.full(len(z), bias_std)]) for z in (x, y))
    p, q = (np.linalg.norm(z, axis=1, keepdims=True) for z in (u, v))
    scale = p * q.T
    away, towards = (np.linalg.norm((u / p)[:, None] + sign * (v / q), axis=-1) for sign in (-1, 1))
    angle = 2 * np.arctan2(away, towards)
    nngp = weight_std**2 * scale * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi) + bias_std**2
    return nngp, nngp + weight_std**2 * k * (np.pi - angle) / (2 * np.pi)


SCALES = ("--depth", 1, "--weight-std", 1.3, "--bias-std", 0.2)


def test_the_file_holds_the_kernels_and_how_they_were_made(folder):
    found = kernel("both.npz", "both.npz", "--array", "x_train", "--array", "x_test", *SCALES, "--out", "k.npz")
    assert found.exit_code == 0, found.output
    with np.load("k.npz") as data:
        assert set(data.files) == {"nngp", "ntk", "architecture", "summary"}
        for name, expected in zip(("nngp", "ntk"), of_one_relu_layer(X, Y, 1.3, 0.2), strict=True):
            assert data[name].dtype == np.float64
            np.testing.assert_allclose(data[name], expected, rtol=1e-13, atol=1e-14)
        read = ntkbench.Architecture.model_validate_json(str(data["architecture"]))
        assert read == ntkbench.Architecture(depth=1, activation="relu", weight_std=1.3, bias_std=0.2)
        summary = json.loads(str(data["summary"]))
    assert [(i["points"], i["features"]) for i in summary["inputs"]] == [(12, 3), (4, 3)]
    assert "written   k.npz" in found.stdout


def test_text_gives_the_same_bits_as_an_array(folder):
    kernel("x.npy", "--out", "a.npz")
    kernel("x.csv", "--out", "b.npz")
    with np.load("a.npz") as a, np.load("b.npz") as b:
        assert a["ntk"].tobytes() == b["ntk"].tobytes()


def test_the_diagonal_and_one_kernel_alone(folder):
    kernel("x.npy", *SCALES, "--diagonal", "--out", "d.npz")
    kernel("x.npy", *SCALES, "--kernel", "ntk", "--dtype", "float32", "--out", "o.npz")
    _, ntk = of_one_relu_layer(X, X, 1.3, 0.2)
    with np.load("d.npz") as d, np.load("o.npz") as o:
        np.testing.assert_allclose(d["ntk"], np.diag(ntk), rtol=1e-13)
        assert "nngp" not in o
        assert o["ntk"].dtype == np.float32
        np.testing.assert_allclose(o["ntk"], ntk, atol=4e-6 * np.diag(ntk).max())


def test_the_summary_agrees_with_the_matrix(folder):
    found = report("x.npy", *SCALES)
    for name, matrix in zip(("nngp", "ntk"), of_one_relu_layer(X, X, 1.3, 0.2), strict=True):
        facts = found["kernels"][name]
        values = np.linalg.eigvalsh(matrix)
        assert facts["trace"] == pytest.approx(np.trace(matrix), rel=1e-12)
        assert facts["mean_diagonal"] == pytest.approx(np.trace(matrix) / 12, rel=1e-12)
        assert facts["largest_eigenvalue"] == pytest.approx(values[-1], rel=1e-12)
        assert abs(facts["smallest_eigenvalue"] - values[0]) < facts["smallest_eigenvalue_error"]
        assert facts["condition_number_at_least"] <= facts["condition_number"]
        assert facts["definiteness"] == "positive"
    assert found["shape"] == [12, 12]
    assert found["expansion_error"] == 0
    assert found["out"] is None


def test_a_kernel_of_known_rank_is_not_called_positive(folder):
    """Quadratic features of three inputs: C(4, 2) = 6 dimensions (C13)."""
    found = report("x.npy", "--activation", "monomial(degree=2)", "--depth", 1, "--bias-std", 0, "--kernel", "nngp")
    facts = found["kernels"]["nngp"]
    assert facts["numerical_rank"] == 6
    assert facts["definiteness"] == "zero within error"
    assert facts["condition_number"] is None
    assert facts["condition_number_at_least"] > 1e10
    shown = kernel("x.npy", "--activation", "monomial(degree=2)", "--depth", 1, "--bias-std", 0)
    assert "at least" in shown.stdout


def test_a_spectrum_only_where_it_makes_sense_and_is_wanted(folder):
    assert "largest_eigenvalue" not in report("x.npy", "--no-spectrum")["kernels"]["ntk"]
    assert "largest_eigenvalue" not in report("x.npy", "x.npy")["kernels"]["ntk"]
    assert "trace" not in report("x.npy", "x.npy")["kernels"]["ntk"]
    assert "largest_eigenvalue" not in report("x.npy", "--diagonal")["kernels"]["ntk"]
    assert SPECTRUM_POINTS == 4000


@pytest.mark.exhaustive  # a function of one's own has one in any case
def test_the_achieved_error_of_an_expansion_is_told(folder):
    found = report("x.npy", "--activation", "tanh", "--depth", 1, "--kernel", "nngp")
    assert 0 < found["expansion_error"] <= 1e-12


def test_kernels_beyond_the_range_are_said_to_be(folder):
    found = report("x.npy", "--activation", "exp", "--depth", 6)
    facts = found["kernels"]["ntk"]
    assert facts["infinite_entries"] > 0
    assert facts["trace"] is None
    assert found["expansion_error"] == 0
    assert "beyond the range of float64" in found["notes"][0]
    shown = kernel("x.npy", "--activation", "exp", "--depth", 6)
    assert "infinite entries" in shown.stdout
    assert "closed form" in shown.stdout


@pytest.mark.parametrize(
    ("activation", "depth", "bias_std", "condition"),
    [
        ("relu", 64, 0.1, 0),
        ("erf", 64, 0.1, 0),
        ("relu", 64, 0.0, 130),
        ("monomial(degree=3)", 1, 0.0, 8),
        ("monomial(degree=3)", 7, 0.0, 3**8 - 1),
    ],
)
def test_errors_grow_where_layers_amplify_them(activation, depth, bias_std, condition):
    """Without biases k is homogeneous, of degree 2 degree^l in weight_std of the l-th last of depth + 1 layers."""
    architecture = ntkbench.Architecture(depth=depth, activation=activation, bias_std=bias_std, weight_std=0.7)
    for dtype, tested in (("float64", 1e-13), ("float32", 4e-6)):
        assert entry_error_of(X, architecture, dtype) == pytest.approx(max(1, condition / 100) * tested, rel=1e-2)


def test_facts_of_small_matrices():
    assert facts(np.array([[2.0, 1.0], [1.0, 2.0]]), square=True) == {
        "trace": 4.0, "mean_diagonal": 2.0, "smallest_entry": 1.0, "largest_entry": 2.0, "infinite_entries": 0,
    }  # fmt: skip
    found = spectrum_facts(np.diag([4.0, 2.0]), 0.0)
    assert found["condition_number"] == pytest.approx(2)
    assert spectrum_facts(np.diag([1.0, -1.0]), 0.0)["definiteness"] == "negative"
    assert spectrum_facts(np.diag([1.0, -1.0]), 0.0)["condition_number_at_least"] is None


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("gone.csv",), "there is no such file"),
            (("x.npy", "--activation", "relo"), 'did you mean "relu"?'),
            (("x.npy", "--activation", "relu(slope=1)"), "has no parameter slope"),
            (("x.npy", "--activation", "no.such:thing"), "cannot be imported"),
            (("x.npy", "--weight-std", -1), "--weight-std: Input should be greater than 0 (got -1.0)"),
            (("x.npy", "--weight-std", "nan"), "--weight-std: Input should be"),
            (("x.npy", "--bias-std", "inf"), "--bias-std: Input should be a finite number"),
            (("x.npy", "--depth", -1), "--depth: Input should be"),
            (("x.npy", "--depth", 0, "--parameterization", "standard-global-rate"), "there is no kernel at depth 0"),
            (("x.npy", "both.npz"), "holds 2 arrays"),
            (("x.npy", "--array", "a"), "no such file is given"),
            (("both.npz", "--array", "x_train", "--array", "x_test"), "2 times, for 1 file"),
            (("x.npy", "x.npy", "--diagonal"), "leave X2 out"),
            (("x.npy", "narrow.csv"), "x.npy has 3 features, narrow.csv has 2"),
            (("x.npy", "x.npy", "--spectrum"), "no X2"),
            (("x.npy", "--device", "abacus"), "JAX has no device 'abacus'"),
            (("x.npy", "--out", "k.csv"), "must end in .npz"),
            (("x.npy", "--out", "both.npz"), "exists already; --force"),
            (("both.npz", "--array", "x_test", "--out", "both.npz", "--force"), "is the file of the points itself"),
            (("huge.npy",), "more than this machine's"),
        ],
    )
    def test_one_message(self, folder, arguments, message):
        (folder / "narrow.csv").write_text("1,2\n")
        np.lib.format.open_memmap("huge.npy", mode="w+", shape=(3_000_000, 1))
        found = kernel(*arguments)
        assert found.exit_code == 2
        assert message in found.stderr
        assert found.stdout == ""
        assert sum(line.startswith("Error: ") for line in found.stderr.splitlines()) == 1

    def test_without_jax_it_says_what_to_type(self, folder, monkeypatch):
        monkeypatch.setattr(
            "ntkbench.plugin.availability.missing_requirement", lambda *_: 'jax is not installed: pip install "x"'
        )
        found = kernel("x.npy")
        assert found.exit_code == 2
        assert "jax is unavailable: jax is not installed: pip install" in found.stderr

    def test_a_function_of_ones_own(self, folder):
        (folder / "mine.py").write_text("def phi(x):\n    return 2 * x\n")
        (folder / "broken.py").write_text("raise OSError('oh')\n")
        code = "import sys; sys.argv[0] = 'ntkbench'; from ntkbench.cli.main import main; main()"

        def run(*arguments):
            command = [sys.executable, "-c", code, "kernel", "x.npy", *arguments]
            return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)

        broken = run("--activation", "broken:f")
        assert (broken.returncode, broken.stdout) == (2, "")
        assert 'activation "broken:f" cannot be imported: OSError: oh' in broken.stderr
        good = run("--plugin", "mine.py", "--activation", "mine:phi", "--depth", "1", "--json")
        assert good.returncode == 0, good.stderr
        linear = (2 * X @ X.T / 3 + 0.01) * 4 * 2 + 0.01
        found = json.loads(good.stdout)
        assert found["kernels"]["nngp"]["trace"] == pytest.approx(np.trace(linear), rel=1e-12)
        assert 0 < found["expansion_error"] <= 1e-12


class TestHelp:
    def test_it_imports_nothing_heavy(self):
        code = (
            "import sys; sys.argv = ['ntkbench', 'kernel', '--help']\n"
            "from ntkbench.cli.main import main\n"
            "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)\n"
        )
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        heavy = {"jax", "numpy", "scipy", "sklearn", "pydantic", "pandas", "rich"}
        assert not heavy & set(found.stderr.split())
        assert found.stdout.startswith("Usage: ntkbench kernel")

    def test_it_lists_every_activation_and_the_true_defaults(self):
        shown = " ".join(kernel("--help").stdout.split())
        assert all(name in shown for name in (*CATALOGUE, *FUNCTIONS))
        fields = ntkbench.Architecture.model_fields
        assert fields["depth"].default == 2 and "[default: 2]" in shown
        assert fields["activation"].default == "relu" and "[default: relu]" in shown
        assert fields["weight_std"].default == 2**0.5 and "the root of 2]" in shown
        assert fields["bias_std"].default == 0.1 and "[default: 0.1]" in shown
        assert fields["parameterization"].default == "ntk" and "[default: ntk]" in shown

    def test_it_is_a_command_of_click(self):
        cli = click.Group("ntkbench")
        ntkbench_register_commands(cli)
        assert list(cli.commands) == ["kernel"]
