"""Names of tasks, architectures and series for people: the last step before printing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .keys import ArchitectureKey, SeriesKey, TaskKey

_EXACT = 17


def task_words(task: TaskKey) -> str:
    """Name a task, such as ``synthetic/teacher n_train=16``."""
    return " ".join([task.name, *(f"{name}={_thawed(value)}" for name, value in task.differing)])


def architecture_words(architecture: ArchitectureKey, digits: int = 4) -> str:
    """Name an architecture, such as ``relu, depth 2, weight_std 1.414, bias_std 0.1``."""
    words = [architecture.activation]
    if architecture.depth is not None:
        words.append(f"depth {architecture.depth}")
    words += [f"weight_std {architecture.weight_std:.{digits}g}", f"bias_std {architecture.bias_std:.{digits}g}"]
    if architecture.parameterization != "ntk":
        words.append(architecture.parameterization)
    if architecture.output_scale not in (None, 1.0):
        words.append(f"output_scale {architecture.output_scale:.4g}")
    if architecture.trained_layers != "all":
        words.append(f"trained layers: {architecture.trained_layers}")
    if architecture.proportions:
        words.append("widths " + proportion_words(architecture.proportions))
    return ", ".join(words)


def proportion_words(proportions: Iterable[float | str]) -> str:
    """Name the proportions of widths, such as ``1:2`` or ``1:8 fixed``."""
    return ":".join(part if isinstance(part, str) else f"{part:g}" for part in proportions)


def digits_needed(keys: Iterable[SeriesKey]) -> int:
    """Return how many digits of the scales distinguish the architectures of these series: four, or all."""
    architectures = {key.architecture for key in keys}
    return 4 if len({*map(architecture_words, architectures)}) == len(architectures) else _EXACT


def series_architecture(key: SeriesKey, digits: int = 4) -> str:
    """Name the architecture of a series, with its width if the series follows another axis."""
    width = f", width {key.width:.0f}" if key.along != "width" and key.width is not None else ""
    return architecture_words(key.architecture, digits) + width


def labels_words(key: SeriesKey) -> str:
    """Name the subjects of a series: its label, or what several (``lazy-1``, ``lazy-2``) have in common (``lazy``)."""
    if len(key.labels) == 1:
        return key.labels[0]
    stems = {label.rpartition("-")[0] for label in key.labels}
    return stems.pop() if len(stems) == 1 and "" not in stems else ", ".join(key.labels)


def subject_words(key: SeriesKey) -> str:
    """Name the subject of a series, with its component and its width if it has only one."""
    words = [labels_words(key)]
    if key.component is not None:
        words.append(f"component {key.component}")
    if key.along == "width" and key.width is not None:
        words.append(f"width {key.width:.0f}")
    return ", ".join(words)


def compared_words(key: SeriesKey) -> str:
    """Name the subject of a series and the reference it is compared with."""
    return subject_words(key) + (f" against {key.reference}" if key.reference else "")


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
