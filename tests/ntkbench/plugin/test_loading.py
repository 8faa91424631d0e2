"""Plugins come one by one: a bad one is set aside by name, with its reason, and leaves nothing behind."""

from importlib import metadata

import pytest
from plugin_files import BROKEN, FIRST_PARTY, HEAD, hook, metric, report

from ntkbench.errors import PluginError, UnknownNameError
from ntkbench.plugin import discovery, guard, loading
from ntkbench.plugin.loading import load_registry


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_set_aside_and_the_others_go_on(plugin, installed, case):
    """It had registered a good metric and a good listener before it came to grief: neither stays."""
    text, reason = BROKEN[case]
    good_too = hook("cell_finished", "pass", "cell")
    if "register_metrics" not in text:
        good_too += hook("register_metrics", f"return [{metric('mine')}]")
    head, text = (HEAD, good_too + text) if case != "syntax" else ("", text)
    other = plugin("other", hook("register_metrics", f"return [{metric('others')}]"))
    later = plugin("zlater", hook("register_metrics", f"return [{metric('laters')}]"))
    installed(other, plugin("mine", text, head), later)
    found = load_registry()
    mine = report(found, "mine")
    assert mine.status == "broken"
    assert reason in mine.reason
    assert mine.source == "installed: at.mine"
    assert [report(found, name).status for name in ("ntkbench", "other", "zlater")] == ["ok"] * 3
    assert {"rmse", "others", "laters"} <= set(found.metrics.specs)
    assert "mine" not in found.metrics
    assert "mine" not in {owner for _, _, known in found.kinds() for owner in known.owners.values()}
    assert "mine" not in {impl.plugin_name for impl in found.hook.ntkbench_cell_finished.get_hookimpls()}
    assert found.manager.get_plugin("mine") is None


class TestSlow:
    """A plugin that takes long to load, or never ends, is named while it does."""

    def test_one_that_hangs_is_named_after_some_seconds(self, plugin, installed, monkeypatch, capsys):
        monkeypatch.setattr(guard, "_NOTICE_SECONDS", 0.1)
        installed(plugin("mine", "import time\ntime.sleep(0.5)\n"))
        assert report(load_registry(), "mine").status == "ok"
        (line,) = capsys.readouterr().err.splitlines()
        assert line == (
            'ntkbench: still waiting for plugin "mine" (installed: at.mine), being loaded '
            "(NTKBENCH_DISABLE_PLUGINS=mine leaves it out), 0.1 s so far"
        )

    def test_an_interrupt_says_where_it_struck(self, plugin, installed, monkeypatch, capfd):
        installed(plugin("mine", "raise KeyboardInterrupt\n"))
        with pytest.raises(KeyboardInterrupt):
            load_registry()
        assert 'ntkbench: interrupted in plugin "mine"' in capfd.readouterr().err


class TestPrinting:
    def test_what_an_installed_one_prints_becomes_its_note(self, plugin, installed, capfd):
        text = "import os, sys\nprint('one')\nos.write(1, b'two')\nprint('three', file=sys.stderr)\n"
        installed(plugin("mine", text))
        assert report(load_registry(), "mine").note == 'printed 13 B, beginning with "one" while it was loaded'
        assert capfd.readouterr() == ("", "")

    def test_what_ones_own_prints_goes_to_standard_error(self, plugin, capfd):
        load_registry([plugin("mine", "import os\nprint('one')\nos.write(1, b'two')\n")])
        found = capfd.readouterr()
        assert found.out == ""
        assert {"one", "two"} <= {*found.err.replace("two", "two ").split()}

    def test_a_stream_that_a_plugin_keeps_writes_on(self, plugin, installed, capfd):
        """As a logging handler does that is made at import."""
        installed(plugin("mine", "import sys\nstream = sys.stderr\nstream.write('kept')\n"))
        module = load_registry().manager.get_plugin("mine")
        module.stream.write("passed on")
        assert capfd.readouterr().err == "passed on"


