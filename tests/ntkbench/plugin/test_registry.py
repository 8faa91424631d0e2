"""Plugins come one by one: a bad one is set aside by name, with its reason, and leaves nothing behind."""

import sys
from dataclasses import fields, replace
from importlib import metadata
from typing import ClassVar

import pytest
from toy_runs import TOY

from ntkbench.errors import NtkbenchError, PluginError, UnavailableError, UnknownNameError, suggestion
from ntkbench.plugin import guard
from ntkbench.plugin import registry as registries
from ntkbench.plugin.registry import (
    NamedRegistry,
    load_registry,
    missing_requirement,
    require_available,
    unavailable_reason,
)
from ntkbench.plugin.spec_checks import check_spec
from ntkbench.plugin.specs import SOLUTION_FIELDS, BackendSpec, Sizes, TaskSpec, import_target
from ntkbench.plugin.types import Solution

FIRST_PARTY = {"reproductions", "features", "jax", "torch", "synthetic", "uci", "sklearn", "files"}

HEAD = "import ntkbench\nfrom ntkbench.plugin.specs import MetricSpec, Sizes, StudySpec, TaskSpec\n"
METRIC = "MetricSpec(name={name!r}, version=1, summary='a', unit='1', goal='none', target='a:b')"


def metric(name):
    return METRIC.format(name=name)


