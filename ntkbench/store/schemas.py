"""The fixed schemas of the result tables and the meaning of each column; ``results/README.md`` is made from them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 3


class Column(NamedTuple):
    """A column: the name of its Arrow type, whether it may be null, and what it means."""

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
_CELL = (*_RUN, _c("cell_id", "string", "the cell, a key of `cells`"))
_ATTEMPT = (*_CELL, _c("attempt", "int64", "attempt number, from 1"))
_WHERE = (
    _c("member", "int64?", "network of the ensemble, from 0; null: the whole ensemble, or a law"),
    _c("step", "int64?", "training step; null: gradient flow"),
    _c("time", "float64?", "training time, learning_rate * step; inf: trained to the end"),
)

SCHEMAS: dict[str, tuple[Column, ...]] = {
    "cells": (
        *_ATTEMPT,
        _c("study", "string", "name of the study"),
        _c("label", "string", "label of the reference or subject in the study"),
        _c("role", "string", "`reference` (infinite width) or `subject` (finite networks)"),
        _c("task", "string", "name of the task"),
        _c("task_version", "int64", "version of the task's data and splits"),
        _c("split_index", "int64", "split of the task, from 0"),
        _c("backend", "string", "name of the backend"),
        _c("backend_version", "int64", "version of the backend; a new one means new numbers"),
        _c("kernel", "string?", "kernel of a reference, or of a subject's random functions: `ntk` or `nngp`"),
        _c("ridge", "float64?", "ridge of a reference, relative to the kernel's mean diagonal"),
        _c("depth", "int64", "number of hidden layers"),
        _c("width", "int64?", "hidden width, the smallest if layers differ; null: infinite, or no hidden layer"),
        _c("widths", "list<int64>?", "width of each hidden layer"),
        _c("activation", "string", "activation, as a study spells it"),
        _c("parameterization", "string", "`ntk`, `standard` (per-tensor rates) or `standard-global-rate`"),
        _c("weight_std", "float64", "weight_std, sigma_w in L19"),
        _c("bias_std", "float64", "bias_std, sigma_b in L19"),
        _c("output_scale", "float64", "factor alpha on the output; 1: none"),
        _c("trained_layers", "string", "layers trained: `all` or `last`"),
        _c(
            "learning_rate_multiplier",
            "float64",
            "factor on the study's learning rate; of a reference other than 1 only if wrong on purpose",
        ),
        _c("deviations", "list<string>", "why a reference is not the theory's law for these networks; empty: it is"),
        _c("members", "int64?", "networks in the ensemble; null: a law"),
        _c("n_train", "int64", "training points N"),
        _c("n_test", "int64", "test points M"),
        _c("n_features", "int64", "inputs n_0"),
        _c("n_outputs", "int64", "outputs n_L"),
        _c("distinct_inputs", "int64?", "training inputs, as they are trained on, that differ"),
        _c("input_norm", "float64?", "their norm, the same of all to 1e-13; null: norms differ"),
        _c("antipodal_pairs", "int64?", "pairs {x, -x} of distinct training inputs, to 1e-13"),
        _c("parameters", "int64?", "trainable parameters P of one network; null: infinite or unknown"),
        _c("loss", "string?", "the cost; `squared-error` is 1/(2N) sum over points and outputs of |f - y|^2"),
        _c("optimizer", "string", "optimizer"),
        _c("learning_rate", "float64?", "learning rate used, absolute"),
        _c("steps", "int64", "training steps"),
        _c("target_scale", "list<float64>?", "per output: one unit of the scaled targets, in units of the data"),
        _c("task_params_json", "string", "the task's parameters, canonical JSON"),
        _c("backend_params_json", "string", "the backend's parameters, canonical JSON"),
        _c("training_json", "string", "the study's training with its recorded steps, canonical JSON"),
        _c("seed", "int64", "seed of the study"),
        _c("dtype", "string", "floating-point type"),
        _c("device", "string", "device used"),
        _c("threads", "int64", "threads per process"),
        _c("status", "string", "ok, failed, timeout, crashed, out_of_memory, diverged, skipped or interrupted"),
        _c("reason", "string?", "why it is not ok, or a remark if it is"),
        _c("exception_type", "string?", "type of the exception"),
        _c("exception_message", "string?", "message of the exception"),
        _c("exit_signal", "int64?", "signal that ended the process"),
        _c("wall_seconds", "float64?", "wall-clock time, s"),
        _c("compile_seconds", "float64?", "compile time within it, s, if known"),
        _c("peak_memory_bytes", "int64?", "peak resident memory of the process while the cell ran, bytes"),
        _c("started_at", "timestamp[us, tz=UTC]?", "start time, UTC"),
        _c("env_id", "string", "environment, a key of `environments` in run.json"),
        _c(
            "digests_json",
            "string",
            "BLAKE2b digests of the cell's own files, by table, canonical JSON; in a part file, of those that it had",
        ),
    ),
    "measurements": (
        *_ATTEMPT,
        _c("metric", "string", "name of the metric"),
        _c("reference", "string?", "label of the reference it is compared with; null: none"),
        _c("reference_cell_id", "string?", "cell of that reference"),
        _c("split", "string?", "points: `train` or `test`; null: neither"),
        _c("split_index", "int64", "split of the task, from 0"),
        *_WHERE,
        _c("component", "int64?", "kernel component, layer or point, from 0, as the metric defines; null: none"),
        _c("value", "float64", "value"),
        _c("unit", "string", "unit: `1`, `fraction`, `target` (that of the scaled targets), ..."),
        _c("goal", "string", "whether to minimize or maximize it: `min`, `max` or `none`"),
    ),
    "predictions": (
        *_ATTEMPT,
        _c("split", "string", "points: `train` or `test`"),
        _c("split_index", "int64", "split of the task, from 0"),
        _c("point", "int64", "point of the split, from 0"),
        _c("output", "int64", "output, from 0"),
        *_WHERE,
        _c("reference", "string?", "null: own output; else that kernel's prediction from the member's f_0"),
        _c("value", "float64", "prediction, in training units"),
        _c("variance", "float64?", "variance over members (ddof 1), or of the law"),
        _c("target", "float64", "target, in training units"),
    ),
    "spectra": (
        *_ATTEMPT,
        _c("kernel", "string", "`ntk`, `nngp` or `empirical`"),
        *_WHERE,
        _c("component", "int64", "component, from 0, by descending eigenvalue"),
        _c("output", "int64", "output, from 0"),
        _c("eigenvalue", "float64", "eigenvalue of the Gram matrix T = Theta(X, X)"),
        _c("target_projection", "float64", "v_i.y, v_i the eigenvector"),
        _c("residual_projection", "float64?", "v_i.(y - f_t(X)), f_t the law's mean at `time`"),
    ),
    "verdicts": (
        *_RUN,
        _c("study", "string", "name of the study"),
        _c("claim", "string", "claim, C1 to C17 of docs/theory.md"),
        _c("task", "string", "name of the task"),
        _c("architecture", "string", "the architecture in words"),
        _c("quantity", "string", "what was estimated"),
        _c(
            "role",
            "string",
            "`claim`; `negative_control`: wrong on purpose, must fail; `graded_control`: by a known amount",
        ),
        _c("expected", "float64?", "value expected by the theory"),
        _c("band_low", "float64?", "lower end of the equivalence band; null: unbounded"),
        _c("band_high", "float64?", "upper end of the equivalence band; null: unbounded"),
        _c("estimate", "float64?", "estimate"),
        _c("ci_low", "float64?", "lower end of the 95 % interval"),
        _c("ci_high", "float64?", "upper end of the 95 % interval"),
        _c("n_widths", "int64", "widths used, or points of another axis"),
        _c("n_members", "int64", "fewest members at any of them"),
        _c("method", "string", "estimation method"),
        _c("floor_share", "float64?", "of a distance to a limit: floor over the distance at the largest width, signed"),
        _c("floor_low", "float64?", "lower end of its 95 % interval; minus infinity below -10"),
        _c("floor_high", "float64?", "upper end of its 95 % interval, at most 1"),
        _c("sensitivity", "string?", "of an exponent's verdict: `robust`, or `depends` on the assumed correction"),
        _c("verdict", "string", "holds, fails, inconclusive or reported"),
        _c("reason", "string?", "reason for the verdict"),
    ),
    "replication": (
        *_RUN,
        _c("study", "string", "name of the study"),
        _c("claim", "string", "claim, C1 to C17 of docs/theory.md"),
        _c("task", "string", "name of the task"),
        _c("architecture", "string", "the architecture in words"),
        _c("quantity", "string", "what was estimated"),
        _c("role", "string", "as in `verdicts`"),
        _c("seed", "int64", "seed of data and networks"),
        _c("estimate", "float64?", "estimate of this seed"),
        _c("ci_low", "float64?", "lower end of its 95 % interval"),
        _c("ci_high", "float64?", "upper end of its 95 % interval"),
        _c("verdict", "string", "verdict on this seed alone"),
        _c("between_seeds", "float64?", "standard deviation between seeds, beyond sampling"),
        _c("heterogeneity", "float64?", "p-value of no difference between seeds (Welch's test)"),
        _c("pooled_verdict", "string", "verdict on all seeds together"),
    ),
}

CELL_TABLES = ("measurements", "predictions", "spectra")
RUN_TABLES = ("cells", *CELL_TABLES, "verdicts")
MEANINGS = {
    "cells": (
        "One row per cell. Key: run_id, cell_id. A row here means that the other tables of the cell are complete."
    ),
    "measurements": (
        "One row per number. Key: run_id, cell_id, metric, reference, split, split_index, member, step, time, "
        "component."
    ),
    "predictions": "One row per predicted value; by default on the test split at the last recorded step.",
    "spectra": "One row per leading eigenvalue of a reference's kernel, and output.",
    "verdicts": (
        "One row per estimated quantity of a claim: `verdicts/<study>.parquet`. Of several seeds together "
        "(`ntkbench claims --seed 1 --seed 2`), `run_id` lists their runs, separated by commas."
    ),
    "replication": (
        "One row per estimated quantity and seed, of `ntkbench claims` on several seeds: "
        "`verdicts/replication.parquet`."
    ),
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
        "list<string>": pa.list_(pa.string()),
        "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(column.name, types[column.type]) for column in SCHEMAS[table]])


def describe() -> str:
    """Return the schemas as Markdown: the text of ``results/README.md``."""
    lines = [
        "# Result tables",
        "",
        "Generated from `ntkbench/store/schemas.py` by `python -m ntkbench.store.schemas`; a test compares the two.",
        "",
        "`ntkbench run` writes a folder `results/<run_id>/`:",
        "",
        "| entry | contents |",
        "|---|---|",
        "| `run.json` | arguments, resolved study, environments with digests of the plugins' code |",
        "| `cells/`, `measurements/`, `predictions/`, `spectra/` | parquet files, one per cell: `<cell_id>.parquet`, "
        "or one for many: `part-<digest>.parquet` |",
        "| `verdicts/` | one parquet file per study |",
        "| `figures/` | figures as PNG and SVG, pages as Markdown |",
        "| `logs/` | output of cells that printed something or failed |",
        "| `solutions/` | a cache; delete it at any time |",
        "",
        "`ntkbench.load(path)` reads all tables. pandas, polars and DuckDB read each folder directly. The row in",
        "`cells` is written last: ignore rows of a cell that has none. Values are raw, one row per member.",
        "",
        "A run of more than some hundred cells moves finished ones to part files, as does `ntkbench results compact`:",
        "sorted by cell, in row groups of whole cells, with statistics by which readers skip. During the move,",
        "`.staged/` holds new files and a journal. If a process is killed then, `ntkbench.load` still reads every row",
        "exactly once; plain readers may miss rows until the next `ntkbench run` or `compact`. `.counts.json` counts",
        "cells by status.",
    ]
    for table, columns in SCHEMAS.items():
        lines += ["", f"## {table}", "", MEANINGS[table], "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| {c.name} | {c.type}{', nullable' if c.nullable else ''} | {c.meaning} |" for c in columns]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(describe(), end="")
