"""Installed plugins that exit, shout, squat on names and fail in every hook: every command works, and names them."""

import json
import os

import pytest
from toy_runs import TOY, as_toml, shell, study

HEAD = (
    "import os, sys, click, ntkbench\n"
    "from ntkbench.plugin import BackendSpec, Estimate, MetricSpec, Sizes, StudySpec, TaskSpec\n"
    "TASK = dict(version=1, summary='a', parameters='a:A', target='a:b', fingerprint=lambda p: '',\n"
    "            sizes=lambda p: Sizes(1, 1, 1, 1, 1))\n"
    "METRIC = dict(version=1, summary='a', unit='1', goal='none')\n"
)


def hook(name, body, arguments=""):
    return f"@ntkbench.hookimpl\ndef ntkbench_{name}({arguments}):\n    {body}\n"


HOSTILE = {
    "exits": "sys.exit(3)\n",
    "exits-in-commands": hook("register_commands", "sys.exit(4)", "cli"),
    "leaves": "os._exit(9)\n",
    "ctrl-c": "class Own(KeyboardInterrupt): pass\n" + hook("register_tasks", "raise Own('not the user')"),
    "base": "class End(BaseException): pass\n" + hook("register_tasks", "raise End('of all')"),
    "loud": "print('loud plugin here')\nprint('x' * 2_000_000)\nos.write(1, b'and by its descriptor')\n",
    "squatter": hook("register_tasks", "return [TaskSpec(name='uci/wine', **TASK), TaskSpec(name='mine/a', **TASK)]"),
    "files": hook("register_studies", "return []"),
    "lost": "import nothing_of_this_name\n",
    "needy": hook("register_metrics", "return [MetricSpec(name='n', target='a:b', needs=('member_test',), **METRIC)]"),
    "hooks": hook("skip_cell", "print('noise'); sys.exit(5)", "cell")
    + hook("cell_finished", "sys.exit(6)", "cell, outcome")
    + hook("environment", "sys.exit(7)"),
    "usual": hook("register_metrics", "return [MetricSpec(name='usual', target='a:b', **METRIC)]"),
    "unavailable": hook(
        "register_tasks", "return [TaskSpec(name='unavailable/a', available=lambda: sys.exit(8), **TASK)]"
    ),
    "no-commands": hook("register_commands", "cli.commands['three'] = 3", "cli"),
}
ALWAYS = {
    'plugin "exits" (installed: hostile_exits of hostile) is set aside: SystemExit: 3',
    'plugin "exits-in-commands": ntkbench_register_commands failed: SystemExit: 4',
    'plugin "leaves" (installed: hostile_leaves of hostile) is set aside: SystemExit: os._exit(9)',
    'plugin "ctrl-c" (installed: hostile_ctrl_c of hostile) is set aside: Own: not the user',
    'plugin "base" (installed: hostile_base of hostile) is set aside: End: of all',
    'plugin "loud" (installed: hostile_loud of hostile) printed 2 MB, beginning with "loud plugin here"',
    'is set aside: task "uci/wine" is registered by both uci and squatter',
    'plugin "files" (installed: hostile_files of hostile) is set aside: the name "files" is already taken',
    'plugin "lost" (installed: hostile_lost of hostile) is set aside: ModuleNotFoundError: No module',
    """metric "n": needs has 'member_test'; did you mean "members_test"? (known: times, steps,""",
    "plugin \"no-commands\": ntkbench_register_commands failed: the command 'three' is 3, expected a click.Command",
}
IN_PLANS = {
    'warning: plugin "hooks": ntkbench_skip_cell failed: SystemExit: 5',
    'warning: plugin "usual": metric "usual" (a:b) is left out: there is no module a',
}
IN_RUNS = IN_PLANS | {
    'warning: plugin "hooks": ntkbench_environment failed: SystemExit: 7',
    'warning: plugin "hooks": ntkbench_cell_finished failed: SystemExit: 6',
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a function that runs a command where the hostile plugins are installed."""
    place, work = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    about = place / "hostile-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1\n")
    modules = {name: f"hostile_{name.replace('-', '_')}" for name in HOSTILE}
    lines = [f"{name} = {module}" for name, module in modules.items()]
    (about / "entry_points.txt").write_text("\n".join(["[ntkbench]", *lines, ""]))
    for name, text in HOSTILE.items():
        (place / f"{modules[name]}.py").write_text(HEAD + text)
    (work / "toy.toml").write_text(as_toml(study()))
    path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH", "")]))
    return lambda *arguments: shell(work, *arguments, PYTHONPATH=path, NTKBENCH_STRICT_PLUGINS="0")


def check(done, code, sentences):
    assert done.returncode == code, done.stderr
    assert [sentence for sentence in sentences if sentence not in done.stderr] == []
    assert "Traceback" not in done.stderr + done.stdout
    assert "loud plugin here" not in done.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("data", "list"), ("show", "uci/wine")])
def test_commands_work_and_name_every_one(hostile, arguments):
    done = hostile(*arguments)
    check(done, 0, ALWAYS)
    assert done.stdout
    if arguments[0] == "show":
        assert "from plugin uci" in done.stdout


def test_lists_are_whole(hostile):
    done = hostile("list", "tasks", "--json")
    check(done, 0, ALWAYS)
    found = {task["name"]: task for task in json.loads(done.stdout)}
    assert found["uci/wine"]["plugin"] == "uci"
    assert found["unavailable/a"]["unavailable"] == "its check failed with SystemExit: 8"
    assert "mine/a" not in found


def test_the_doctor_reports_every_one(hostile):
    done = hostile("doctor", "--json")
    check(done, 1, ALWAYS)
    report = json.loads(done.stdout)
    broken = {plugin["name"] for plugin in report["plugins"] if plugin["status"] == "broken"}
    assert broken == {"exits", "leaves", "ctrl-c", "base", "squatter", "files", "lost", "needy"}
    assert next(plugin for plugin in report["plugins"] if plugin["name"] == "files")["status"] == "ok"
    assert len(report["commands"]) == 2
    shown = hostile("doctor")
    check(shown, 1, ALWAYS)
    assert all(f"plugin     {name} broken: " in shown.stdout for name in broken)
    assert 'commands   plugin "exits-in-commands"' in shown.stdout


def test_a_study_is_planned_and_run(hostile):
    plan = hostile("plan", "toy.toml", "--plugin", TOY, "--json")
    check(plan, 0, ALWAYS | IN_PLANS)
    assert len(json.loads(plan.stdout)["cells"]) == 4
    done = hostile("run", "toy.toml", "--plugin", TOY, "--json", "--executor", "inline", "--out", "run")
    check(done, 0, ALWAYS | IN_RUNS)
    assert json.loads(done.stdout)["computed"] == {"ok": 4}
    assert done.stderr.count("ntkbench_skip_cell failed") == 1


def test_what_is_not_found_may_belong_to_one_of_them(hostile):
    study_ = hostile("plan", "exits-demo")
    check(study_, 2, {'no study "exits-demo"', 'it may belong to a plugin that is not loaded: "base", broken: End'})
    task = hostile("plan", "quickstart", "--task", "mine/a")
    known = 'it belongs to a plugin that is not loaded: "squatter", broken: task "uci/wine" is registered by both'
    check(task, 2, {'no task "mine/a"', known})
    check(hostile("show", "mine/a"), 2, {known})
