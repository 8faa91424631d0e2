"""``python -m ntkbench`` is ``ntkbench``."""

from .cli.main import main

main()
