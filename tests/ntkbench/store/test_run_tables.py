"""A run's tables: their schemas, keys and labels, and reading several runs."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import ntkbench
from ntkbench.analysis.series.records import as_text
from ntkbench.errors import StoreError
from ntkbench.store import read
from ntkbench.store.read import Results
from ntkbench.store.run_file import run_digest
from ntkbench.store.schemas import CELL_TABLES, SCHEMA_VERSION, SCHEMAS, arrow_schema, describe

ROOT = Path(__file__).parents[3]
TABLES = ("cells", *CELL_TABLES)


class TestTables:
    @pytest.mark.parametrize("table", [*TABLES, "verdicts"])
    def test_every_file_has_the_declared_schema(self, done, table):
        files = list((done / table).glob("*.parquet"))
        assert files
        for file in files:
            schema = pq.read_schema(file)
            assert schema.names == arrow_schema(table).names
            assert schema.types == arrow_schema(table).types

    @pytest.mark.parametrize("table", [*TABLES, "verdicts"])
    def test_pandas_and_pyarrow_read_a_folder_as_it_stands(self, done, table):
        frame = pd.read_parquet(done / table)
        assert len(frame) == ds.dataset(done / table).count_rows() > 0
        assert list(frame.columns) == [column.name for column in SCHEMAS[table]]

    @pytest.mark.parametrize("table", [*TABLES, "verdicts"])
    def test_frames_are_typed_whether_empty_or_full(self, done, table):
        full, empty = getattr(ntkbench.load(done), table), getattr(Results([]), table)
        assert (len(full) > 0, len(empty)) == (True, 0)
        assert full.dtypes.to_dict() == empty.dtypes.to_dict()
        for column in SCHEMAS[table]:
            if column.type == "int64":
                assert str(empty[column.name].dtype) == ("Int64" if column.nullable else "int64")
            if column.type == "float64":
                assert str(empty[column.name].dtype) == "float64"
            if column.type.startswith("timestamp"):
                assert isinstance(empty[column.name].dtype, pd.DatetimeTZDtype)

    @pytest.mark.parametrize("rows", [1, 10**9])
    def test_measurements_in_parts_are_the_same_rows(self, done, monkeypatch, rows):
        monkeypatch.setattr(read, "_PART_ROWS", rows)
        results = ntkbench.load(done)
        parts, cells = results.measurement_parts, results.measurements["cell_id"].nunique()
        assert len(parts) == (cells if rows == 1 else 1)
        assert sum(part["cell_id"].nunique() for part in parts) == cells
        text = [as_text(part) for part in parts]
        pd.testing.assert_frame_equal(pd.concat(text, ignore_index=True), results.measurements[text[0].columns])

    def test_no_measurements_are_one_empty_part(self):
        (part,) = Results([]).measurement_parts
        pd.testing.assert_frame_equal(as_text(part), Results([]).measurements[part.columns])

    def test_keys_are_unique(self, done):
        results = ntkbench.load(done)
        assert results.cells["cell_id"].is_unique
        where = ["split", "split_index", "member", "step", "time"]
        assert not results.measurements.duplicated(["cell_id", "metric", "reference", *where, "component"]).any()
        assert not results.predictions.duplicated(["cell_id", "reference", *where, "point", "output"]).any()
        assert not results.spectra.duplicated(["cell_id", "kernel", "member", "step", "component", "output"]).any()

    def test_the_readme_of_results_is_made_from_the_code(self):
        assert (ROOT / "results" / "README.md").read_text(encoding="utf-8") == describe()

    def test_describe_names_every_column(self):
        text = describe()
        for columns in SCHEMAS.values():
            for column in columns:
                assert f"| {column.name} | {column.type}" in text

    def test_rows_without_a_committed_cell_are_ignored(self, mine):
        gone = next((mine / "cells").glob("*.parquet"))
        before = ntkbench.load(mine).measurements
        gone.unlink()
        after = ntkbench.load(mine).measurements
        assert gone.stem in set(before["cell_id"])
        assert gone.stem not in set(after["cell_id"])

    def test_two_folders_of_the_same_run_are_refused(self, done, mine):
        """Copies of a run, as from two machines, have the same run_id and cell_ids."""
        with pytest.raises(StoreError, match=r"hold the same run .* load them one by one"):
            ntkbench.load(done, mine)
        assert len(ntkbench.load(done, done).cells) == len(ntkbench.load(done).cells)

    def test_load_finds_the_runs_of_a_folder(self, done):
        assert ntkbench.load(done.parent).paths == (done,)
        assert ntkbench.load(done).runs[0]["run_id"] == ntkbench.load(done).cells["run_id"].iloc[0]

    def test_labels_are_in_the_order_of_the_study_references_first(self, done):
        results = ntkbench.load(done)
        assert results.labels == list(dict.fromkeys(results.cells.sort_values("role")["label"]))
        assert results.labels[0] == results.runs[0]["resolved"]["reference"][0]["label"]

    def test_labels_of_several_runs_are_each_there_once(self, tmp_path):
        """Run after run, in an order that no alphabet gives by chance."""
        first = {"reference": ["z", "a"], "subject": ["y", "b"]}
        second = {"reference": ["m", "a"], "subject": ["b", "c"]}
        for name, labels in (("1", first), ("2", second)):
            resolved = {role: [{"label": label} for label in found] for role, found in labels.items()}
            (tmp_path / name).mkdir()
            text = {"schema_version": SCHEMA_VERSION, "run_id": name, "resolved": resolved}
            (tmp_path / name / "run.json").write_text(json.dumps(text | {"digest": run_digest(text)}))
        assert ntkbench.load(tmp_path).labels == ["z", "a", "y", "b", "m", "c"]

    def test_loading_what_is_no_run_says_so(self, tmp_path):
        with pytest.raises(StoreError, match=r"no run found \(no run.json in it or in a folder below\)"):
            ntkbench.load(tmp_path)
        with pytest.raises(StoreError, match=r"no run found \(no such folder\)"):
            ntkbench.load(tmp_path / "absent")
