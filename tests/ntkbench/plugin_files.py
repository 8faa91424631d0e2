"""The text of small plugins, good and broken, and their reports."""

FIRST_PARTY = {"reproductions", "features", "jax", "torch", "synthetic", "uci", "sklearn", "files", "dask"}

HEAD = "import ntkbench\nfrom ntkbench.plugin.specs import MetricSpec, Sizes, StudySpec, TaskSpec\n"
METRIC = "MetricSpec(name={name!r}, version=1, summary='a', unit='1', goal='none', target='a:b')"


def metric(name):
    return METRIC.format(name=name)


def hook(name, body, arguments=""):
    return f"@ntkbench.hookimpl\ndef ntkbench_{name}({arguments}):\n    {body}\n"


def report(registry, name):
    (found,) = [report for report in registry.plugins if report.name == name]
    return found


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
