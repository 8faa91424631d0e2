"""What a command line imports before it works: as little as it needs."""

import subprocess
import sys

import pytest
from toy_runs import TOY, shell

import ntkbench

HEAVY = {"torch", "jax", "pandas", "scipy", "sklearn", "matplotlib"}
NOT_FOR_HELP = HEAVY | {"numpy", "pydantic", "pyarrow", "rich"}


def imported(*arguments):
    """Return the top-level modules that a command line imports."""
    code = (
        "import sys\n"
        "sys.argv = ['ntkbench', *sys.argv[1:]]\n"
        "from ntkbench.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print('MODULES', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(found.stderr.rpartition("MODULES")[2].split())


class TestStart:
    @pytest.mark.parametrize(
        "arguments",
        [("--help",), ("--version",), ("list", "tasks"), ("plugins",), ("run", "--help"), ("plan", "--help")],
    )
    def test_light_commands_import_nothing_heavy(self, arguments):
        assert not imported(*arguments) & NOT_FOR_HELP

    def test_planning_imports_no_backend_and_no_analysis(self):
        assert not imported("plan", "quickstart") & HEAVY

    def test_planning_a_run_that_is_there_is_as_light(self, finished):
        found = imported("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "run")
        assert "pyarrow" in found  # it did look
        assert "pandas" not in found

    def test_importing_the_package_is_light(self):
        code = "import sys, ntkbench; print(*sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not set(found.stdout.split()) & NOT_FOR_HELP

    def test_reading_results_imports_no_distributions(self):
        """Half a second of every command that shows results; its special functions are enough."""
        code = "import sys, ntkbench.cli.tables; print(*sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "scipy.special" in found.stdout.split()
        assert "scipy.stats" not in found.stdout.split()

    def test_the_module_is_the_command(self, tmp_path):
        found = shell(tmp_path, "--version")
        assert found.stdout == f"ntkbench, version {ntkbench.__version__}\n"