class TestClashes:
    """Ours come first, whatever the names."""

    def test_a_name_of_ours_stays_ours(self, plugin, monkeypatch):
        path = plugin("thief", hook("register_metrics", f"return [{metric('ours')}, {metric('own')}]"))
        plugin("zours", hook("register_metrics", f"return [{metric('ours')}]"))
        points = [metadata.EntryPoint("thief", "thief", "ntkbench"), metadata.EntryPoint("zours", "zours", "ntkbench")]
        points[1] = points[1]._for(metadata.distribution("ntkbench"))
        monkeypatch.setattr(metadata, "entry_points", lambda group: points)
        monkeypatch.syspath_prepend(str(path.parent))
        found = load_registry()
        assert found.metrics.owners["ours"] == "zours"
        assert report(found, "thief").reason == 'metric "ours" is registered by both zours and thief'
        with pytest.raises(UnknownNameError) as caught:
            found.metrics.get("own")
        assert str(caught.value).endswith(
            '; it belongs to a plugin that is not loaded: "thief", broken: metric "ours" is registered by both '
            "zours and thief"
        )

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ("1 + 2", """its entry point '1 + 2' names no module; expected one such as "acme.plugin\""""),
            ("json:dumps", "its entry point is a function, expected a module"),
            ("json.absent", "ModuleNotFoundError: No module named 'json.absent'"),
        ],
    )
    def test_an_entry_point_that_is_no_module(self, monkeypatch, value, reason):
        points = [metadata.EntryPoint("mine", value, "ntkbench")]
        monkeypatch.setattr(metadata, "entry_points", lambda group: points)
        assert report(load_registry(), "mine").reason == reason

    def test_one_whose_entry_points_cannot_be_read(self, tmp_path, monkeypatch):
        about = tmp_path / "garbage-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: garbage\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[ntkbench]\nno equals sign\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        found = load_registry()
        assert report(found, "garbage").reason.startswith("its entry points cannot be read: ")
        assert {report.name for report in found.plugins if report.status == "ok"} == FIRST_PARTY | {"ntkbench"}


def test_strict_makes_it_an_error(plugin, installed, monkeypatch):
    installed(plugin("mine", "raise RuntimeError('not today')\n"))
    monkeypatch.setenv("NTKBENCH_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r'plugin "mine" \(installed: at.mine\): RuntimeError: not today'):
        load_registry()
    monkeypatch.setenv("NTKBENCH_STRICT_PLUGINS", "0")
    assert report(load_registry(), "mine").status == "broken"


def test_plugins_can_be_switched_off(plugin, installed, monkeypatch):
    installed(
        plugin("mine", "raise RuntimeError('not today')\n"), plugin("other", hook("register_metrics", "return []"))
    )
    monkeypatch.setenv("NTKBENCH_DISABLE_PLUGINS", " mine ,nobody")
    monkeypatch.setenv("NTKBENCH_STRICT_PLUGINS", "1")
    found = load_registry()
    assert report(found, "mine").status == "disabled"
    assert report(found, "other").status == "ok"


def test_two_plugins_of_one_name(plugin, installed, tmp_path, monkeypatch):
    """The first stays whole."""
    first = plugin("mine", hook("register_metrics", f"return [{metric('first')}]"))
    installed(first)
    candidates = discovery.installed()
    monkeypatch.setattr(loading, "installed", lambda: candidates * 2)
    found = load_registry()
    reports = [report for report in found.plugins if report.name == "mine"]
    assert [report.status for report in reports] == ["ok", "broken"]
    assert 'the name "mine" is already taken by the plugin installed: at.mine' in reports[1].reason
    assert "first" in found.metrics
    assert found.manager.get_plugin("mine") is not None


def test_one_module_under_two_names(plugin, installed, monkeypatch):
    path = plugin("mine", hook("register_metrics", f"return [{metric('first')}]"))
    installed(path)
    (candidate,) = discovery.installed()
    again = discovery.FoundPlugin("again", "elsewhere", "", candidate.load)
    monkeypatch.setattr(loading, "installed", lambda: [candidate, again])
    found = load_registry()
    assert report(found, "again").reason == 'its module mine is already loaded as plugin "mine"'
    assert "first" in found.metrics
