"""The rules of the house: who may import whom, and that every hook is documented and tested."""

import ast
import inspect
from pathlib import Path

import pytest

import ntkbench
from ntkbench.plugin import hookspecs

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "ntkbench").rglob("*.py"))
NEVER = {"torch", "jax", "jaxlib", "sklearn", "ntkbench_jax", "ntkbench_torch", "ntkbench_sklearn"}
NEVER |= {"ntkbench_features", "ntkbench_synthetic", "ntkbench_uci", "ntkbench_files"}
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("ntkbench_"))


def imports(path):
    """Return the top-level names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_knows_no_backend_and_no_plugin(path):
    assert not set(imports(path)) & NEVER
    words = path.read_text(encoding="utf-8")
    assert not [name for name in NEVER if f'import_module("{name}' in words or f'"{name}.' in words]


def test_rules_that_read_files_read_them():
    assert len(CORE) > 40
    assert "numpy" in set(imports(ROOT / "ntkbench" / "plugin" / "types.py"))
    assert "torch" in {name for path in (ROOT / "plugins").rglob("*.py") for name in imports(path)}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented(name):
    function = getattr(hookspecs, name)
    text = inspect.getdoc(function)
    assert text.splitlines()[0].endswith(".")
    for argument in inspect.signature(function).parameters:
        assert f":param {argument}:" in text
    assert inspect.signature(function).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_implemented_by_a_plugin_of_the_tests_with_its_exact_arguments(name):
    """Those plugins are run by the tests of the engine, the registry and the command line."""
    files = [*(ROOT / "tests" / "ntkbench" / "plugins").glob("*.py"), ROOT / "ntkbench" / "plugin" / "builtin.py"]
    found = [
        [argument.arg for argument in node.args.args]
        for path in files
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    assert found
    assert all(arguments == list(inspect.signature(getattr(hookspecs, name)).parameters) for arguments in found)


@pytest.mark.parametrize("name", [name for name in ntkbench.__all__ if name != "__version__"])
def test_every_public_name_is_there_and_documented(name):
    assert inspect.getdoc(getattr(ntkbench, name))


def test_a_name_that_is_not_public():
    with pytest.raises(AttributeError, match="module 'ntkbench' has no attribute 'rnu'"):
        _ = ntkbench.rnu
