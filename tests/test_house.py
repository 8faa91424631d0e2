"""The rules of the house: who may import whom, how names and functions are, and that hooks are documented and tested.

What plugins may import is held by ``test_plugin_boundary.py``.
"""

import ast
import inspect
import re
import tomllib
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ntkbench
from ntkbench.plugin import hookspecs, load_registry

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "ntkbench").rglob("*.py"))
PACKAGES = [ROOT / "ntkbench", *sorted(path.parent for path in ROOT.glob("[pt]*/ntkbench_*/plugin.py"))]
# The rooms of the core from the ground up. One imports its own modules and those of lower floors.
FLOORS = (
    ("errors",),
    ("theory",),
    ("architecture",),
    ("plugin", "dynamics"),
    ("study", "metrics"),
    ("store",),
    ("execution",),
    ("analysis",),
    ("api",),
    ("cli",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
NEVER = {"torch", "jax", "jaxlib", "sklearn", "ntkbench_jax", "ntkbench_torch", "ntkbench_sklearn"}
NEVER |= {
    "dask",
    "distributed",
    "ntkbench_dask",
    "ntkbench_features",
    "ntkbench_reproductions",
    "ntkbench_synthetic",
    "ntkbench_uci",
    "ntkbench_files",
}
LONGEST_FUNCTION = 60
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
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


def test_no_module_uses_a_library_whose_types_are_not_read():
    """mypy skips them, so what they return would be Any without a word."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["overrides"]
    (skipped,) = [override["module"] for override in overrides if "ignore_missing_imports" not in override]
    packages = tuple(name.removesuffix(".*") for name in skipped)
    used = {name for tree, _ in modules().values() for name in library_modules(tree)}
    assert {"scipy.special", "torch.func"} <= used
    assert not [name for name in used if any(name == package or name.startswith(f"{package}.") for package in packages)]


def library_modules(tree):
    """Yield the dotted names of the modules that a syntax tree imports, and of what it imports from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_rules_that_read_files_read_them():
    assert len(CORE) > 40
    assert "numpy" in set(imports(ROOT / "ntkbench" / "plugin" / "types.py"))
    assert "torch" in {name for path in (ROOT / "plugins").rglob("*.py") for name in imports(path)}


@cache
def modules():
    """Return the syntax tree and the file of every first-party module by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(package.parent).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = (ast.parse(path.read_text(encoding="utf-8")), path)
    return found


def imported_modules(name):
    """Yield the first-party modules that a module imports anywhere in it, for type checkers too."""
    tree, path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
            targets = [target if target in modules() else base for target in targets]
        else:
            continue
        yield from (target for target in targets if target in modules() and target != name)


def room(name):
    """Return the room of a module of the core; the face of the package has none."""
    return name.split(".")[1] if "." in name else None


def test_every_room_has_a_floor():
    rooms = {room(name) for name in modules() if name.startswith("ntkbench.")} - {"__main__", "studies"}
    assert rooms == set(FLOOR_OF)


@pytest.mark.parametrize(
    "name", [name for name in modules() if room(name) in FLOOR_OF and name.startswith("ntkbench.")]
)
def test_no_module_of_the_core_imports_upward_or_sideways(name):
    mine = room(name)
    imported = {found for found in imported_modules(name) if found.partition(".")[0] == "ntkbench"}
    wrong = {found for found in imported if room(found) != mine and FLOOR_OF.get(room(found), 99) >= FLOOR_OF[mine]}
    assert wrong - {"ntkbench"} == set()  # the face: it imports lazily, and its version is light


def test_the_theory_imports_nothing_of_ours():
    theory = [name for name in modules() if name.startswith("ntkbench.theory")]
    assert {found for name in theory for found in imported_modules(name)} <= set(theory)


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: set(imported_modules(name)) - {"ntkbench"} for name in modules()}
    assert sum(map(len, graph.values())) > 500
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_few_modules_lie_loose_in_the_core():
    loose = {path.stem for path in (ROOT / "ntkbench").glob("*.py")} - {"__init__", "__main__", "errors"}
    assert len(loose) <= 3


def strings(tree):
    """Yield the string literals of a module that are no docstrings."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]
    docstrings = {id(node.body[0].value) for node in nodes if ast.get_docstring(node, clean=False)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def plugin_names():
    """Return the names of first-party plugins' packages, backends and tasks, and the families of tasks."""
    registry = load_registry()
    known = {spec.name for specs in (registry.tasks, registry.backends) for spec in specs}
    families = {f"{name.partition('/')[0]}/" for name in known if "/" in name}
    return known | {path.name for path in PACKAGES[1:]}, families | {f"{path.name}." for path in PACKAGES[1:]}


def test_the_core_has_no_name_of_a_plugin_or_of_its_tasks_and_backends():
    names, beginnings = plugin_names()
    assert {"synthetic/circle", "jax", "ntkbench_torch"} <= names and "uci/" in beginnings
    found = [
        (name, text)
        for name, (tree, _) in modules().items()
        # There jax and torch are distributions, whose versions a run records.
        if name.partition(".")[0] == "ntkbench" and name != "ntkbench.execution.environment"
        for text in strings(tree)
        if text in names or text.startswith(tuple(beginnings))
    ]
    assert found == []


def test_functions_are_short():
    lengths = {
        f"{name}:{node.name}": node.end_lineno - node.lineno + 1
        for name, (tree, _) in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > 1000
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_no_two_classes_have_one_name():
    """But for the parameters of tasks and backends, which are never seen together."""
    places = defaultdict(list)
    for name, (tree, _) in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1 and name != "Parameters"} == {}


def docstrings():
    for name, (tree, _) in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
                yield f"{name}:{getattr(node, 'name', '')}", text


def test_docstrings_cite_only_pages_that_are_here():
    found = list(docstrings())
    assert len(found) > 1000
    cited = re.compile(r"(?<!docs/)\btheory\.md|\bthe contract\b(?! of)")
    assert [place for place, text in found if cited.search(text)] == []
    pages = {page for _, text in found for page in re.findall(r"\bdocs/\w+\.md", text)}
    assert [page for page in sorted(pages) if not (ROOT / page).is_file()] == []


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


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda path: path.stem)
def test_benchmarks_import_what_is_there(path):
    """No test runs them and no type checker reads them, so a move would break them unseen."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module.startswith("ntkbench"):
            assert node.module in modules(), node.module
            words = modules()[node.module][1].read_text(encoding="utf-8")
            for name in (alias.name for alias in node.names):
                assert f"{node.module}.{name}" in modules() or re.search(rf"\b{name}\b", words), (node.module, name)
