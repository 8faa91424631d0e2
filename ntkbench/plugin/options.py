"""Options that commands share, those of plugins included."""

from __future__ import annotations

import click

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
PLUGIN_OPTION = click.option(
    "--plugin", "plugins", multiple=True, metavar="PATH", help="Also load this file or folder."
)
DATA_DIR_OPTION = click.option(
    "--data-dir",
    type=click.Path(exists=True, file_okay=False),
    envvar="NTKBENCH_DATA",
    metavar="DIR",
    help="Folder of data files.  [env: NTKBENCH_DATA]",
)
