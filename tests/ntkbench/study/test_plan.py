"""What a study becomes: cells whose names depend on what their numbers depend on, and on nothing else."""

import copy
import random
from dataclasses import replace

import pytest
from toy_runs import LISTENER, TOY, session, study, subject

from ntkbench.api.run import Options, plan_study
from ntkbench.errors import PluginError, StudyError
from ntkbench.plugin.hashing import digest
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.specs import MethodFacts
from ntkbench.study.load import Overrides
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study

RICH = study(
    seed=3,
    task=[{"name": "toy/line", "splits": 2, "n_train": 5}, {"name": "synthetic/sine"}],
    architecture=[{"depth": 1}, {"depth": 0}, {"depth": 2, "activation": "erf"}],
    reference=[
        {"label": "ntk", "backend": "toy-kernel"},
        {"label": "other", "backend": "toy-kernel", "dtype": "float32"},
    ],
    subject=[subject(compare_with=["ntk", "other"]), subject("alone", compare_with=[], widths=[8])],
    metrics=["rmse", "function_distance"],
)


@pytest.fixture(scope="module")
def registry():
    return load_registry([TOY])


@pytest.fixture(scope="module")
def plan(registry):
    def make(source, found=registry, **overrides):
        return make_plan(resolve_study(source, found, Overrides(**overrides)), found)

    return make


def ids(plan):
    return {cell.cell_id for cell in plan.cells}


class TestExpansion:
    def test_tasks_splits_architectures_methods_and_widths(self, plan):
        found = plan(RICH)
        problems = {(cell.task, cell.split_index, cell.architecture.depth) for cell in found.cells}
        tasks = [("toy/line", 0), ("toy/line", 1), ("synthetic/sine", 0)]
        assert problems == {(*task, depth) for task in tasks for depth in (0, 1, 2)}
        for problem in problems:
            cells = [c for c in found.cells if (c.task, c.split_index, c.architecture.depth) == problem]
            widths = [(cell.label, cell.width) for cell in cells]
            networks = [("network", w) for w in (4, 16, 64)] + [("alone", 8)]
            if problem[-1] == 0:  # a linear model has no width
                networks = [("network", None), ("alone", None)]
            assert widths == [("ntk", None), ("other", None), *networks]

    def test_a_kernel_is_one_cell_however_many_compare_with_it(self, plan):
        found = plan(study())
        (kernel,) = [cell for cell in found.cells if cell.role == "reference"]
        networks = [cell for cell in found.cells if cell.role == "subject"]
        assert len(networks) == 3
        assert all(cell.references == {"ntk": kernel.cell_id} for cell in networks)

    def test_references_come_before_their_readers(self, plan):
        seen = set()
        for cell in plan(RICH).cells:
            assert set(cell.references.values()) <= seen
            seen.add(cell.cell_id)

    def test_the_rates_reference_is_read_by_all(self, plan):
        data = copy.deepcopy(RICH)
        data["training"]["learning_rate"]["reference"] = "other"
        for cell in plan(data).cells:
            assert cell.anchor == "other"
            assert ("other" in cell.references) == (cell.label != "other")

    def test_an_absolute_rate_ties_nobody(self, plan):
        data = study(training={"learning_rate": 0.1, "steps": 3}, subject=[subject(compare_with=[])])
        assert all(cell.anchor is None and not cell.references for cell in plan(data).cells)

    def test_what_is_asked_for_twice_is_planned_once(self, plan):
        once, twice = study(), study(task=[{"name": "toy/line"}] * 2, architecture=[{"depth": 1}] * 2)
        assert [cell.cell_id for cell in plan(twice).cells] == [cell.cell_id for cell in plan(once).cells]

    def test_ids_are_unique(self, plan):
        found = plan(RICH)
        assert len(ids(found)) == len(found.cells)
        assert all(len(cell_id) == 16 for cell_id in ids(found))

    def test_widths_per_layer(self, plan):
        data = study(architecture=[{"depth": 2}], subject=[subject(widths=[[4, 8], 6])])
        networks = [cell for cell in plan(data).cells if cell.role == "subject"]
        assert [(cell.hidden_widths, cell.width) for cell in networks] == [((4, 8), None), ((6, 6), 6)]

    @pytest.mark.parametrize(
        ("depth", "expected"), [(0, {()}), (1, {(4,), (16,), (64,)}), (2, {(4, 4), (16, 16), (64, 64)})]
    )
    def test_a_width_is_expanded_to_one_per_hidden_layer(self, plan, depth, expected):
        cells = plan(study(architecture=[{"depth": depth}])).cells
        assert {cell.hidden_widths for cell in cells if cell.role == "subject"} == expected
        assert {cell.hidden_widths for cell in cells if cell.role == "reference"} == {None}

    def test_members_of_each_width(self, plan):
        asked = {"4": 40, "16": 10, "64": 3}
        data = study(architecture=[{"depth": 0}, {"depth": 2}], subject=[subject(members=asked)])
        networks = [cell for cell in plan(data).cells if cell.role == "subject"]
        assert [(cell.width, cell.members) for cell in networks] == [(None, 40), (4, 40), (16, 10), (64, 3)]
        same = plan(study(architecture=[{"depth": 2}], subject=[subject(members=10)])).cells
        assert {cell.cell_id for cell in networks if cell.width == 16} <= {cell.cell_id for cell in same}

    def test_a_subject_of_some_tasks(self, plan):
        subjects = [subject(tasks=["toy/line"]), subject("alone", widths=[8])]
        found = plan({**RICH, "subject": subjects}).cells
        assert {cell.task for cell in found if cell.label == "network"} == {"toy/line"}
        assert {cell.task for cell in found if cell.label in ("alone", "ntk")} == {"toy/line", "synthetic/sine"}

    def test_labels_tell_tasks_of_one_name_apart(self, plan):
        tasks = [{"name": "synthetic/sine", "label": name, "noise": noise} for name, noise in (("a", 0.0), ("b", 0.5))]
        subjects = [subject(tasks=["b"]), subject("both", widths=[8], tasks=["synthetic/sine"])]
        found = plan(study(task=tasks, subject=subjects)).cells
        noise = {
            label: {c.task_parameters["noise"] for c in found if c.label == label} for label in ("network", "both")
        }
        assert noise == {"network": {0.5}, "both": {0.0, 0.5}}

    def test_a_label_that_no_task_has_is_a_mistake(self, plan):
        with pytest.raises(StudyError, match='no task "c"'):
            plan(study(subject=[subject(tasks=["c"])]))

    def test_cells_hold_the_facts_that_their_backend_declares(self, plan):
        facts = {cell.role: cell.facts for cell in plan(study()).cells}
        assert facts == {"reference": MethodFacts(kernel="ntk"), "subject": MethodFacts()}

    def test_the_rate_is_that_of_the_first_reference_that_declares_the_ntk(self, plan):
        found = load_registry([TOY])
        plain = replace(found.backends.specs["toy-kernel"], name="no-ntk", facts=lambda parameters: MethodFacts())
        found.backends.add(plain, "test")
        first = {"label": "first", "backend": "no-ntk"}
        both = study(reference=[first, {"label": "ntk", "backend": "toy-kernel"}])
        assert {cell.anchor for cell in plan(both, found).cells} == {"ntk"}
        alone = study(reference=[first], subject=[subject(compare_with=["first"])])
        assert {cell.anchor for cell in plan(alone, found).cells} == {"first"}


