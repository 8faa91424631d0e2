"""What is said of a study that says what it may not: all of it at once, each with its place."""

import datetime

import pytest
from toy_runs import as_toml, study, subject

from ntkbench.study.edit import set_path


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
    "unknown quantity to fit": (
        "quantities",
        ["function_distanc"],
        'quantities[0]: no quantity is called "function_distanc"; did you mean "function_distance"?',
    ),
    "a task that the study has not": (
        "subject.0.tasks",
        ["toy/lin"],
        'subject[0].tasks[0]: the study has no task "toy/lin"; did you mean "toy/line"? (tasks: toy/line)',
    ),
    "negative control of nobody": (
        "claim",
        {"id": "C2", "source": "s", "varies": "v", "refuted_by": "r", "negative_controls": ["nobody"]},
        'claim.negative_controls[0]: no reference or subject is labelled "nobody"',
    ),
    "negative control of a subject with nobody": (
        "claim",
        {
            **{"id": "C2", "source": "s", "varies": "v", "refuted_by": "r"},
            "negative_controls": [{"subject": "network", "reference": "nobody"}],
        },
        'claim.negative_controls[0].reference: no reference is labelled "nobody"',
    ),
    "unknown key in a table": ("training.step", 5, 'training.step: unknown key; did you mean "steps"?'),
    "unknown key of the rate": (
        "training.learning_rate",
        {"fraction_of_max_stabel": 0.5},
        'training.learning_rate.fraction_of_max_stabel: unknown key; did you mean "fraction_of_max_stable"? '
        "(known: fraction_of_max_stable, reference)",
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
        "subject.0.compare_with",
        ["nkt"],
        "subject[0].compare_with: no reference is labelled \"nkt\" (labels: ['ntk'])",
    ),
    "a label of a subject": ("subject.0.compare_with", ["network"], 'no reference is labelled "network"'),
    "a label twice in against": (
        "subject.0.compare_with",
        ["ntk", "ntk"],
        'subject[0].compare_with: "ntk" is listed twice',
    ),
    "unknown label of the rate": (
        "training.learning_rate.reference",
        "nngp",
        "training.learning_rate.reference: no reference is labelled \"nngp\" (labels: ['ntk'])",
    ),
    "a rate without a reference": (
        "reference",
        [],
        "training.learning_rate.fraction_of_max_stable: needs a [[reference]]",
    ),
    "nothing to do": ("task", [], "task: "),
    "a subject as a reference": ("reference.0.backend", "toy-network", '"toy-network" is a subject, not a reference'),
    "a reference as a subject": ("subject.0.backend", "toy-kernel", '"toy-kernel" is a reference, not a subject'),
    "unknown observable": (
        "subject.0.observe",
        ["loss"],
        '"loss" is not an observable of toy-network (ntk_distance)',
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
    "a step past the end": ("training.records", [0, 11], "records holds step 11, but training ends at step 10"),
    "more steps than numbers": ("training.steps", 2**63 - 1, "training.steps: input should be less than or equal to"),
    "a time of endless steps": (
        "training",
        {"time": 1e300, "learning_rate": 1e-300},
        "training: time / learning_rate asks for more than 9007199254740992 steps",
    ),
    "too many splits": ("task.0.splits", 1001, "task[0].splits: asks for 1001, but toy/line has 1000"),
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


@pytest.mark.parametrize("widths", [[8, 8], [8, [8, 8]], [[8, 4], [8, 4]]])
def test_a_width_is_listed_once_however_it_is_written(complaint, widths):
    data = study(architecture=[{"depth": 2}], subject=[subject(widths=widths)])
    assert complaint(data) == ["study: 1 mistake", "  subject[0].widths: a width is listed twice"]


@pytest.mark.parametrize("members", [{"4": 9, "16": 3}, {"4": 9, "16": 3, "64": 2, "65": 2}])
def test_members_of_each_width_name_all_widths_and_no_others(complaint, members):
    data = study(subject=[subject(members=members)])
    expected = f"subject[0]: members has numbers for {[*map(int, members)]}, but widths are [4, 16, 64]"
    assert complaint(data) == ["study: 1 mistake", f"  {expected}"]


@pytest.mark.parametrize(("width", "count"), [("x", 2), ("4", 0), ("4", 1.5), ("4", True)])
def test_a_wrong_number_of_members_is_named_by_its_width(complaint, width, count):
    data = study(subject=[subject(members={"16": 3, "64": 2, width: count})])
    expected = f"subject[0].members: {width} = {count!r}, expected a width and how many networks, such as 64 = 600"
    assert complaint(data) == ["study: 1 mistake", f"  {expected}"]


def nested(levels):
    data = {}
    for _ in range(levels):
        data = {"x": data}
    return data


@pytest.mark.parametrize("key", ["training", "sizes"])
@pytest.mark.parametrize("levels", [40, 5000])
def test_tables_without_end_are_refused(complaint, key, levels):
    assert complaint(study(**{key: nested(levels)})) == [
        "the study is nested too deeply: more than 32 levels of tables and lists"
    ]


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
    data["subject"][0] |= {"compare_with": ["third"], "observe": ["loss"], "behav": 1}
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
