"""The file ``run.json``, which makes a folder a run: reading it, and comparing two resolved studies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..plugin.hashing import canonical_json, digest
from .schemas import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RUN_FILE = "run.json"


def read_run_file(path: Path) -> dict[str, Any]:
    """Return the contents of a run's ``run.json``.

    :raises StoreError: if there is none, it is not JSON, or a newer ntkbench wrote it.
    """
    file = path / RUN_FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        version = data["schema_version"]
    except FileNotFoundError:
        raise StoreError(f"{path}: not the folder of a run (it has no {RUN_FILE})") from None
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{file}: not the run file of a run (broken JSON, or no schema_version)") from None
    if not isinstance(version, int) or "resolved" not in data:
        raise StoreError(f"{file}: not the run file of a run (schema_version {version!r}, or no resolved study)")
    if version != SCHEMA_VERSION:
        newer = "a newer" if version > SCHEMA_VERSION else "an older"
        raise StoreError(f"{path}: written with schema {version} by {newer} ntkbench; this one reads {SCHEMA_VERSION}")
    if data.pop("digest", None) != run_digest(data):
        raise StoreError(
            f"{file}: damaged: its contents are not those that were written; restore it, or discard the run with "
            "--fresh"
        )
    return dict(data)


def run_digest(data: Mapping[str, Any]) -> str:
    """Return the digest of the contents of ``run.json``."""
    return digest(data, 32)


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Return lines naming each value that differs between two resolved studies."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        pairs = [(f"{path}.{key}" if path else key, old.get(key), new.get(key)) for key in keys]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and _tables(old) and _tables(new):
        pairs = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    else:
        return [] if old == new else [f"{path}: {canonical_json(old)} -> {canonical_json(new)}"]
    return [line for where, a, b in pairs for line in differences(a, b, where)]


def _tables(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)
