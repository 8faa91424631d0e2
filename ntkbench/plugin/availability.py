"""Whether a task or backend can be used here: its requirements, the plugins it needs, its own check."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from ..errors import UnavailableError
from .guard import entered
from .loading import load_registry
from .specs import BackendSpec, ExecutorSpec, TaskSpec

if TYPE_CHECKING:
    from .registry import Registry


@cache
def missing_requirement(requires: tuple[str, ...], install: str = "") -> str | None:
    """Return why a requirement such as ``torch>=2.4`` is not met, and how to install it; None if all are met."""
    from packaging.requirements import Requirement

    for text in requires:
        requirement = Requirement(text)
        hint = f": {install or f'pip install {text!r}'}"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            return f"{requirement.name} is not installed{hint}"
        if not requirement.specifier.contains(version, prereleases=True):
            return f"{requirement.name} {version} is installed, {requirement.specifier} is needed{hint}"
    return None


def missing_plugin(requires_plugins: Iterable[str], registry: Registry) -> str | None:
    """Return why a required plugin such as ``jax``, or each of ``jax|torch``, cannot be used here, or None."""
    for entry in requires_plugins:
        reasons = [_unusable(name, registry) for name in entry.split("|")]
        if all(reasons):
            return "; ".join(map(str, reasons))
    return None


def _unusable(name: str, registry: Registry) -> str | None:
    report = next((report for report in registry.plugins if report.name == name), None)
    if report is None:
        return f'needs the plugin "{name}", which is not installed'
    if report.status != "ok":
        return f'needs the plugin "{name}", which is {report.status}' + (f": {report.reason}" if report.reason else "")
    own = [spec for spec in registry.backends if registry.backends.owners[spec.name] == name]
    missing = (missing_requirement(spec.requires, spec.install) for spec in own)
    return next((f'needs the plugin "{name}": {reason}' for reason in missing if reason), None)


def unavailable_reason(spec: TaskSpec | BackendSpec | ExecutorSpec, registry: Registry | None = None) -> str | None:
    """Return why a task, backend or executor cannot be used here, or None; a check that raises counts as a reason.

    :param registry: the plugins checked against ``requires_plugins``; by default the installed ones.
    """
    try:
        reason = missing_requirement(spec.requires, spec.install)
        if reason is None and not isinstance(spec, ExecutorSpec) and spec.requires_plugins:
            reason = missing_plugin(spec.requires_plugins, load_registry() if registry is None else registry)
        if reason is None and isinstance(spec, TaskSpec):
            with entered(f'task "{spec.name}": available()'), redirect_stdout(sys.stderr):
                reason = spec.available()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"its check failed with {type(error).__name__}: {error}"
    if reason is None or isinstance(reason, str):
        return reason
    return f"its check returned {reason!r}, expected None or a reason"


def require_available(spec: TaskSpec | BackendSpec | ExecutorSpec, registry: Registry | None = None) -> None:
    """Raise :class:`UnavailableError` if a task, backend or executor cannot be used here."""
    if reason := unavailable_reason(spec, registry):
        raise UnavailableError(f"{spec.name} is unavailable: {reason}")
