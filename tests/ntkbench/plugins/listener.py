"""A plugin that implements every hook but those that register, and writes down what it is told."""

import json
import os
from pathlib import Path

import click

import ntkbench


def note(hook, **arguments):
    if log := os.environ.get("LISTENER_LOG"):
        with Path(log).open("a") as file:
            file.write(json.dumps({"hook": hook, **arguments}) + "\n")


@ntkbench.hookimpl
def ntkbench_register_commands(cli):
    @cli.command("shout")
    @click.argument("word")
    def shout(word):
        """Say WORD aloud."""
        click.echo(word.upper())


@ntkbench.hookimpl
def ntkbench_skip_cell(cell):
    note("skip_cell", cell_id=cell.cell_id, width=cell.width)
    return "width 16 is unlucky" if cell.width == 16 else None


@ntkbench.hookimpl
def ntkbench_cell_finished(cell, outcome):
    tables = {name: table.num_rows for name, table in outcome.tables.items()}
    note("cell_finished", cell_id=cell.cell_id, width=cell.width, status=outcome.status, tables=tables)


@ntkbench.hookimpl
def ntkbench_environment():
    return {"listener": "hears all"}
