"""Digests: of parameters, by one canonical text, which name cells and runs; of bytes and files, which show damage."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_DIGEST_BYTES = 16


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal for equal values, whatever their order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any, length: int) -> str:
    """Return the first ``length`` hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode(errors="backslashreplace")).hexdigest()[:length]


def digest_of_bytes(data: bytes | memoryview) -> str:
    """Return the BLAKE2b digest of ``data``, 128 bits as 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def digest_of_file(file: Path) -> str:
    """Return what :func:`digest_of_bytes` returns for a file's content, without reading it all into memory.

    :raises OSError: if it cannot be read.
    """
    with file.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()
