"""The fixed schemas of the result tables, with what each column means. ``results/README.md`` is made from them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1


class Column(NamedTuple):
    """A column: its Arrow type by name, whether it may be null, and what it means."""

    name: str
    type: str
    meaning: str
    nullable: bool = False


def _c(name: str, type_: str, meaning: str) -> Column:
    return Column(name, type_.removesuffix("?"), meaning, type_.endswith("?"))


_RUN = (
    _c("schema_version", "int64", "version of this schema"),
    _c("run_id", "string", "the run: study name and hash of the resolved study"),
)
_CELL = (*_RUN, _c("cell_id", "string", "the cell: key of the table `cells`"))
_ATTEMPT = (*_CELL, _c("attempt", "int64", "which attempt at the cell, from 1"))
_WHERE = (
    _c("member", "int64?", "network of the ensemble, from 0; null: the ensemble or the law"),
    _c("step", "int64?", "step of gradient descent; null for gradient flow"),
    _c("time", "float64?", "training time: learning_rate * steps; inf: trained to the end"),
)

SCHEMAS: dict[str, tuple[Column, ...]] = {
    "cells": (
        *_ATTEMPT,
        _c("study", "string", "name of the study"),
        _c("label", "string", "label of the reference or subject in the study"),
        _c("role", "string", "`reference` (infinite width) or `subject` (finite networks)"),
        _c("task", "string", "name of the task"),
        _c("task_version", "int64", "version of the task's data and splits"),
        _c("split_index", "int64", "which split of the task, from 0"),
        _c("backend", "string", "name of the backend"),
        _c("backend_version", "int64", "version of the backend's numbers"),
        _c("kernel", "string?", "`ntk` or `nngp`: the kernel of a reference"),
        _c("ridge", "float64?", "ridge of a reference, relative to the kernel's mean diagonal"),
        _c("depth", "int64", "number of hidden layers"),
        _c("width", "int64?", "hidden width, the smallest if they differ; null: infinite, or no hidden layer"),
        _c("widths", "list<int64>?", "hidden width of each layer"),
        _c("activation", "string", "activation"),
        _c("parameterization", "string", "`ntk`, `standard` (per-tensor rates) or `standard-global-rate`"),
        _c("weight_std", "float64", "sigma_w"),
        _c("bias_std", "float64", "sigma_b"),
        _c("output_scale", "float64", "factor alpha on the output (1: none)"),
        _c("trained_layers", "string", "`all` or `last`"),
        _c("members", "int64?", "networks in the ensemble; null for a law"),
        _c("n_train", "int64", "training points N"),
        _c("n_test", "int64", "test points M"),
        _c("n_features", "int64", "inputs n_0"),
        _c("n_outputs", "int64", "outputs n_L"),
        _c("parameters", "int64?", "trainable parameters P of one network; null: infinite or unknown"),
        _c("loss", "string?", "the cost; `squared-error` is 1/(2N) sum over points and outputs of |f - y|^2"),
        _c("optimizer", "string", "how it was trained"),
        _c("learning_rate", "float64?", "learning rate as used, absolute"),
        _c("steps", "int64", "steps of training"),
        _c("target_scale", "list<float64>?", "per output: unit of the scaled targets, in units of the data"),
        _c("task_params_json", "string", "the task's parameters, canonical JSON"),
        _c("backend_params_json", "string", "the backend's parameters, canonical JSON"),
        _c("training_json", "string", "training as the study says it, canonical JSON"),
        _c("seed", "int64", "seed of the study"),
        _c("dtype", "string", "floating-point type of the computation"),
        _c("device", "string", "device it ran on"),
        _c("threads", "int64", "threads per slot"),
        _c("status", "string", "ok, failed, timeout, crashed, out_of_memory, diverged, skipped or interrupted"),
        _c("reason", "string?", "why it is not ok, or what to know although it is"),
        _c("exception_type", "string?", "type of the exception that ended it"),
        _c("exception_message", "string?", "message of that exception"),
        _c("exit_signal", "int64?", "signal that ended its process"),
        _c("wall_seconds", "float64?", "time it took, s"),
        _c("compile_seconds", "float64?", "part of it spent compiling, s, where known"),
        _c("peak_memory_bytes", "int64?", "peak resident memory of its process while it ran, bytes"),
        _c("started_at", "timestamp[us, tz=UTC]?", "when it started, UTC"),
        _c("env_id", "string", "environment it ran in: a key of `environments` in run.json"),
    ),
    "measurements": (
        *_ATTEMPT,
        _c("metric", "string", "name of the metric"),
        _c("reference", "string?", "label of the reference compared with; null: none"),
        _c("reference_cell_id", "string?", "its cell"),
        _c("split", "string?", "`train` or `test` points; null: neither"),
        _c("split_index", "int64", "which split of the task, from 0"),
        *_WHERE,
        _c("component", "int64?", "kernel principal component, from 0; null: not by component"),
        _c("value", "float64", "the number"),
        _c("unit", "string", "its unit: `1`, `fraction`, `target` (unit of the scaled targets), ..."),
        _c("goal", "string", "`min`, `max` or `none`"),
    ),
    "predictions": (
        *_ATTEMPT,
        _c("split", "string", "`train` or `test`"),
        _c("split_index", "int64", "which split of the task, from 0"),
        _c("point", "int64", "point of the split, from 0"),
        _c("output", "int64", "output, from 0"),
        *_WHERE,
        _c("reference", "string?", "null: own output; else this kernel's prediction from this member's f_0"),
        _c("value", "float64", "prediction, in the units trained on"),
        _c("variance", "float64?", "variance over members (ddof 1), or the law's own"),
        _c("target", "float64", "target, in the units trained on"),
    ),
    "spectra": (
        *_ATTEMPT,
        _c("kernel", "string", "`ntk`, `nngp` or `empirical`"),
        *_WHERE,
        _c("component", "int64", "component, from 0, by descending eigenvalue"),
        _c("output", "int64", "output, from 0"),
        _c("eigenvalue", "float64", "eigenvalue of the Gram matrix T = Theta(X, X)"),
        _c("target_projection", "float64", "v_i . y"),
        _c("residual_projection", "float64?", "v_i . (y - f_t(X)) of the law's mean at `time`"),
    ),
    "verdicts": (
        *_RUN,
        _c("study", "string", "name of the study"),
        _c("claim", "string", "claim of the theory, C1 to C17"),
        _c("task", "string", "name of the task"),
        _c("architecture", "string", "the architecture in words"),
        _c("quantity", "string", "what was estimated"),
        _c("role", "string", "`claim`, or `negative_control`: wrong on purpose, so that it should fail"),
        _c("expected", "float64?", "value the theory gives"),
        _c("band_low", "float64?", "lower end of the equivalence band; null: unbounded"),
        _c("band_high", "float64?", "upper end of the equivalence band; null: unbounded"),
        _c("estimate", "float64?", "measured value"),
        _c("ci_low", "float64?", "lower end of its 95 % interval"),
        _c("ci_high", "float64?", "upper end of its 95 % interval"),
        _c("n_widths", "int64", "widths behind it"),
        _c("n_members", "int64", "members per width behind it"),
        _c("method", "string", "how it was estimated"),
        _c("verdict", "string", "holds, fails, inconclusive or reported"),
        _c("reason", "string?", "why"),
    ),
}

CELL_TABLES = ("measurements", "predictions", "spectra")
MEANINGS = {
    "cells": "One row per cell. Key: cell_id. A file here means that the cell's other tables are complete.",
    "measurements": (
        "One row per number. Key: cell_id, metric, reference, split, split_index, member, step, time, component."
    ),
    "predictions": "One row per predicted value; by default on the test split at the last recorded step.",
    "spectra": "One row per leading eigenvalue of a reference's kernel, and output.",
    "verdicts": "One row per estimated quantity of a claim: `verdicts/<study>.parquet`.",
}


@cache
def arrow_schema(table: str) -> pa.Schema:
    """Return a table's Arrow schema."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "list<int64>": pa.list_(pa.int64()),
        "list<float64>": pa.list_(pa.float64()),
        "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(column.name, types[column.type]) for column in SCHEMAS[table]])


def describe() -> str:
    """Return the schemas as Markdown: the text of ``results/README.md``."""
    lines = [
        "# Result tables",
        "",
        "Made from `ntkbench/store/schemas.py` by `python -m ntkbench.store.schemas`; a test holds the two together.",
        "",
        "`ntkbench run` writes `results/<run_id>/`: `run.json` (arguments, resolved study, environments), a folder",
        "per table below with one parquet file per cell (`<cell_id>.parquet`), `figures/`, `logs/` of cells that",
        "printed something or failed, and `solutions/`, a cache that may be deleted at any time. pandas, polars and",
        "DuckDB read each folder as it stands; `ntkbench.load(path)` reads them all. A file in `cells/` is written",
        "last: ignore rows of the other tables without one. Values are raw, per member; nothing is averaged in place",
        "of data.",
    ]
    for table, columns in SCHEMAS.items():
        lines += ["", f"## {table}", "", MEANINGS[table], "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| {c.name} | {c.type}{', nullable' if c.nullable else ''} | {c.meaning} |" for c in columns]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(describe(), end="")
