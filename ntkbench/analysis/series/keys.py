"""The key of a series of numbers, as facts: run, task, architecture, subject and reference.

Two series are the same if all of their facts are. :mod:`.names` turns keys into words for screens, tables and figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .quantities import Axis


@dataclass(frozen=True)
class TaskKey:
    """A task by name, with the parameters (and cost) that distinguish it from others of its name in the same tables."""

    name: str
    differing: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class ArchitectureKey:
    """The facts of an architecture. ``depth`` None: the series follows the depth; ``output_scale`` None likewise.

    ``proportions`` are those of the hidden widths, such as (1, 2), with "8 fixed" for one that does not grow; () for
    equal widths.
    """

    activation: str
    depth: int | None
    weight_std: float
    bias_std: float
    parameterization: str = "ntk"
    output_scale: float | None = 1.0
    trained_layers: str = "all"
    proportions: tuple[float | str, ...] = ()


@dataclass(frozen=True)
class SeriesKey:
    """The facts that identify a series.

    :param labels: labels of the subjects (or the one reference) that the numbers describe, several if subjects
        differ only in the parameter that the series follows, then in its order.
    :param along: the axis that the series follows.
    :param width: the width, if the series has only one.
    :param component: the component, for a quantity with one series per component.
    """

    run_id: str
    study: str
    task: TaskKey
    architecture: ArchitectureKey
    labels: tuple[str, ...]
    reference: str | None = None
    along: Axis = "width"
    width: float | None = None
    component: int | None = None

    @property
    def activation(self) -> str:
        """The activation, as a study spells it."""
        return self.architecture.activation


def architecture_key(row: Mapping[str, Any], proportions: tuple[float | str, ...] = ()) -> ArchitectureKey:
    """Return the architecture of a row of ``cells``."""
    return ArchitectureKey(
        activation=str(row["activation"]),
        depth=int(row["depth"]),
        weight_std=float(row["weight_std"]),
        bias_std=float(row["bias_std"]),
        parameterization=str(row.get("parameterization", "ntk")),
        output_scale=float(row.get("output_scale", 1.0)),
        trained_layers=str(row.get("trained_layers", "all")),
        proportions=proportions,
    )


def task_keys(rows: Iterable[Mapping[str, Any]]) -> list[TaskKey]:
    """Return the task of each row of ``cells``."""
    texts = [(str(row["task"]), row.get("task_params_json"), _loss(row)) for row in rows]
    by_name: dict[str, dict[Any, dict[str, Any]]] = {}
    for name, text, loss in dict.fromkeys(texts):
        by_name.setdefault(name, {})[text, loss] = {**parsed(text), "loss": loss}
    found = {
        (name, *key): TaskKey(name, _differing(values, variants.values()))
        for name, variants in by_name.items()
        for key, values in variants.items()
    }
    return [found[text] for text in texts]


def _differing(values: Mapping[str, Any], variants: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, Any], ...]:
    variants = list(variants)
    return tuple((name, frozen(value)) for name, value in values.items() if any(v.get(name) != value for v in variants))


def _loss(row: Mapping[str, Any]) -> str | None:
    """Return the cost, None if the table has none."""
    loss = row.get("loss")
    return loss if isinstance(loss, str) else None


def parsed(text: Any) -> dict[str, Any]:
    """Return the object of a column of JSON, empty if the table has none."""
    found: dict[str, Any] = json.loads(text) if isinstance(text, str) else {}
    return found


def frozen(value: Any) -> Any:
    """Return a value of JSON as one that can be a key: lists as tuples, objects as sorted pairs."""
    if isinstance(value, Mapping):
        return tuple((name, frozen(item)) for name, item in sorted(value.items()))
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value
