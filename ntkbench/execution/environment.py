"""The environment of a run: machine, versions, numerics. Recorded in ``run.json``, shown by ``ntkbench doctor``."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..plugin.hashing import digest
from ..plugin.machine import cores, memory_bytes

if TYPE_CHECKING:
    from ..plugin.registry import Registry

_PACKAGES = ("ntkbench", "numpy", "scipy", "pandas", "pyarrow", "pydantic", "jax", "jaxlib", "torch", "scikit-learn")


def describe_environment(registry: Registry, code: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Any]:
    """Return the environment with its ``env_id``, a hash of everything else; ``code`` has digests of plugins' code."""
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        "versions": package_versions(),
        "git_commit": _git_commit(),
    }
    if found := _plugin_facts(registry):
        facts["plugins"] = found
    if code:
        facts["code"] = {package: dict(files) for package, files in code.items()}
    return {"env_id": digest(facts, 12), **facts}


def package_versions() -> dict[str, str]:
    """Return the versions of ntkbench and of the packages that its numbers depend on, of those installed."""
    return {name: version for name in _PACKAGES if (version := _version(name))}


def _plugin_facts(registry: Registry) -> dict[str, str]:
    """Return the facts that plugins record, and for one whose facts are no mapping, that they are not."""
    facts: dict[str, str] = {}
    for plugin, found in registry.call("ntkbench_environment"):
        if isinstance(found, Mapping):
            facts |= {str(key): str(value) for key, value in found.items()}
        else:
            facts[plugin] = f"ntkbench_environment returned {type(found).__name__}, expected a mapping"
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the commit of ntkbench's own source tree, with ``+`` if it has changes; None if it is not one."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return commit + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    """Ask git about a folder, without taking a lock that could make the user's own commit fail."""
    command = ["git", "--no-optional-locks", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
