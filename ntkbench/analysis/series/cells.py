"""Which cells belong to one curve: what they are called, and where each lies on the axis it is followed along."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .quantities import Axis

_COLUMNS = [
    "run_id",
    "cell_id",
    "study",
    "task",
    "architecture",
    "label",
    "width",
    "x",
    "activation",
    "depth",
    "members",
    "trained_layers",
]


def architecture_name(row: Any, digits: int = 4) -> str:
    """Name the architecture of a row of ``cells``, such as ``relu, depth 2, weight_std 1.414, bias_std 0.1``."""
    weight_std, bias_std = (f"{row[scale]:.{digits}g}" for scale in ("weight_std", "bias_std"))
    name = f"{row['activation']}, depth {row['depth']}, weight_std {weight_std}, bias_std {bias_std}"
    if row.get("parameterization", "ntk") != "ntk":
        name += f", {row['parameterization']}"
    if row.get("output_scale", 1.0) != 1.0:
        name += f", output_scale {row['output_scale']:.4g}"
    if row.get("trained_layers", "all") != "all":
        name += f", trained layers: {row['trained_layers']}"
    return name


def subject_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of finite networks of one width that are ok, named as the tables of rates name them.

    A task that occurs with several parameters has them in its name. Networks whose layers differ in width are there,
    by their smallest width, where several widths have the same proportions; these are part of the architecture's name.
    """
    cells = _networks(cells)
    cells["architecture"] = _architecture_names(cells)
    cells["architecture"] += _proportions(cells)
    cells["task"] = task_names(cells)
    cells["x"] = cells["width"]
    cells["trained_layers"] = cells.get("trained_layers", "all")
    return cells[_COLUMNS]


def series_cells(cells: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """Return the cells as :func:`subject_cells` does, ``x`` their place on the axis and the names without it.

    Along another axis than the width, each width is a curve of its own. Along the output scale or the rate, subjects
    whose labels differ in what follows the last hyphen (``lazy-1``, ``lazy-2``) are one curve, ``lazy``.
    """
    named = subject_cells(cells)
    if axis == "width" or named.empty:
        return named
    facts = cells.set_index(["run_id", "cell_id"]).loc[list(zip(named["run_id"], named["cell_id"], strict=True))]
    if axis == "depth":
        named["x"] = named["depth"].astype(float)
        bare = [architecture_name(row).replace(f", depth {row['depth']}", "") for row in facts.to_dict("records")]
    else:
        named["x"] = _setting(facts, axis)
        bare = [architecture_name({**row, "output_scale": 1.0}) for row in facts.to_dict("records")]
        named["label"] = named["label"].str.rpartition("-")[0].where(named["label"].str.contains("-"), named["label"])
    widths = named["width"].map(lambda width: f", width {width:.0f}")
    return named.assign(architecture=pd.Series(bare, index=named.index) + widths)


def _setting(facts: pd.DataFrame, axis: Axis) -> list[float]:
    return [float(value) for value in facts[axis]]


def _networks(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of subjects that are ok and have a width, or widths in proportions that recur."""
    cells = cells[(cells["role"] == "subject") & (cells["status"] == "ok")].copy()
    cells["width"] = pd.to_numeric(cells["width"], errors="coerce").astype("float64")
    cells = cells[cells["width"] > 0].copy()
    proportions = _proportions(cells)
    keys = [key for key in ("run_id", "task", "activation", "label") if key in cells]
    several = cells.assign(proportions=proportions).groupby([*keys, "proportions"])["width"].transform("nunique") > 1
    return cells[(proportions == "") | several].copy()


def _proportions(cells: pd.DataFrame) -> pd.Series[str]:
    """Return ``", widths 1:2"`` for networks whose layers have such widths, "" for those of one width."""
    if "widths" not in cells:
        return pd.Series("", index=cells.index, dtype=object)
    return pd.Series([_proportion(widths) for widths in cells["widths"]], index=cells.index, dtype=object)


def _proportion(widths: Any) -> str:
    if not pd.api.types.is_list_like(widths) or len({*widths}) <= 1:
        return ""
    return ", widths " + ":".join(f"{width / min(widths):g}" for width in widths)


def _architecture_names(cells: pd.DataFrame) -> list[str]:
    """Return architectures in words, with all digits of the scales where four would confuse two of them."""
    rows = cells.to_dict("records")
    names, exact = [architecture_name(row) for row in rows], [architecture_name(row, digits=17) for row in rows]
    return names if len({*names}) == len({*exact}) else exact


def task_names(cells: pd.DataFrame) -> pd.Series[Any]:
    """Return task names, with the parameters that tell them apart where a task occurs with several."""
    if "task_params_json" not in cells:
        return cells["task"]
    names: dict[Hashable, str] = {}
    for task, group in cells.groupby("task"):
        texts = {*zip(group["task_params_json"], _losses(group), strict=True)}
        parameters = {key: {**json.loads(key[0]), "loss": key[1]} for key in texts}
        for key, values in parameters.items():
            differing = {k: v for k, v in values.items() if any(other.get(k) != v for other in parameters.values())}
            words = " ".join(f"{name}={value}" for name, value in differing.items())
            names[str(task), *key] = f"{task} {words}" if words else str(task)
    return pd.Series(
        [names[key] for key in zip(cells["task"], cells["task_params_json"], _losses(cells), strict=True)],
        index=cells.index,
        dtype=object,
    )


def _losses(cells: pd.DataFrame) -> list[str | None]:
    """Return the cost of each cell, None where the table does not say."""
    if "loss" not in cells:
        return [None] * len(cells)
    return [loss if isinstance(loss, str) else None for loss in cells["loss"]]
