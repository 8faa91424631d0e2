"""Commands that plugins add to the command line, and what becomes of those that fail to."""

import sys

import click
import pytest
from toy_runs import LISTENER

from ntkbench.cli import main
from ntkbench.plugin import discovery, loading


@pytest.fixture
def installed(monkeypatch):
    """Return a function that installs plugin files, on a copy of the command line."""
    monkeypatch.setattr(main, "cli", click.Group("ntkbench", dict(main.cli.commands)))

    def install(*files):
        found = [candidate for file in files for candidate in discovery.from_path(file)]
        monkeypatch.setattr(loading, "installed", lambda: found)

    return install


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["ntkbench", *arguments])
    with pytest.raises(SystemExit) as caught:
        main.main()
    return caught.value.code


def test_a_plugin_adds_a_command(installed, monkeypatch, capsys):
    installed(LISTENER)
    assert run_main(monkeypatch, "shout", "hello") == 0
    assert capsys.readouterr().out == "HELLO\n"


def test_a_plugin_that_fails_to_add_one_takes_nothing_else_down(installed, monkeypatch, capsys, tmp_path):
    clumsy = tmp_path / "clumsy.py"
    clumsy.write_text(
        "import ntkbench\n@ntkbench.hookimpl\ndef ntkbench_register_commands(cli):\n    raise OSError('oh')\n"
    )
    installed(clumsy)
    assert run_main(monkeypatch, "list", "metrics") == 0
    captured = capsys.readouterr()
    assert "rmse" in captured.out
    assert "ntkbench_register_commands failed" in captured.err
    assert "OSError: oh" in captured.err


def test_one_that_fails_or_takes_a_name_costs_the_others_nothing(installed, monkeypatch, capsys, tmp_path):
    greedy, half = tmp_path / "greedy.py", tmp_path / "half.py"
    greedy.write_text(
        "import click, ntkbench\n@ntkbench.hookimpl\ndef ntkbench_register_commands(cli):\n"
        "    cli.add_command(click.Command('shout'))\n    cli.add_command(click.Command('run'))\n"
    )
    half.write_text(
        "import click, ntkbench\n@ntkbench.hookimpl\ndef ntkbench_register_commands(cli):\n"
        "    cli.add_command(click.Command('half'))\n    raise OSError('oh')\n"
    )
    before = dict(main.cli.commands)
    installed(half, LISTENER, greedy)
    assert run_main(monkeypatch, "shout", "hello") == 0
    captured = capsys.readouterr()
    assert captured.out == "HELLO\n"
    assert 'plugin "half": ntkbench_register_commands failed: OSError' in captured.err
    assert 'plugin "greedy": ntkbench_register_commands failed: there is already a command "run"' in captured.err
    assert {name: main.cli.commands[name] for name in before} == before
    assert set(main.cli.commands) == {*before, "shout"}
    monkeypatch.setenv("NTKBENCH_STRICT_PLUGINS", "1")
    assert run_main(monkeypatch, "shout", "hello") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_interrupt_while_plugins_load_is_exit_code_130(installed, monkeypatch, capfd, tmp_path):
    slow = tmp_path / "slow.py"
    slow.write_text("raise KeyboardInterrupt\n")
    installed(slow)
    assert run_main(monkeypatch, "list", "metrics") == 130
    assert 'interrupted in plugin "slow"' in capfd.readouterr().err


def test_what_is_no_command_is_not_added(installed, monkeypatch, capsys, tmp_path):
    odd = tmp_path / "odd.py"
    odd.write_text(
        "import ntkbench\n@ntkbench.hookimpl\ndef ntkbench_register_commands(cli):\n    cli.commands['odd'] = print\n"
    )
    installed(odd)
    assert run_main(monkeypatch, "--help") == 0
    assert "the command 'odd' is <built-in function print>, expected a click.Command" in capsys.readouterr().err


def test_strict_loading_ends_with_a_message(installed, monkeypatch, capsys, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_this_name\n")
    installed(broken)
    monkeypatch.setenv("NTKBENCH_STRICT_PLUGINS", "1")
    assert run_main(monkeypatch, "list", "metrics") == 2
    assert capsys.readouterr().err.startswith('Error: plugin "broken"')
