"""Our own plugins load, and their specs are as they must be."""

from plugin_files import FIRST_PARTY
from toy_runs import TOY

from ntkbench.plugin.availability import unavailable_reason
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.specs import Sizes, import_target


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
