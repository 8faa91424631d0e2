"""Whether a task or backend can be used here, and the reason if it cannot."""

from dataclasses import replace
from importlib import metadata

import pytest

from ntkbench.errors import NtkbenchError, PluginError, UnavailableError, UnknownNameError
from ntkbench.plugin import availability
from ntkbench.plugin.availability import missing_requirement, require_available, unavailable_reason
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.specs import TaskSpec


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

        monkeypatch.setattr(availability, "missing_requirement", nothing_installed)
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