class TestIdentity:
    def shuffled(self, data, rng):
        if isinstance(data, dict):
            keys = rng.sample(list(data), len(data))
            return {key: self.shuffled(data[key], rng) for key in keys}
        return [self.shuffled(item, rng) for item in data] if isinstance(data, list) else data

    @pytest.mark.parametrize("seed", range(5))
    def test_the_order_of_keys_and_tables_is_nothing(self, plan, seed):
        rng = random.Random(seed)
        data = self.shuffled(RICH, rng)
        for key in ("task", "architecture", "subject", "metrics"):
            rng.shuffle(data[key])
        data["subject"] = [{**entry, "widths": entry["widths"][::-1]} for entry in data["subject"]]
        data["subject"] = [{**entry, "compare_with": entry["compare_with"][::-1]} for entry in data["subject"]]
        data["training"]["learning_rate"]["reference"] = "ntk"  # else the first reference sets the rate
        data["reference"].reverse()
        assert ids(plan(data)) == ids(plan(RICH))

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "other"},
            {"title": "A title", "description": "Words."},
            {"task": [{"name": "toy/line", "n_train": 4, "noise": {"slope": 0.0}}]},
            {"architecture": [{"depth": 1, "bias_std": 0.1, "activation": "relu"}]},
            {"training": {**study()["training"], "records": [2, 4, 6, 8]}},
            {"metrics": ["toy_offset", "function_distance", "rmse_of_network", "rmse", "accuracy", "loss"]},
            {"store": {}},
        ],
        ids=str,
    )
    def test_what_changes_no_number_changes_no_cell(self, plan, change):
        assert ids(plan(study(**change))) == ids(plan(study()))

    @pytest.mark.parametrize(
        "change",
        [
            {"seed": 1},
            {"task": [{"name": "toy/line", "n_train": 5}]},
            {"task": [{"name": "toy/line", "noise": {"slope": 0.5}}]},
            {"architecture": [{"depth": 1, "bias_std": 0.2}]},
            {"architecture": [{"depth": 1, "weight_std": 1.0}]},
            {"architecture": [{"depth": 1, "parameterization": "standard"}]},
            {"training": {**study()["training"], "steps": 12}},
            {"training": {**study()["training"], "records": 2}},
            {"training": {**study()["training"], "learning_rate": {"fraction_of_max_stable": 0.25}}},
            {"reference": [{"label": "ntk", "backend": "toy-kernel", "dtype": "float32"}]},
            {"reference": [{"label": "ntk", "backend": "toy-kernel", "log": "x"}]},
            {"metrics": ["rmse"]},
            {"store": {"predictions": "all"}},
            {"store": {"spectra": 2}},
        ],
        ids=str,
    )
    def test_what_changes_numbers_changes_every_cell(self, plan, change):
        assert not ids(plan(study(**change))) & ids(plan(study()))

    @pytest.mark.parametrize(
        "change",
        [
            {"members": 4},
            {"dtype": "float64"},
            {"seconds": 1.0},
            {"compare_with": []},
            {"observe": []},
            {"label": "net"},
        ],
        ids=str,
    )
    def test_what_changes_the_networks_leaves_the_kernel(self, plan, change):
        changed, before = plan(study(subject=[{**subject(), **change}])), plan(study())
        assert [cell.role for cell in changed.cells if cell.cell_id in ids(before)] == ["reference"]

    def test_how_it_runs_is_nothing(self):
        def planned(**options):
            return ids(plan_study(study(), Overrides(), Options(plugins=(str(TOY),), **options))[0])

        other = planned(jobs=7, threads=3, device="cuda:1", timeout=3.0, executor="inline")
        assert other == planned()

    @pytest.mark.parametrize(
        ("known", "name", "change"),
        [
            ("tasks", "toy/line", {"version": 2}),
            ("tasks", "toy/line", {"fingerprint": lambda parameters: "other data"}),
            ("backends", "toy-kernel", {"version": 2}),
            ("metrics", "rmse", {"version": 2}),
        ],
    )
    def test_versions_and_data_are_part_of_it(self, plan, known, name, change):
        found = load_registry([TOY])
        specs = getattr(found, known).specs
        specs[name] = replace(specs[name], **change)
        assert not ids(plan(study(), found)) & ids(plan(study()))

    def test_a_new_version_of_the_networks_leaves_the_kernel(self, plan):
        found = load_registry([TOY])
        found.backends.specs["toy-network"] = replace(found.backends.specs["toy-network"], version=2)
        assert len(ids(plan(study(), found)) & ids(plan(study()))) == 1

    def test_ids_are_the_same_forever(self, plan):
        """A change here orphans every result that users have: raise spec versions instead."""
        pinned = study(metrics=["rmse"], architecture=[{"depth": 1, "weight_std": 1.5}])
        found = {(cell.label, cell.width): cell.cell_id for cell in plan(pinned).cells}
        assert found == PINNED

    def test_the_runs_name_is_the_studys_and_a_hash(self, plan):
        assert plan(study()).run_id == f"toy-{digest(plan(study()).resolved, 8)}"
        assert plan(study(title="A title")).run_id == plan(study()).run_id
        assert plan(study(seed=1)).run_id != plan(study()).run_id
        assert plan(study(name="b")).run_id.startswith("b-")


