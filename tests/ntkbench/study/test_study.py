"""What a study may say: where it comes from, what is changed in it, and what is recorded of it."""

import copy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_runs import TOY, as_toml, study, subject

import ntkbench
from ntkbench.api.run import Options, plan_study
from ntkbench.errors import StudyError
from ntkbench.plugin.loading import load_registry
from ntkbench.study.edit import apply_size, parse_assignment, set_path
from ntkbench.study.load import Overrides, edited
from ntkbench.study.model import TrainingEntry
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study


class TestSources:
    def run_id(self, source):
        return plan_study(source, Overrides(), Options(plugins=(str(TOY),)))[0].run_id

    def test_a_mapping_a_model_a_path_and_a_text_are_one_study(self, tmp_path):
        path = tmp_path / "toy.toml"
        path.write_text(as_toml(study()))
        ids = {self.run_id(source) for source in (study(), ntkbench.Study(**study()), path, str(path))}
        assert len(ids) == 1

    def test_a_name_is_its_file(self):
        path = load_registry().studies.get("quickstart").path
        assert self.run_id("quickstart") == self.run_id(path)

    def test_a_model_in_python_may_use_the_packages_own_types(self):
        data = study(architecture=[ntkbench.Architecture(depth=1)])
        assert self.run_id(ntkbench.Study(**data)) == self.run_id(study())

    def test_a_mapping_is_left_as_it_was(self):
        data = study(sizes={"small": {"subject": {"widths": [2]}}})
        before = copy.deepcopy(data)
        plan_study(data, Overrides(set={"task.0.n_train": 9}, members=2), Options(plugins=(str(TOY),)))
        assert data == before

    def test_a_mistake_in_a_model_says_which_study(self, complaint):
        assert complaint(ntkbench.Study(**study(metrics=["rsme"])))[0] == 'study "toy": 1 mistake'


class TestAssignments:
    @pytest.mark.parametrize(
        ("text", "path", "value"),
        [
            ("seed=3", "seed", 3),
            (" training.steps = 3 ", "training.steps", 3),
            ("a.b=[1, 2]", "a.b", [1, 2]),
            ("a=true", "a", True),
            ("a=1e-3", "a", 1e-3),
            ("a='1'", "a", "1"),
            ('a="x y"', "a", "x y"),
            ("a=relu", "a", "relu"),
            ("a=leaky_relu(slope=0.1)", "a", "leaky_relu(slope=0.1)"),
            ("a=my.module:function", "a", "my.module:function"),
            ("a=uci/wine", "a", "uci/wine"),
            ("a={ fraction_of_max_stable = 0.5 }", "a", {"fraction_of_max_stable": 0.5}),
            ("a=inf", "a", float("inf")),
        ],
    )
    def test_values(self, text, path, value):
        assert parse_assignment(text) == (path, value)

    @pytest.mark.parametrize("text", ["seed", "=3", "  =3", "seed=", "seed=[1", "seed=two words", "seed=a,b"])
    def test_what_is_none(self, text):
        with pytest.raises(StudyError, match=r"^--set "):
            parse_assignment(text)

    def test_a_table_list_is_set_in_all_its_tables_or_in_one(self):
        data = {"task": [{"n": 1}, {"n": 2}]}
        set_path(data, "task.n", 5)
        assert data == {"task": [{"n": 5}, {"n": 5}]}
        set_path(data, "task.1.n", 6)
        assert data == {"task": [{"n": 5}, {"n": 6}]}
        set_path(data, "task.0", {"n": 7})
        assert data == {"task": [{"n": 7}, {"n": 6}]}
        set_path(data, "training.learning_rate.fraction_of_max_stable", 0.1)
        assert data["training"] == {"learning_rate": {"fraction_of_max_stable": 0.1}}

    def test_what_is_set_in_several_tables_is_not_shared(self):
        data = {"task": [{}, {}]}
        set_path(data, "task.noise", {"slope": 1})
        data["task"][0]["noise"]["slope"] = 2
        assert data["task"][1]["noise"]["slope"] == 1

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("task.2.n", "index 2 is past the end of a list of 2"),
            ("seed.x", "there is no table to set 'x' in"),
            ("list.x", "there is no table to set 'x' in"),
        ],
    )
    def test_paths_that_lead_nowhere(self, path, message):
        with pytest.raises(StudyError, match=message):
            set_path({"task": [{}, {}], "seed": 1, "list": [1, 2]}, path, 5)

    @given(st.dictionaries(st.sampled_from("abc"), st.integers()), st.sampled_from("abc"), st.integers())
    def test_what_was_set_is_there_and_nothing_else_changed(self, data, key, value):
        result = copy.deepcopy(data)
        set_path(result, key, value)
        assert result == {**data, key: value}


def test_tasks_that_replace_the_studys(registry):
    """A subject of some tasks learns those chosen of them, and any that are new."""
    subjects = [subject("one", tasks=["toy/line"]), subject("other", tasks=["synthetic/sine"])]
    data = study(task=[{"name": "toy/line"}, {"name": "synthetic/sine"}], subject=subjects)
    asked = Overrides(tasks=("toy/line", "synthetic/circle"))
    found = resolve_study(data, registry, asked).study.subject
    assert [entry.tasks for entry in found] == [("toy/line", "synthetic/circle"), ("synthetic/circle",)]


def test_widths_that_replace_the_studys_have_the_members_of_the_next_wider_one(registry):
    data = study(subject=[subject(members={"4": 40, "16": 10, "64": 3})])
    found = resolve_study(data, registry, Overrides(widths=(2, 4, 5, 99))).study.subject[0]
    assert found.members == {2: 40, 4: 40, 5: 10, 99: 3}
    assert resolve_study(data, registry, Overrides(widths=(2,), members=7)).study.subject[0].members == 7


