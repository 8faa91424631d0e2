"""The SDK: with ``theory``, ``architecture`` and ``dynamics``, the only parts of ntkbench that a plugin may import.

``from ntkbench.plugin import TaskSpec, hookimpl``: each name is imported on first use, which keeps a plugin's
registration fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..errors import (
        DataError,
        NtkbenchError,
        PluginError,
        StoreError,
        StudyError,
        UnavailableError,
        UnknownNameError,
        suggestion,
    )
    from .availability import missing_plugin, require_available, unavailable_reason
    from .cell import Cell
    from .data_table import DataTable, centred_targets
    from .executor import Executor, ExecutorContext, Finished, NoOptions, Progressed, Started
    from .figure_style import BAND_COLOUR, COLOURS, DASHES, MARKERS, THEORY_COLOUR
    from .hashing import digest_of_bytes
    from .hookspecs import hookimpl
    from .job import Job, WorkerConfig
    from .loading import load_registry
    from .machine import cores, memory_bytes
    from .options import DATA_DIR_OPTION, JSON_OPTION, PLUGIN_OPTION
    from .outcome import Outcome
    from .page import Page
    from .result_tables import ResultTables
    from .selection import Selected, SelectionCache, at_grid_edge, select, tuning_problems
    from .specs import (
        BackendSpec,
        Estimate,
        ExecutorSpec,
        MethodFacts,
        MetricSpec,
        Sizes,
        StudySpec,
        TaskSpec,
        Workload,
        import_target,
    )
    from .splits import random_rows, stratified_rows
    from .statistics import fraction_correct, jackknife_error, rms
    from .table_files.column_types import label_column, number_column, typed_column
    from .table_files.columns import TypedColumn
    from .table_files.numbers import parse_numbers
    from .table_files.table_file import TableFile, open_table
    from .table_files.text_file import TEXT_SUFFIXES, text_suffix
    from .table_files.text_format import TextFormat
    from .table_files.text_table import TextTable, read_text_table
    from .terminal import duration, make_console, print_table, quantity
    from .types import Float, Int, Measurement, Problem, Request, Solution, Training

_HOMES = {
    "Cell": "cell",
    "DataTable": "data_table",
    "centred_targets": "data_table",
    "Executor": "executor",
    "ExecutorContext": "executor",
    "Finished": "executor",
    "NoOptions": "executor",
    "Progressed": "executor",
    "Started": "executor",
    "Job": "job",
    "WorkerConfig": "job",
    "BAND_COLOUR": "figure_style",
    "COLOURS": "figure_style",
    "DASHES": "figure_style",
    "MARKERS": "figure_style",
    "THEORY_COLOUR": "figure_style",
    "digest_of_bytes": "hashing",
    "hookimpl": "hookspecs",
    "Outcome": "outcome",
    "cores": "machine",
    "memory_bytes": "machine",
    "Page": "page",
    "load_registry": "loading",
    "missing_plugin": "availability",
    "require_available": "availability",
    "unavailable_reason": "availability",
    "Selected": "selection",
    "SelectionCache": "selection",
    "at_grid_edge": "selection",
    "select": "selection",
    "tuning_problems": "selection",
    "ResultTables": "result_tables",
    "BackendSpec": "specs",
    "Estimate": "specs",
    "ExecutorSpec": "specs",
    "MethodFacts": "specs",
    "MetricSpec": "specs",
    "Sizes": "specs",
    "StudySpec": "specs",
    "TaskSpec": "specs",
    "Workload": "specs",
    "import_target": "specs",
    "random_rows": "splits",
    "stratified_rows": "splits",
    "fraction_correct": "statistics",
    "jackknife_error": "statistics",
    "rms": "statistics",
    "DATA_DIR_OPTION": "options",
    "JSON_OPTION": "options",
    "PLUGIN_OPTION": "options",
    "label_column": "table_files.column_types",
    "number_column": "table_files.column_types",
    "typed_column": "table_files.column_types",
    "TypedColumn": "table_files.columns",
    "parse_numbers": "table_files.numbers",
    "TableFile": "table_files.table_file",
    "open_table": "table_files.table_file",
    "TEXT_SUFFIXES": "table_files.text_file",
    "text_suffix": "table_files.text_file",
    "TextFormat": "table_files.text_format",
    "TextTable": "table_files.text_table",
    "read_text_table": "table_files.text_table",
    "duration": "terminal",
    "make_console": "terminal",
    "print_table": "terminal",
    "quantity": "terminal",
    "Float": "types",
    "Int": "types",
    "Measurement": "types",
    "Problem": "types",
    "Request": "types",
    "Solution": "types",
    "Training": "types",
    "DataError": "..errors",
    "NtkbenchError": "..errors",
    "PluginError": "..errors",
    "StoreError": "..errors",
    "StudyError": "..errors",
    "UnavailableError": "..errors",
    "UnknownNameError": "..errors",
    "suggestion": "..errors",
}
__all__ = [
    "BAND_COLOUR",
    "COLOURS",
    "DASHES",
    "DATA_DIR_OPTION",
    "JSON_OPTION",
    "MARKERS",
    "PLUGIN_OPTION",
    "TEXT_SUFFIXES",
    "THEORY_COLOUR",
    "BackendSpec",
    "Cell",
    "DataError",
    "DataTable",
    "Estimate",
    "Executor",
    "ExecutorContext",
    "ExecutorSpec",
    "Finished",
    "Float",
    "Int",
    "Job",
    "Measurement",
    "MethodFacts",
    "MetricSpec",
    "NoOptions",
    "NtkbenchError",
    "Outcome",
    "Page",
    "PluginError",
    "Problem",
    "Progressed",
    "Request",
    "ResultTables",
    "Selected",
    "SelectionCache",
    "Sizes",
    "Solution",
    "Started",
    "StoreError",
    "StudyError",
    "StudySpec",
    "TableFile",
    "TaskSpec",
    "TextFormat",
    "TextTable",
    "Training",
    "TypedColumn",
    "UnavailableError",
    "UnknownNameError",
    "WorkerConfig",
    "Workload",
    "at_grid_edge",
    "centred_targets",
    "cores",
    "digest_of_bytes",
    "duration",
    "fraction_correct",
    "hookimpl",
    "import_target",
    "jackknife_error",
    "label_column",
    "load_registry",
    "make_console",
    "memory_bytes",
    "missing_plugin",
    "number_column",
    "open_table",
    "parse_numbers",
    "print_table",
    "quantity",
    "random_rows",
    "read_text_table",
    "require_available",
    "rms",
    "select",
    "stratified_rows",
    "suggestion",
    "text_suffix",
    "tuning_problems",
    "typed_column",
    "unavailable_reason",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ntkbench.plugin' has no attribute {name!r}")
    home = _HOMES[name]
    return getattr(import_module(home if home.startswith("..") else f".{home}", __name__), name)