PINNED = {
    ("ntk", None): "fda294e6a82ba2b9",
    ("network", 4): "4fd8bc3057413507",
    ("network", 16): "62a8e93fc1d7433e",
    ("network", 64): "110aa2901999609c",
}


class TestSkipping:
    def test_an_architecture_that_is_not_supported(self, plan):
        found = plan(study(architecture=[{"depth": 10}, {"depth": 1}]))
        reasons = {(cell.architecture.depth, cell.role): cell.skip for cell in found.cells}
        assert reasons == {
            (10, "subject"): "only up to depth 9",
            (10, "reference"): None,
            (1, "subject"): None,
            (1, "reference"): None,
        }

    def test_a_backend_that_is_not_here(self, tmp_path, monkeypatch):
        found = load_registry([TOY])
        spec = replace(found.backends.specs["toy-network"], requires=("no-such-thing>=2",))
        found.backends.specs["toy-network"] = spec
        monkeypatch.setattr("ntkbench.api.run.load_registry", lambda paths: found)
        done = session(study(), tmp_path / "run", executor="inline")
        assert done.summary.counts == {"ok": 1, "skipped": 3}
        cells = done.results.cells
        reasons = set(cells[cells["status"] == "skipped"]["reason"])
        assert reasons == {"no-such-thing is not installed: pip install 'no-such-thing>=2'"}

    def test_a_task_that_is_not_here(self, plan):
        found = load_registry([TOY])
        found.tasks.specs["toy/line"] = replace(found.tasks.specs["toy/line"], available=lambda: "data to be fetched")
        assert {cell.skip for cell in plan(study(), found).cells} == {"data to be fetched"}

    def test_plugins_are_asked(self, plan):
        found = load_registry([TOY, LISTENER])
        assert [(cell.width, cell.skip) for cell in plan(study(), found).cells if cell.skip] == [
            (16, "width 16 is unlucky")
        ]

    def test_a_plugin_that_fails_to_answer_is_named(self, plan, tmp_path):
        mute = tmp_path / "mute.py"
        mute.write_text("import ntkbench\n@ntkbench.hookimpl\ndef ntkbench_skip_cell(cell):\n    raise OSError('oh')\n")
        with pytest.raises(PluginError, match=r"ntkbench_skip_cell failed: OSError: oh"):
            plan(study(), load_registry([TOY, mute]))

    def test_skipping_is_no_part_of_the_name(self, plan):
        assert ids(plan(study(), load_registry([TOY, LISTENER]))) == ids(plan(study()))
