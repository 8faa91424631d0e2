"""What a study may say, and what is said of one that says something else: all of it at once, each with its place."""

import copy
import datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_runs import TOY, as_toml, study, subject

import ntkbench
from ntkbench.api import Options, plan_study
from ntkbench.errors import StudyError
from ntkbench.plan import make_plan
from ntkbench.registry import load_registry
from ntkbench.study.edit import apply_size, parse_assignment, set_path
from ntkbench.study.load import Overrides, edited
from ntkbench.study.model import TrainingEntry
from ntkbench.study.resolve import resolve_study


@pytest.fixture(scope="module")
def registry():
    return load_registry([TOY])


@pytest.fixture
def complaint(registry):
    """Return a function that gives the lines a study is refused with."""

    def lines(source, **overrides):
        with pytest.raises(StudyError) as caught:
            resolve_study(source, registry, Overrides(**overrides))
        return str(caught.value).splitlines()

    return lines


def changed(path, value):
    """The toy study with one value changed, by a path such as ``subject.0.widths``."""
    data = study()
    set_path(data, path, value)
    return data


WRONG = {
    "unknown key": (
        "subjects",
        [],
        'subjects: unknown key; did you mean "subject"? (known: architecture, claim, description',
    ),
    "unknown quantity": (
        "claim",
        {"id": "C2", "source": "s", "varies": "v", "refuted_by": "r", "judge": ["ntk_distance"]},
        'claim.judge[0]: no quantity is called "ntk_distance"; did you mean',
    ),
    "control of nobody": (
        "claim",
        {"id": "C2", "source": "s", "varies": "v", "refuted_by": "r", "controls": ["network against nobody"]},
        'claim.controls[0]: no reference or subject is labelled "nobody"',
    ),
    "unknown key in a table": ("training.step", 5, 'training.step: unknown key; did you mean "steps"?'),
    "unknown key of the rate": (
        "training.learning_rate",
        {"of_stabel": 0.5},
        'training.learning_rate.of_stabel: unknown key; did you mean "of_stable"? (known: of_stable, reference)',
    ),
    "unknown key of the architecture": (
        "architecture.0.dept",
        3,
        'architecture[0].dept: unknown key; did you mean "depth"?',
    ),
    "unknown parameter of a task": ("task.0.n_trian", 8, 'task[0].n_trian: unknown key; did you mean "n_train"?'),
    "unknown parameter of a backend": (
        "subject.0.behav",
        "well",
        'subject[0].behav: unknown key; did you mean "behave"?',
    ),
    "unknown key of a plugin's table": (
        "task.0.noise.slop",
        1.0,
        'task[0].noise.slop: unknown key; did you mean "slope"?',
    ),
    "misspelt key of the core in a plugin's entry": ("subject.0.width", [3], 'did you mean "widths"?'),
    "unknown task": ("task.0.name", "toy/lin", 'task[0].name: no task "toy/lin"; did you mean "toy/line"?'),
    "unknown backend": ("subject.0.backend", "toy-netwrok", 'no backend "toy-netwrok"; did you mean "toy-network"?'),
    "unknown metric": ("metrics", ["rsme"], 'metrics: no metric "rsme"; did you mean "rmse"?'),
    "unknown label": (
        "subject.0.against",
        ["nkt"],
        "subject[0].against: no reference is labelled \"nkt\" (labels: ['ntk'])",
    ),
    "a label of a subject": ("subject.0.against", ["network"], 'no reference is labelled "network"'),
    "a label twice in against": ("subject.0.against", ["ntk", "ntk"], 'subject[0].against: "ntk" is listed twice'),
    "unknown label of the rate": (
        "training.learning_rate.reference",
        "nngp",
        "training.learning_rate.reference: no reference is labelled \"nngp\" (labels: ['ntk'])",
    ),
    "a rate without a reference": ("reference", [], "training.learning_rate.of_stable: needs a [[reference]]"),
    "nothing to do": ("task", [], "task: "),
    "a subject as a reference": ("reference.0.backend", "toy-network", '"toy-network" is a subject, not a reference'),
    "a reference as a subject": ("subject.0.backend", "toy-kernel", '"toy-kernel" is a reference, not a subject'),
    "unknown observable": (
        "subject.0.observe",
        ["loss"],
        '"loss" is not something toy-network observes (ntk_distance)',
    ),
    "duplicate width": ("subject.0.widths", [4, 8, 4], "subject[0].widths: a width is listed twice"),
    "negative width": (
        "subject.0.widths",
        [-4],
        "subject[0].widths[0]: input should be greater than or equal to 1 (got -4)",
    ),
    "zero width": (
        "subject.0.widths",
        [4, 0],
        "subject[0].widths[1]: input should be greater than or equal to 1 (got 0)",
    ),
    "no width": ("subject.0.widths", [], "subject[0].widths: "),
    "widths of another depth": ("subject.0.widths", [[4, 8]], "[4, 8] gives 2 widths, but depth is [1]"),
    "a width as text": ("subject.0.widths", ["4"], "subject[0].widths[0]: input should be a valid integer"),
    "half a member": ("subject.0.members", 2.5, "subject[0].members: input should be a valid integer"),
    "no member": ("subject.0.members", 0, "subject[0].members: input should be greater than or equal to 1 (got 0)"),
    "a number as text": ("seed", "0", 'seed: input should be a valid integer (got "0")'),
    "a truth value as a number": ("seed", True, "seed: input should be a valid integer (got true)"),
    "negative seed": ("seed", -1, "seed: input should be greater than or equal to 0 (got -1)"),
    "seed beyond 64 bits": ("seed", 2**63, "seed: input should be less than or equal to"),
    "nan": ("architecture.0.bias_std", float("nan"), "architecture[0].bias_std: input should be a finite number"),
    "inf": ("training.learning_rate", float("inf"), "training.learning_rate: input should be a finite number"),
    "negative rate": ("training.learning_rate", -1.0, "training.learning_rate: input should be greater than 0"),
    "a date": ("seed", datetime.date(2020, 1, 1), "study: holds a value that TOML numbers"),
    "wrong schema": ("schema", 2, "schema: input should be 1 (got 2)"),
    "a name that is no file name": ("name", "../up", "name: string should match pattern"),
    "a label with a slash": ("subject.0.label", "a/b", "subject[0].label: string should match pattern"),
    "a task without a name": ("task", [{"n_train": 3}], "task[0].name: is missing"),
    "a table for a list": ("task", {"name": "toy/line"}, "task: input should be a valid"),
    "a number for a table": ("training", 3, "training: "),
    "a step past the end": ("training.record", [0, 11], "record holds step 11, but training ends at step 10"),
    "too many splits": ("task.0.splits", 1001, "task[0].splits: 1001 asked for, but toy/line has 1000"),
    "unknown activation of the store": (
        "store",
        {"predictions": "some"},
        "store.predictions: input should be 'none', 'last' or 'all'",
    ),
    "a choice of a plugin": ("subject.0.behave", "badly", "subject[0].behave: input should be 'well', 'raise'"),
    "unknown size": ("sizes", {"smal": {"seed": 1}}, 'sizes.smal: no such size; did you mean "small"?'),
    "a size that is no table": ("sizes", {"small": 3}, "sizes: expected tables"),
    "a size below a number": ("sizes", {"small": {"seed": {"x": 3}}}, "seed: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_named_with_its_place(complaint, case):
    path, value, message = WRONG[case]
    lines = complaint(changed(path, value))
    assert any(message in line for line in lines), "\n".join(lines)
    assert len(lines) <= 3, "\n".join(lines)


@pytest.mark.parametrize("missing", ["schema", "name", "task", "architecture"])
def test_what_is_missing_is_named(complaint, missing):
    data = study()
    del data[missing]
    assert complaint(data) == ["study: 1 mistake", f"  {missing}: is missing"]


def test_labels_are_used_once(complaint):
    assert 'label "ntk" is used twice' in complaint(study(subject=[subject("ntk")]))[1]


def test_a_study_of_nothing(complaint):
    assert "a study needs at least one" in complaint(study(subject=[], reference=[]))[1]


def test_all_mistakes_are_told_at_once(complaint):
    data = study(seed=-1, colour="red", metrics=[3])
    data["subject"][0]["widths"] = [0]
    data["training"]["step"] = 3
    data["architecture"][0]["bias_std"] = float("nan")
    lines = complaint(data)
    assert lines[0] == "study: 6 mistakes"
    places = [line.strip().split(":")[0] for line in lines[1:]]
    assert sorted(places) == [
        "architecture[0].bias_std",
        "colour",
        "metrics[0]",
        "seed",
        "subject[0].widths[0]",
        "training.step",
    ]


def test_all_mistakes_against_the_registry_are_told_at_once(complaint):
    data = study(metrics=["rsme", "acuracy"])
    data["task"] = [{"name": "toy/lin"}, {"name": "toy/line", "n_trian": 3, "noise": {"slope": "steep"}}]
    data["reference"].append({"label": "second", "backend": "toy-network"})
    data["subject"][0] |= {"against": ["third"], "observe": ["loss"], "behav": 1}
    assert complaint(data)[0] == "study: 9 mistakes"


def test_mistakes_of_the_core_do_not_hide_those_of_plugins(complaint):
    data = study(seed=-1, task=[{"name": "toy/lin"}, {"name": "toy/line", "n_trian": 3}, {"n_train": 3}, 5])
    lines = complaint(data)
    assert lines[0] == "study: 5 mistakes"
    places = [line.strip().split(":")[0] for line in lines[1:]]
    assert sorted(places) == ["seed", "task[0].name", "task[1].n_trian", "task[2].name", "task[3]"]


def write(tmp_path, content):
    path = tmp_path / "my.toml"
    path.write_bytes(content)
    return path


def test_files_that_are_no_studies(complaint, tmp_path):
    assert complaint(tmp_path / "absent.toml") == [
        f"{tmp_path}/absent.toml: cannot be read (No such file or directory)"
    ]
    assert complaint(tmp_path / "a.toml" / "b.toml")[0].endswith("cannot be read (No such file or directory)")
    assert complaint(tmp_path)[0] == f"{tmp_path}: cannot be read (Is a directory)"
    assert "not TOML: " in complaint(write(tmp_path, b"schema = "))[0]
    assert "line 2" in complaint(write(tmp_path, b"schema = 1\nschema = 1\n"))[0]
    assert (
        "not a text file in UTF-8 (invalid start byte at byte 10)" in complaint(write(tmp_path, b"schema = 1\xff"))[0]
    )
    assert "mistakes" in complaint(write(tmp_path, b""))[0]
    unknown = complaint("quickstrat")
    assert unknown[0].startswith('no study "quickstrat"; did you mean "quickstart"?')


def test_a_file_is_named_in_its_complaint(complaint, tmp_path):
    path = write(tmp_path, as_toml(study(seed=-1)).encode())
    assert complaint(path)[0] == f"{path}: 1 mistake"


class TestSources:
    def run_id(self, source):
        return plan_study(source, Overrides(), Options(plugins=(str(TOY),)))[0].run_id

    def test_a_mapping_a_model_a_path_and_a_text_are_one_study(self, tmp_path):
        path = write(tmp_path, as_toml(study()).encode())
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
            ("a={ of_stable = 0.5 }", "a", {"of_stable": 0.5}),
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
        set_path(data, "training.learning_rate.of_stable", 0.1)
        assert data["training"] == {"learning_rate": {"of_stable": 0.1}}

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
        assert small.training.record == 5  # what a size does not name stays
        assert small.task[0].parameters == {"n_train": 3}

    def test_full(self, registry):
        full = resolve_study(self.SIZED, registry, Overrides(size="full")).study
        assert [entry.label for entry in full.subject] == ["other"]
        assert full.training.steps == 10

    def test_a_size_that_is_not_in_the_study_changes_nothing(self):
        assert apply_size({"seed": 1, "sizes": {"small": {"seed": 2}}}, "full") == {"seed": 1}

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
        assert TrainingEntry(steps=steps, record=record).recorded_steps() == expected

    @given(st.integers(0, 10**6), st.integers(1, 200))
    def test_any_number_of_records(self, steps, record):
        found = TrainingEntry(steps=steps, record=record).recorded_steps()
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
        assert cell.steps[-1] <= 200
        assert cell.role == "reference" or cell.members >= 8
        assert cell.skip is None


LISTED_ONLY = {"clock_ratio", "function_distance_relative", "law_agreement", "prediction_rmse"}


def test_some_metrics_are_measured_only_where_a_study_lists_them(registry):
    usual = study()
    usual.pop("metrics", None)
    found = {metric.name for metric in resolve_study(usual, registry).metrics}
    assert {"rmse", "function_distance"} <= found
    assert not found & LISTED_ONLY
    listed = resolve_study(study(metrics=sorted(LISTED_ONLY)), registry)
    assert {metric.name for metric in listed.metrics} == LISTED_ONLY
