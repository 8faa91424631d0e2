"""The user's own plugins, by ``--plugin``: files, packages and folders of loose files."""

import sys

import pytest
from plugin_files import BROKEN, HEAD, hook, metric, report
from toy_runs import TOY

from ntkbench.errors import PluginError
from ntkbench.plugin.loading import load_registry


class TestOnesOwn:
    """Plugins by ``--plugin``: the user asked for them, so what is wrong with them is an error."""

    def test_a_file(self):
        found = load_registry([TOY])
        assert report(found, "toy").source == f"file: {TOY}"
        assert "toy/line" in found.tasks
        assert found.tasks.owners["toy/line"] == "toy"

    def test_files_are_loaded_once_for_a_process(self):
        first = load_registry([TOY]).manager.get_plugin("toy")
        assert load_registry([TOY]).manager.get_plugin("toy") is first

    def test_a_folder_that_is_a_package(self, plugin, tmp_path):
        plugin("kit/helper", "NAME = 'kit'\n")
        plugin("kit/__init__", "from .helper import NAME\n" + hook("register_metrics", f"return [{metric('kit')}]"))
        found = load_registry([tmp_path / "kit"])
        assert found.metrics.owners["kit"] == "kit"
        assert sys.modules["kit.helper"].NAME == "kit"

    def test_a_folder_of_loose_files(self, plugin, tmp_path):
        for name in ("one", "two", "_three"):
            plugin(f"loose/{name}", hook("register_metrics", f"return [{metric(name.strip('_'))}]"))
        found = load_registry([tmp_path / "loose"])
        assert (found.metrics.owners["one"], found.metrics.owners["two"]) == ("one", "two")
        assert "three" not in found.metrics

    @pytest.mark.parametrize("name", ["absent.py", "absent", "empty"])
    def test_what_is_not_there(self, tmp_path, name):
        (tmp_path / "empty").mkdir()
        with pytest.raises(PluginError, match=f"--plugin .*{name}: neither a Python file nor a folder"):
            load_registry([tmp_path / name])

    def test_what_is_no_python(self, tmp_path):
        (tmp_path / "notes.txt").write_text("dear diary")
        with pytest.raises(PluginError, match=r"notes.txt is not a Python file"):
            load_registry([tmp_path / "notes.txt"])

    @pytest.mark.parametrize("case", ["import", "misspelt", "taken", "argument"])
    def test_a_broken_one_is_an_error_that_names_it(self, plugin, case):
        text, reason = BROKEN[case]
        path = plugin("mine", text)
        with pytest.raises(PluginError) as caught:
            load_registry([path])
        assert str(caught.value).startswith(f'plugin "mine" (file: {path}): ')
        assert reason in str(caught.value)

    @pytest.mark.parametrize("name", ["json", "sklearn", "numpy", "sys"])
    def test_a_file_named_like_a_module_would_hide_it(self, plugin, name):
        path = plugin(name, "")
        with pytest.raises(PluginError, match=f'there is already a module "{name}"'):
            load_registry([path])
        assert str(path) != getattr(sys.modules.get(name), "__file__", None)

    def test_a_name_with_a_dot(self, plugin):
        with pytest.raises(PluginError, match="rename the file"):
            load_registry([plugin("my.plugin", "")])

    def test_a_module_that_fails_can_be_mended(self, plugin):
        path = plugin("mine", "raise RuntimeError('not today')\n")
        with pytest.raises(PluginError):
            load_registry([path])
        assert "mine" not in sys.modules
        path.write_text(HEAD)
        assert report(load_registry([path]), "mine").status == "ok"
