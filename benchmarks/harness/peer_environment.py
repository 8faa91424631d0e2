"""The peer's own environment: neural-tangents does not import on a current JAX, so it lives apart, with its pins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ntkbench.errors import UnavailableError

REQUIREMENTS = (
    "neural-tangents==0.6.5",
    "jax==0.4.25",
    "jaxlib==0.4.25",
    "numpy==1.26.4",
    "scipy==1.12.0",
    "ml-dtypes==0.5.4",
    "opt-einsum==3.4.0",
    "tf2jax==0.3.6",
    "tensorflow==2.21.0",  # tf2jax imports it
)
_PYTHONS = ((3, 11), (3, 12))  # for which those have wheels
_STAMP = "ntkbench-peer.txt"


def default_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ntkbench" / "peer"


def peer_python(folder: Path) -> Path:
    """Return the interpreter of the peer's environment in ``folder``, creating or recreating it if needed.

    :raises UnavailableError: if the folder holds something else, no suitable Python is found, or installing fails.
    """
    stamp, python, wanted = folder / _STAMP, folder / "bin" / "python", "\n".join(REQUIREMENTS) + "\n"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    if folder.exists() and any(folder.iterdir()) and not stamp.exists():
        raise UnavailableError(f"{folder} is neither empty nor an environment made here; name another for the peer's")
    print(f"making the peer's environment in {folder}: {', '.join(REQUIREMENTS)}", file=sys.stderr)
    _run([_base_python(), "-m", "venv", "--clear", str(folder)])
    stamp.write_text("unfinished\n")
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS])
    stamp.write_text(wanted)
    return python


def _base_python() -> str:
    if sys.version_info[:2] in _PYTHONS:
        return sys.executable
    for major, minor in _PYTHONS:
        if found := shutil.which(f"python{major}.{minor}"):
            return found
    versions = " or ".join(f"{major}.{minor}" for major, minor in _PYTHONS)
    raise UnavailableError(f"neural-tangents 0.6.5 needs Python {versions}, which is not on the PATH")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise UnavailableError(f"the peer's environment could not be made: {' '.join(command)} said\n{last}")
