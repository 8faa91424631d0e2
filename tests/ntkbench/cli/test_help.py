"""Every verb has help, and every verb is known here."""

import click
import pytest
from toy_runs import invoke

from ntkbench.cli import main


def verbs(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))


@pytest.mark.parametrize("verb", list(verbs(main.cli)), ids=" ".join)
def test_every_verb_has_help(verb):
    found = invoke(*verb, "--help")
    assert found.exit_code == 0
    summary = found.output.split("\n\n")[1].strip()
    assert summary.endswith(".")
    assert "..." not in invoke(*verb[:-1], "--help").output.partition("Commands:")[2]  # it has them whole
    assert summary[0].isupper()


def test_every_verb_is_known_here():
    known = {("run",), ("plan",), ("list",), ("show",), ("plugins",), ("doctor",)}
    known |= {("results",), ("results", "list"), ("results", "show"), ("results", "export")}
    assert known <= set(verbs(main.cli))
