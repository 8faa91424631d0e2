"""Targets are checked without importing them."""

import sys

import pytest

from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.targets import target_mistake


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that puts a module of a text on the path, in a package of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "__init__.py").write_text("")

    def write(text):
        (tmp_path / "heavy" / "solve.py").write_text(text)

    target_mistake.cache_clear()
    yield write
    target_mistake.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "heavy"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "text",
    [
        "def solve(): pass",
        "class solve: pass",
        "solve = 3",
        "solve: int = 3",
        "one, (solve, *two) = 1, (2, 3)",
        "from elsewhere import other as solve",
        "from elsewhere import *",
        "if True:\n    def solve(): pass",
        "try:\n    import solve\nexcept ImportError:\n    pass",
        "def __getattr__(name): return 3",
        "globals()['solve'] = 3",
    ],
)
def test_whatever_may_bind_the_name_counts(module, text):
    module(text)
    assert target_mistake("heavy.solve:solve") is None
    assert "heavy.solve" not in sys.modules


@pytest.mark.parametrize(
    ("text", "target", "mistake"),
    [
        ("def slove(): pass", "heavy.solve:solve", 'heavy.solve has no "solve"; did you mean "slove"?'),
        ("def outer():\n    def solve(): pass", "heavy.solve:solve", 'heavy.solve has no "solve"'),
        ("", "heavy.absent:solve", "there is no module heavy.absent"),
        ("", "absent.solve:solve", "there is no module absent.solve"),
        ("def (", "heavy.solve:solve", "heavy.solve is no Python: invalid syntax (line 1)"),
        ("", "json:dum", 'json has no "dum"; did you mean "dump"?'),
    ],
)
def test_what_is_missing_is_named(module, text, target, mistake):
    module(text)
    assert target_mistake(target) == mistake


def test_all_of_ours_are_there():
    specs = [spec for _, _, known in load_registry().kinds() for spec in known if hasattr(spec, "target")]
    targets = [spec.target for spec in specs] + [spec.parameters for spec in specs if hasattr(spec, "parameters")]
    assert len(targets) > 200
    assert [mistake for target in targets if (mistake := target_mistake(target))] == []
