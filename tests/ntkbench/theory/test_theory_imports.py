"""The lowest storeys: ``theory`` imports nothing of ours, ``architecture`` imports ``theory`` alone."""

import ast
from pathlib import Path

import pytest

import ntkbench

PACKAGE = Path(ntkbench.__file__).parent


def imported(path):
    """Return the modules of ours that a file imports, as paths from ``ntkbench``."""
    here = path.relative_to(PACKAGE.parent).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "ntkbench")
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level + 1]) + "." if node.level else ""
            if base or (node.module or "").partition(".")[0] == "ntkbench":
                yield f"{base}{node.module or ''}"


@pytest.mark.parametrize(("folder", "allowed"), [("theory", ("theory",)), ("architecture", ("architecture", "theory"))])
def test_who_imports_whom(folder, allowed):
    files = sorted((PACKAGE / folder).rglob("*.py"))
    assert files
    found = {name for path in files for name in imported(path)}
    assert found
    assert not {name for name in found if name.split(".")[1:2] == [] or name.split(".")[1] not in allowed}