def hook(name, body, arguments=""):
    return f"@ntkbench.hookimpl\ndef ntkbench_{name}({arguments}):\n    {body}\n"


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Return a function that writes a plugin file; its module is forgotten afterwards."""
    before = set(sys.modules)

    def write(name, text, head=HEAD):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + text)
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def installed(monkeypatch):
    """Return a function that makes entry points of plugin files, and nothing else, be installed."""

    def install(*files):
        points = [metadata.EntryPoint(file.stem, f"at.{file.stem}", "ntkbench") for file in files]
        places = {f"at.{file.stem}": file for file in files}
        monkeypatch.setattr(metadata, "entry_points", lambda group: points if group == "ntkbench" else [])
        monkeypatch.setattr(metadata.EntryPoint, "load", lambda self: registries._import_file(places[self.value]))

    return install


def report(registry, name):
    (found,) = [report for report in registry.plugins if report.name == name]
    return found


class TestFirstParty:
    def test_every_plugin_loads(self):
        found = load_registry()
        assert {report.name for report in found.plugins} == FIRST_PARTY | {"ntkbench"}
        assert {report.status for report in found.plugins} == {"ok"}
        assert {"rmse", "accuracy", "function_distance"} <= set(found.metrics.specs)
        assert {"jax", "torch"} <= set(found.backends.specs)
        assert "quickstart" in found.studies

    def test_every_target_exists(self):
        found = load_registry([TOY])
        for _, _, known in found.kinds():
            for spec in known:
                if not getattr(spec, "requires", ()) or not unavailable_reason(spec):
                    for name in ("target", "parameters"):
                        assert not hasattr(spec, name) or callable(import_target(getattr(spec, name)))

    def test_every_parameter_model_refuses_unknown_keys_and_is_frozen(self):
        found = load_registry()
        for spec in [*found.tasks, *found.backends]:
            config = import_target(spec.parameters).model_config
            assert config.get("extra") == "forbid", spec.name
            assert config.get("frozen"), spec.name

    def test_sizes_and_fingerprints_are_told_of_defaults(self):
        for spec in load_registry().tasks:
            model = import_target(spec.parameters)
            if any(field.is_required() for field in model.model_fields.values()):
                continue
            sizes = spec.sizes(model())
            assert isinstance(sizes, Sizes)
            assert all(isinstance(size, int) and size > 0 for size in sizes)
            assert isinstance(spec.fingerprint(model()), str)


BROKEN = {
    "import": ("import nothing_of_this_name\n", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
    "syntax": ("def (\n", "SyntaxError: "),
    "raises": ("raise RuntimeError('not today')\n", "RuntimeError: not today"),
    "misspelt": (
        hook("register_task", "return []"),
        '"ntkbench_register_task" is not a hook; did you mean "ntkbench_register_tasks"?',
    ),
    "unmarked": (
        "def ntkbench_register_tasks():\n    return []\n",
        '"ntkbench_register_tasks" is not marked: put @ntkbench.hookimpl above it',
    ),
    "nameless": ("@ntkbench.hookimpl\ndef register_tasks():\n    return []\n", '"register_tasks" is not a hook'),
    "type": (hook("register_tasks", f"return [{metric('x/a')}]"), "ntkbench_register_tasks returned MetricSpec("),
    "none": (hook("register_metrics", "return [None]"), "ntkbench_register_metrics returned None, expected MetricSpec"),
    "nothing": (hook("register_metrics", "pass"), "TypeError: 'NoneType' object is not iterable"),
    "upper": (hook("register_metrics", f"return [{metric('Rmse')}]"), "the name 'Rmse' must look like"),
    "empty": (hook("register_metrics", f"return [{metric('')}]"), "the name '' must look like"),
    "slashes": (hook("register_metrics", f"return [{metric('a//b')}]"), "the name 'a//b' must look like"),
    "number": (hook("register_metrics", f"return [{metric(3)}]"), "the name 3 must look like"),
    "taken": (
        hook("register_metrics", f"return [{metric('rmse')}]"),
        'metric "rmse" is registered by both ntkbench and mine',
    ),
    "twice": (
        hook("register_metrics", f"return [{metric('x')}, {metric('x')}]"),
        'metric "x" is registered by both mine and mine',
    ),
    "field": (hook("register_metrics", "return [MetricSpec(nam='x')]"), "unexpected keyword argument 'nam'"),
    "hook raises": (hook("register_studies", "raise OSError('no disk')"), "OSError: no disk"),
    "argument": (hook("skip_cell", "return None", "cells"), "'cells'"),
    "exit": ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
    "hook exits": (hook("register_studies", "raise SystemExit"), "SystemExit"),
    "wrapper": (
        "@ntkbench.hookimpl(wrapper=True)\ndef ntkbench_skip_cell(cell):\n    return (yield)\n",
        '"ntkbench_skip_cell" is a wrapper: each plugin is called by itself',
    ),
    "goal": (
        hook("register_metrics", f"return [{metric('x').replace('none', 'least')}]"),
        """metric "x": goal has 'least' (known: min, max, none)""",
    ),
    "study": (
        "from pathlib import Path\n"
        + hook("register_studies", "return [StudySpec(name='x', summary='a', path=Path('/absent.toml'))]"),
        'study "x": there is no file /absent.toml; path must be the pathlib.Path of its .toml file',
    ),
}


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


class TestSpecs:
    """Every field of a spec is checked when it is registered."""

    TASK: ClassVar = {"name": "x", "version": 1, "summary": "a", "parameters": "a:A", "target": "a:b"}
    LIGHT: ClassVar = {"sizes": lambda p: None, "fingerprint": lambda p: ""}
    METHOD: ClassVar = {"role": "subject", "supports": lambda a: None, "estimate": lambda w: None}

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("role", "networks", "role has 'networks' (known: reference, subject)"),
            ("version", "2", "version is '2', expected an integer"),
            ("summary", None, "summary is None, expected a text"),
            ("target", "a.b", "target is 'a.b', expected \"module:attribute\""),
            ("parameters", dict, "parameters is <class 'dict'>, expected \"module:attribute\""),
            ("supports", "all", "supports is 'all', expected a function"),
            ("optimizers", ("sgd",), "optimizers has 'sgd' (known: gradient-descent,"),
            ("losses", "huber", "losses is 'huber', expected a tuple of texts"),
            ("batches", 1, "batches is 1, expected True or False"),
            ("requires", ["torch"], "requires is ['torch'], expected a tuple of texts"),
            ("observables", ("ntk",), "observables is ('ntk',), expected a mapping of names to descriptions"),
            ("observed_by_default", ("ntk",), "observed_by_default has 'ntk' (known: none)"),
        ],
    )
    def test_a_wrong_field_is_named_with_what_would_be_right(self, field, value, message):
        spec = BackendSpec(**self.TASK, **self.METHOD)
        check_spec(spec, BackendSpec, "hook")
        with pytest.raises(PluginError) as caught:
            check_spec(replace(spec, **{field: value}), BackendSpec, "hook")
        assert str(caught.value).startswith(f'backend "x": {message}')

    def test_a_metric_needs_fields_of_solutions(self):
        assert tuple(field.name for field in fields(Solution)) == SOLUTION_FIELDS

    @pytest.mark.parametrize(
        ("function", "result", "expected"),
        [
            ("sizes", Sizes(4, 3, 2, 1, 0), "Sizes of positive integers (n_train, n_test, n_features, n_outputs,"),
            ("sizes", None, "Sizes of positive integers"),
            ("fingerprint", 3, "a text"),
            ("sizes", (4, 3), "Sizes of positive integers"),
        ],
    )
    def test_what_a_light_function_returns(self, function, result, expected):
        known = NamedRegistry(
            "task", {"x": TaskSpec(**self.TASK, **self.LIGHT | {function: lambda p: result})}, {"x": "me"}
        )
        with pytest.raises(PluginError) as caught:
            known.call("x", function, None)
        assert str(caught.value).startswith(f'plugin "me": task "x" (a:b): {function}() returned {result!r}, expected')
        assert expected in str(caught.value)

    def test_a_light_function_that_exits(self):
        known = NamedRegistry("task", {"x": TaskSpec(**self.TASK, **self.LIGHT | {"sizes": sys.exit})}, {"x": "me"})
        with pytest.raises(PluginError, match=r'plugin "me": task "x" \(a:b\): sizes\(\) failed: SystemExit: 7'):
            known.call("x", "sizes", 7)


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
    candidates = registries._installed()
    monkeypatch.setattr(registries, "_installed", lambda: candidates * 2)
    found = load_registry()
    reports = [report for report in found.plugins if report.name == "mine"]
    assert [report.status for report in reports] == ["ok", "broken"]
    assert 'the name "mine" is already taken by the plugin installed: at.mine' in reports[1].reason
    assert "first" in found.metrics
    assert found.manager.get_plugin("mine") is not None


def test_one_module_under_two_names(plugin, installed, monkeypatch):
    path = plugin("mine", hook("register_metrics", f"return [{metric('first')}]"))
    installed(path)
    (candidate,) = registries._installed()
    again = registries._Candidate("again", "elsewhere", "", candidate.load)
    monkeypatch.setattr(registries, "_installed", lambda: [candidate, again])
    found = load_registry()
    assert report(found, "again").reason == 'its module mine is already loaded as plugin "mine"'
    assert "first" in found.metrics


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


class TestNames:
    def test_an_unknown_name_gets_a_suggestion(self):
        found = load_registry([TOY])
        with pytest.raises(UnknownNameError) as caught:
            found.tasks.get("toy/lin")
        assert str(caught.value) == 'no task "toy/lin"; did you mean "toy/line"? (see: ntkbench list tasks)'
        with pytest.raises(UnknownNameError, match=r"\(see: ntkbench list studies\)"):
            found.studies.get("nothing of the kind")

    def test_shelves_are_in_order(self):
        names = [spec.name for spec in load_registry([TOY]).tasks]
        assert names == sorted(names)


class TestAvailability:
    def spec(self, **changes):
        about = {"name": "a", "version": 1, "summary": "a", "parameters": "a:A", "target": "a:b"}
        return TaskSpec(**about, sizes=lambda p: None, fingerprint=lambda p: "", **changes)

    def test_what_is_met(self):
        assert missing_requirement(("numpy>=1", "pytest")) is None

    def test_what_is_not_installed(self):
        reason = missing_requirement(("no-such-thing>=2",))
        assert reason == "no-such-thing is not installed: pip install 'no-such-thing>=2'"

    def test_what_is_too_old(self):
        reason = missing_requirement(("numpy", "numpy>=999"), 'pip install "ntkbench[all]"')
        version = metadata.version("numpy")
        assert reason == f'numpy {version} is installed, >=999 is needed: pip install "ntkbench[all]"'

    def test_a_requirement_comes_before_the_data(self):
        spec = self.spec(requires=("no-such-thing",), available=lambda: "no data")
        assert unavailable_reason(spec).startswith("no-such-thing is not installed")
        assert unavailable_reason(self.spec(available=lambda: "no data")) == "no data"
        assert unavailable_reason(self.spec()) is None

    def test_a_check_that_fails_is_a_reason_too(self):
        def broken():
            raise OSError("no disk")

        assert unavailable_reason(self.spec(available=broken)) == "its check failed with OSError: no disk"
        assert "InvalidRequirement" in unavailable_reason(self.spec(requires=("a >>= b",)))

    @pytest.mark.parametrize(
        ("entries", "reason"),
        [
            (("jax",), 'needs the plugin "jax", which is disabled'),
            (("torch", "jax"), 'needs the plugin "jax", which is disabled'),
            (("no-such",), 'needs the plugin "no-such", which is not installed'),
            (("jax|no-such",), '"jax", which is disabled; needs the plugin "no-such", which is not installed'),
        ],
    )
    def test_a_plugin_that_is_missing_or_disabled(self, entries, reason, monkeypatch):
        monkeypatch.setenv("NTKBENCH_DISABLE_PLUGINS", "jax")
        found = unavailable_reason(self.spec(requires_plugins=entries), load_registry())
        assert found.endswith(reason)
        assert unavailable_reason(self.spec(requires_plugins=entries)) == found
        assert unavailable_reason(self.spec(requires_plugins=("jax|uci", "synthetic")), load_registry()) is None

    def test_a_plugin_whose_distributions_are_missing_says_what_to_install(self, monkeypatch):
        def nothing_installed(requires, install):
            return f"none: {install}" if requires else None

        monkeypatch.setattr(registries, "missing_requirement", nothing_installed)
        reason = unavailable_reason(self.spec(requires_plugins=("jax",)))
        assert reason == 'needs the plugin "jax": none: pip install "ntkbench[jax]"'

    def test_a_broken_plugin_is_named_with_its_reason(self):
        found = load_registry()
        found.plugins = [replace(report, status="broken", reason="ImportError: no") for report in found.plugins]
        reason = unavailable_reason(self.spec(requires_plugins=("jax",)), found)
        assert reason == 'needs the plugin "jax", which is broken: ImportError: no'

    def test_first_party_specs_that_use_another_plugin_need_it(self, monkeypatch):
        monkeypatch.setenv("NTKBENCH_DISABLE_PLUGINS", "jax")
        found = load_registry()
        specs = {spec.name: spec for spec in [*found.tasks, *found.backends] if spec.requires_plugins}
        reasons = {name: unavailable_reason(spec, found) for name, spec in specs.items()}
        needs = 'needs the plugin "jax", which is disabled'
        assert reasons == {
            "features": None,  # tangent features are torch's
            "sklearn-svm": needs,
            "synthetic/gp": needs,
            "uci/optical-digits-component": needs,
        }

    def test_it_can_be_required(self):
        require_available(self.spec())
        with pytest.raises(UnavailableError, match="a is unavailable: no data"):
            require_available(self.spec(available=lambda: "no data"))


def test_all_errors_of_users_are_one_family():
    for error in (PluginError, UnavailableError, UnknownNameError):
        assert issubclass(error, NtkbenchError)


@pytest.mark.parametrize(
    ("word", "near"), [("ReLU", "relu"), ("rleu", "relu"), ("bridges-MATERIAL", "bridges-material")]
)
def test_a_suggestion_is_the_nearest_name_whatever_the_case(word, near):
    known = ["relu", "bridges-type", "bridges-material", "Erf"]
    assert suggestion(word, known) == f'; did you mean "{near}"?'
    assert suggestion("erv", known) == '; did you mean "Erf"?'
    assert suggestion("quite another", known) == ""