class TestSizes:
    SIZED = study(
        sizes={
            "small": {"subject": {"widths": [2]}, "task": {"n_train": 3}, "training": {"steps": 1}},
            "full": {"subject": [subject("other")]},
        }
    )

    def test_small_is_the_default(self, registry):
        small = resolve_study(self.SIZED, registry).study
        assert small.subject[0].widths == (2,)
        assert small.training.steps == 1
        assert small.training.records == 5  # what a size does not name stays
        assert small.task[0].parameters == {"n_train": 3}

    def test_full(self, registry):
        full = resolve_study(self.SIZED, registry, Overrides(size="full")).study
        assert [entry.label for entry in full.subject] == ["other"]
        assert full.training.steps == 10

    def test_a_size_that_is_not_in_the_study_changes_nothing(self):
        assert apply_size({"seed": 1, "sizes": {"small": {"seed": 2}}}, "full") == {"seed": 1}

    def test_numbers_of_each_width_are_replaced_whole(self):
        data = {"subject": [{"widths": [2, 4], "members": {"2": 9, "4": 3}}, {"widths": [8], "members": 5}]}
        sizes = {"full": {"subject": {"widths": [8], "members": {"8": 1}}}}
        entry = {"widths": [8], "members": {"8": 1}}
        assert apply_size({**data, "sizes": sizes}, "full") == {"subject": [entry, entry]}

    def test_an_unknown_size(self, complaint):
        assert complaint(self.SIZED, size="ful") == [
            'sizes.ful: no such size; did you mean "full"? (sizes: small, full)'
        ]

    def test_set_comes_after_sizes(self, registry):
        found = resolve_study(self.SIZED, registry, Overrides(set={"subject.widths": [7]}))
        assert found.study.subject[0].widths == (7,)


class TestReplacing:
    def test_tasks_keep_their_parameters_where_the_study_names_them(self, registry):
        data = study(task=[{"name": "toy/line", "n_train": 9}, {"name": "synthetic/sine"}])
        found = resolve_study(data, registry, Overrides(tasks=("synthetic/circle", "toy/line"))).study
        assert [(entry.name, entry.parameters) for entry in found.task] == [
            ("synthetic/circle", {}),
            ("toy/line", {"n_train": 9}),
        ]

    def test_a_task_named_several_times_keeps_all_its_entries(self, registry):
        data = study(task=[{"name": "toy/line", "n_train": 9}, {"name": "synthetic/sine"}, {"name": "toy/line"}])
        found = resolve_study(data, registry, Overrides(tasks=("toy/line",))).study
        assert [entry.parameters for entry in found.task] == [{"n_train": 9}, {}]

    def test_widths_members_and_seed(self, registry):
        data = study(subject=[subject("a"), subject("b", widths=[5])])
        found = resolve_study(data, registry, Overrides(widths=(2, 3), members=6, seed=4)).study
        assert [(entry.widths, entry.members) for entry in found.subject] == [((2, 3), 6)] * 2
        assert found.seed == 4

    def test_a_study_without_subjects_has_no_widths_to_replace(self, complaint):
        assert complaint(study(subject=[]), widths=(3,)) == [
            "widths: the study has no subject whose widths could be replaced"
        ]
        assert complaint(study(subject=[]), members=3)[0].startswith("members: the study has no subject")

    @pytest.mark.parametrize("task", [3, "toy/line", {"name": "toy/line"}, [3]])
    def test_tasks_replace_rubbish_too(self, task):
        assert edited({"task": task}, Overrides(tasks=("toy/line",)))["task"] == [{"name": "toy/line"}]


class TestRecord:
    @pytest.mark.parametrize(
        ("steps", "record", "expected"),
        [
            (10, 5, (0, 2, 4, 6, 8, 10)),
            (10, 3, (0, 3, 7, 10)),
            (2, 5, (0, 1, 2)),
            (0, 5, (0,)),
            (10, (3,), (0, 3, 10)),
            (10, (), (0, 10)),
            (10, (10, 3, 3), (0, 3, 10)),
        ],
    )
    def test_steps_ascend_from_the_first_to_the_last(self, steps, record, expected):
        assert TrainingEntry(steps=steps, records=record).recorded_steps() == expected

    @given(st.integers(0, 10**6), st.integers(1, 200))
    def test_any_number_of_records(self, steps, record):
        found = TrainingEntry(steps=steps, records=record).recorded_steps()
        assert found[0] == 0
        assert found[-1] == steps
        assert all(a < b for a, b in pairwise(found))
        assert len(found) == min(steps, record) + 1


def test_the_quickstart_is_a_study_within_its_limits():
    """At most 64 synthetic and 100 UCI training points, 200 steps, and at least 8 members."""
    registry = load_registry()
    plan = make_plan(resolve_study("quickstart", registry), registry)
    assert {cell.task.split("/")[0] for cell in plan.cells} == {"synthetic", "uci"}
    for cell in plan.cells:
        assert cell.sizes.n_train <= (64 if cell.task.startswith("synthetic") else 100)
        assert cell.training.steps[-1] <= 200
        assert cell.role == "reference" or cell.members >= 8
        assert cell.skip is None


LISTED_ONLY = {"learning_speed_ratio", "function_distance_relative", "law_agreement", "prediction_rmse"}


def test_some_metrics_are_measured_only_where_a_study_lists_them(registry):
    usual = study()
    usual.pop("metrics", None)
    found = {metric.name for metric in resolve_study(usual, registry).metrics}
    assert {"rmse", "function_distance"} <= found
    assert not found & LISTED_ONLY
    listed = resolve_study(study(metrics=sorted(LISTED_ONLY)), registry)
    assert {metric.name for metric in listed.metrics} == LISTED_ONLY
