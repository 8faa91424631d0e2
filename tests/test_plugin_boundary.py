"""What plugins may import: the SDK, and the public names of plugins that one of their specs requires."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from ntkbench.plugin import load_registry

ROOT = Path(__file__).parents[1]
PACKAGES = {path.parent.name: path.parent for path in ROOT.glob("[pt]*/ntkbench_*/plugin.py")}
SDK = ("ntkbench.plugin", "ntkbench.theory", "ntkbench.architecture", "ntkbench.dynamics")


def imported(path):
    """Yield (module, name) of every absolute import from a package of ours; name "" for ``import module``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("ntkbench"))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.startswith("ntkbench"):
            yield from ((node.module, alias.name) for alias in node.names)


def of_the_sdk(module, name):
    if module == "ntkbench":
        return name in import_module("ntkbench").__all__
    return any(module == part or module.startswith(f"{part}.") for part in SDK)


def required(package):
    """Return the packages of the plugins that the specs of a package's plugin name in ``requires_plugins``."""
    registry = load_registry()
    plugin = package.removeprefix("ntkbench_")
    entries = [
        entry
        for known in (registry.tasks, registry.backends)
        for spec in known
        if known.owners[spec.name] == plugin
        for entry in spec.requires_plugins
    ]
    return {f"ntkbench_{name}" for entry in entries for name in entry.split("|")}


def violations(package, root):
    others = required(package)
    for path in sorted(root.rglob("*.py")):
        for module, name in imported(path):
            owner = module.partition(".")[0]
            if owner == "ntkbench":
                allowed = of_the_sdk(module, name)
            else:
                public = owner in others and module == owner and name in import_module(owner).__all__
                allowed = owner == package or public
            if not allowed:
                yield f"{path.relative_to(ROOT)} imports {name} from {module}"


def test_the_packages_are_found():
    assert {"ntkbench_jax", "ntkbench_torch", "ntkbench_reproductions", "ntkbench_uci", "ntkbench_files"} <= set(
        PACKAGES
    )
    assert required("ntkbench_sklearn") == {"ntkbench_jax"}
    assert required("ntkbench_features") == {"ntkbench_jax", "ntkbench_torch"}
    assert not required("ntkbench_files")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_plugin_imports_the_sdk_and_public_names_of_plugins_it_requires(package):
    assert list(violations(package, PACKAGES[package])) == []


def test_a_violation_is_found(tmp_path, monkeypatch):
    (tmp_path / "bad.py").write_text(
        "import ntkbench_torch\n"
        "from ntkbench.store.read import Results\n"
        "from ntkbench_jax.activations import unsupported\n"
    )
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert len(list(violations("ntkbench_sklearn", tmp_path))) == 3
