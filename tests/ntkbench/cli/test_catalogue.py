"""``ntkbench list``, ``show``, ``plugins`` and ``doctor``: everything there is."""

import json
import sys

import pytest
from toy_runs import TOY, invoke

from ntkbench.cli import main
from ntkbench.plugin import availability, discovery, loading


class TestCatalogue:
    @pytest.mark.parametrize("kind", ["tasks", "backends", "metrics", "studies"])
    def test_list(self, kind):
        known = getattr(loading.load_registry(), kind)
        found = invoke("list", kind)
        assert [line.split()[0] for line in found.output.splitlines()] == [spec.name for spec in known]
        rows = json.loads(invoke("list", kind, "--json").stdout)
        assert [row["name"] for row in rows] == [spec.name for spec in known]
        assert all(row["summary"] and row["plugin"] for row in rows)

    def test_list_takes_a_plugin_of_ones_own(self):
        assert "toy/line" in invoke("list", "tasks", "--plugin", TOY).output

    def test_unavailable_things_say_what_to_type(self, monkeypatch):
        monkeypatch.setattr(
            availability, "missing_requirement", lambda requires, install: install and f"missing: {install}"
        )
        assert 'unavailable: missing: pip install "ntkbench[torch]"' in invoke("list", "backends").output
        assert 'unavailable: missing: pip install "ntkbench[torch]"' in invoke("show", "torch").output

    def test_show_everything_there_is(self, monkeypatch):
        found = loading.load_registry()
        for module in (main, loading):
            monkeypatch.setattr(module, "load_registry", lambda *_: found)
        for known in (found.tasks, found.backends, found.metrics, found.studies):
            for spec in known:
                shown = invoke("show", spec.name)
                assert shown.exit_code == 0
                assert spec.name in shown.output

    def test_show_names_parameters_and_defaults(self):
        found = invoke("show", "toy-network", "--plugin", TOY).output
        assert "from plugin toy" in found
        assert "seconds (float, default 0.0)" in found
        assert 'log (str, default ""): a file to which every solved cell adds a line' in found
        assert "role: subject" in found

    def test_show_says_which_metrics_have_to_be_listed(self):
        assert "only in studies that list it" in invoke("show", "law_agreement").output
        assert "only in studies that list it" not in invoke("show", "rmse").output

    def test_plugins(self):
        found = invoke("plugins", "--plugin", TOY, "--json")
        reports = {report["name"]: report for report in json.loads(found.stdout)}
        assert {"ntkbench", "jax", "torch", "synthetic", "uci", "toy"} <= reports.keys()
        assert {report["status"] for report in reports.values()} == {"ok"}
        assert "built in" in invoke("plugins").output

    def test_doctor(self):
        report = json.loads(invoke("doctor", "--json", "--plugin", TOY).stdout)
        assert "toy-kernel" in report["available"]
        assert report["environment"]["python"] == sys.version.split()[0]
        text = invoke("doctor", "--plugin", TOY).output
        assert len(text.splitlines()) < 40
        assert text.rstrip().endswith("backends and tasks work. Try: ntkbench run")
        assert "toy ok" in text

    def test_a_broken_plugin_is_the_doctors_concern_and_nobody_elses(self, monkeypatch, tmp_path):
        def broken():
            raise ImportError("no such thing")

        candidate = discovery.FoundPlugin("mine", "installed: mine", "1.0", broken)
        monkeypatch.setattr(loading, "installed", lambda: [candidate])
        found = invoke("doctor")
        assert found.exit_code == 1
        assert "mine broken: ImportError: no such thing" in found.output
        assert invoke("list", "metrics").exit_code == 0
        assert "ImportError: no such thing" in invoke("plugins").output
