"""The software that has to be the same wherever the cells of one run are solved."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from .environment import package_versions
from .source_code import file_digest, package_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..plugin.job import WorkerConfig


def software(code: tuple[str, ...], config: WorkerConfig) -> Mapping[str, str]:
    """Return versions by package, and digests: of the packages in ``code``, and of the user's own plugins by path."""
    found = {"python": platform.python_version(), **package_versions()}
    found |= {f"code of {package}": package_digest(package) for package in ("ntkbench", *code)}
    return found | {f"--plugin {path}": file_digest(Path(path)) for path in config.plugins}
