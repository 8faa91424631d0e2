"""The run's folder: files of one fixed schema, whole or absent, held by one process, and never anyone else's."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from toy_runs import TOY, as_toml, command_line, invoke, rows, session, shell, study, subject, wait_for

import ntkbench
from ntkbench.analysis.series.records import as_text
from ntkbench.errors import StoreError
from ntkbench.plugin.hashing import digest_of_bytes
from ntkbench.store import read
from ntkbench.store.arrow import parquet_bytes, read_table, row_table, to_table, write_bytes
from ntkbench.store.read import Results
from ntkbench.store.run_file import differences, run_digest
from ntkbench.store.schemas import CELL_TABLES, SCHEMA_VERSION, SCHEMAS, arrow_schema, describe

ROOT = Path(__file__).parents[3]
TABLES = ("cells", *CELL_TABLES)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run, not to be changed."""
    path = tmp_path_factory.mktemp("done") / "run"
    text = study(architecture=[{"depth": 2}], task=[{"name": "toy/line", "outputs": 2}], store={"predictions": "all"})
    session(text, path, executor="inline", analyse=True)
    return path


@pytest.fixture
def mine(done, tmp_path):
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(done, tmp_path / "run"))


TEXT = study(architecture=[{"depth": 2}], task=[{"name": "toy/line", "outputs": 2}], store={"predictions": "all"})


def resume(path, text=TEXT, **options):
    return session(text, path, executor="inline", **options)


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


class TestArrow:
    KEY: ClassVar = {"schema_version": 1, "attempt": 1, "run_id": "x", "cell_id": "y"}
    ROW: ClassVar = {
        **dict.fromkeys(("member", "step", "time", "residual_projection")),
        "kernel": "ntk",
        "component": 0,
        "output": 0,
        "eigenvalue": 1.0,
        "target_projection": 1.0,
    }

    def test_scalars_fill_their_column(self):
        columns = self.ROW | {"component": np.arange(3), "member": np.ma.masked_equal([0, 1, 2], 1)}
        table = to_table("spectra", columns, self.KEY)
        assert table["component"].to_pylist() == [0, 1, 2]
        assert table["member"].to_pylist() == [0, None, 2]
        assert table["eigenvalue"].to_pylist() == [1.0] * 3
        assert table["residual_projection"].null_count == 3

    def test_no_rows_are_a_table_too(self):
        columns = self.ROW | {"component": [], "eigenvalue": []}
        assert to_table("spectra", columns, self.KEY).num_rows == 0

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"extra": 1}, r"unknown or missing columns \['extra'\]"),
            ({"eigenvalue": "large"}, "table spectra, column eigenvalue"),
            ({"eigenvalue": None}, "a value is missing"),
            ({"component": 0.5}, "table spectra, column component"),
            ({"kernel": "\udcff"}, "table spectra, column kernel"),
        ],
    )
    def test_what_does_not_fit_is_named(self, change, message):
        with pytest.raises(ValueError, match=message):
            row_table("spectra", self.KEY | self.ROW | change)

    @pytest.mark.parametrize("size", [3, 5000])
    def test_a_file_is_written_whole(self, tmp_path, size):
        table = to_table("spectra", self.ROW | {"component": np.arange(size)}, self.KEY)
        file, content = tmp_path / "a.parquet", parquet_bytes(table)
        write_bytes(content, file, tmp_path / "part", sync=True)
        assert pq.read_table(file).equals(table)
        assert read_table(file, "spectra", digest_of_bytes(content)).equals(table)
        assert not (tmp_path / "part").exists()
        for broken in (b"", b"PAR", content[:-1], content[1:]):
            file.write_bytes(broken)
            with pytest.raises(StoreError, match=r"a.parquet: damaged"):
                read_table(file, "spectra", digest_of_bytes(content))
        file.unlink()
        with pytest.raises(StoreError, match=r"a.parquet: is missing"):
            read_table(file, "spectra", digest_of_bytes(content))


class TestOwnership:
    def test_a_foreign_folder_is_refused_and_untouched(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("years of work")
        for fresh in (False, True):
            with pytest.raises(StoreError, match="holds files but no run, so it is left alone"):
                resume(tmp_path, fresh=fresh)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_file_in_the_way(self, tmp_path):
        (tmp_path / "run").write_text("")
        with pytest.raises(StoreError, match="a file is in the way"):
            resume(tmp_path / "run")

    @pytest.mark.parametrize("where", ["file/below", "n" * 300, "file/below/deeper"])
    def test_a_path_that_cannot_be_made(self, tmp_path, where):
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match=r"choose another --out"):
            resume(tmp_path / where)

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system nobody can write to")
    def test_a_folder_that_cannot_be_written(self):
        with pytest.raises(StoreError, match="cannot be written to"):
            resume(Path("/proc/ntkbench"))

    def test_a_full_disk_is_one_message(self, tmp_path, monkeypatch):
        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("ntkbench.store.folder.write_bytes", full)
        with pytest.raises(StoreError, match=r"\w+.parquet: cannot be written \(No space left on device\)"):
            resume(tmp_path / "run", {**TEXT, "subject": []})
        monkeypatch.undo()
        assert resume(tmp_path / "run").summary.counts == {"ok": 4}

    def test_fresh_discards_the_runs_own_files_only(self, mine):
        foreign = [mine / "notes.md", mine / "cells" / "notes.md", mine / "logs" / "notes.md"]
        for file in foreign:
            file.parent.mkdir(exist_ok=True)
            file.write_text("mine")
        old = ntkbench.load(mine).cells["started_at"].max()
        found = resume(mine, study(seed=5), fresh=True)
        assert found.summary.counts == {"ok": 4}
        cells = ntkbench.load(mine).cells
        assert len(cells) == 4
        assert (cells["seed"] == 5).all()
        assert cells["started_at"].min() > old
        assert all(file.read_text() == "mine" for file in foreign)

    def test_fresh_mends_a_broken_run_file(self, mine):
        (mine / "run.json").write_text("{")
        assert resume(mine, fresh=True).summary.counts == {"ok": 4}

    def test_leftovers_of_a_killed_run_are_swept_away(self, mine):
        (mine / ".tmp").mkdir()
        (mine / ".tmp" / "cells-half.parquet").write_text("PAR1")
        resume(mine)
        assert not (mine / ".tmp").exists()

    def test_killed_before_anything_was_written(self, tmp_path):
        (tmp_path / "run" / ".tmp").mkdir(parents=True)
        (tmp_path / "run" / ".lock").touch()
        assert resume(tmp_path / "run").summary.counts == {"ok": 4}


class TestExtending:
    def test_another_plan_is_refused_naming_what_differs(self, mine):
        before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
        with pytest.raises(StoreError) as caught:
            resume(mine, {**TEXT, "seed": 1, "training": {**TEXT["training"], "steps": 20}})
        message = str(caught.value)
        assert "holds 4 cells of another plan" in message
        assert "seed: 0 -> 1" in message
        assert "training.steps: 10 -> 20" in message
        assert "--fresh" in message
        assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before

    def test_fewer_widths_are_another_plan(self, mine):
        with pytest.raises(StoreError, match=r"holds 2 cells of another plan.*\n.*widths: \[4,16,64\] -> \[4\]"):
            resume(mine, {**TEXT, "subject": [subject(widths=[4])]})

    def test_differences(self):
        old = {"a": 1, "b": {"c": [1, 2]}, "t": [{"x": 1}, {"x": 2}], "gone": 1}
        new = {"a": 1, "b": {"c": [1, 3]}, "t": [{"x": 1}, {"x": 5}], "new": None}
        assert differences(old, new) == ["b.c: [1,2] -> [1,3]", "t[1].x: 2 -> 5", "gone: 1 -> null"]
        assert differences(old, old) == []


class TestDamage:
    @pytest.mark.parametrize("damage", ["cut", "empty", "garbage inside", "other schema"])
    def test_a_damaged_cell_is_done_again(self, mine, damage):
        before = ntkbench.load(mine)
        file = sorted((mine / "cells").glob("*.parquet"))[1]
        content = file.read_bytes()
        if damage == "other schema":
            pq.write_table(pa.table({"x": [1]}), file)
        else:
            file.write_bytes(
                {"cut": content[:-20], "empty": b"", "garbage inside": content[:4] + b"\0" * 500 + content[-4:]}[damage]
            )
        with pytest.raises(StoreError, match=f"{file.name}: not a whole parquet file"):
            _ = ntkbench.load(mine).cells
        assert resume(mine).summary.counts == {"ok": 1}
        after = ntkbench.load(mine)
        assert after.measurements["value"].tolist() == before.measurements["value"].tolist()

    def test_a_damaged_table_is_done_again(self, mine):
        file = sorted((mine / "measurements").glob("*.parquet"))[1]
        file.write_bytes(file.read_bytes()[:-20])
        with pytest.raises(StoreError, match=f"{file.name}: damaged"):
            _ = ntkbench.load(mine).measurements
        assert resume(mine).summary.counts == {"ok": 1}
        assert len(ntkbench.load(mine).measurements)

    def test_a_lost_table_is_done_again(self, mine):
        shutil.rmtree(mine / "measurements")
        with pytest.raises(StoreError, match="parquet: is missing; run the study again to redo it"):
            _ = ntkbench.load(mine).measurements
        assert resume(mine).summary.counts == {"ok": 4}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "broken JSON"),
            ("[]", "broken JSON, or no schema_version"),
            ("{}", "broken JSON, or no schema_version"),
            ('{"schema_version": "1", "resolved": {}}', "schema_version '1'"),
            ('{"schema_version": 1}', "no resolved study"),
            ('{"schema_version": 99, "resolved": {}}', "written with schema 99 by a newer ntkbench; this one reads 3"),
            ('{"schema_version": 0, "resolved": {}}', "written with schema 0 by an older ntkbench"),
        ],
    )
    def test_a_broken_run_file_is_named(self, mine, text, message):
        (mine / "run.json").write_text(text)
        for use in (lambda: resume(mine), lambda: ntkbench.load(mine)):
            with pytest.raises(StoreError) as caught:
                use()
            assert message in str(caught.value)
            assert str(mine) in str(caught.value)

    def test_the_command_line_names_the_damaged_file(self, mine):
        file = sorted((mine / "cells").glob("*.parquet"))[0]
        file.write_bytes(b"PAR1")
        assert str(file) in json.loads(invoke("results", "list", mine, "--json").stdout)[0]["cells"]
        for arguments in (("results", "show", mine), ("results", "export", mine)):
            found = invoke(*arguments)
            assert found.exit_code == 2
            assert str(file) in found.stderr
            assert "Traceback" not in found.stderr
            assert found.stdout == ""


class TestLock:
    def test_a_second_process_is_told_and_the_lock_dies_with_its_owner(self, tmp_path):
        toml = tmp_path / "toy.toml"
        toml.write_text(as_toml(study(subject=[subject(seconds=600)])))
        arguments = ("run", toml, "--plugin", TOY, "--out", "run", "--jobs", "1")
        holder = subprocess.Popen(
            command_line(*arguments), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(lambda: list((tmp_path / "run" / "cells").glob("*.parquet")))
            second = shell(tmp_path, *arguments)
            assert second.returncode == 2
            assert second.stderr.count("in use by another ntkbench process") == 1
            with pytest.raises(StoreError, match="in use by another ntkbench process"):
                session(toml, tmp_path / "run", fresh=True)
            assert len(rows(tmp_path / "run")) == 1  # readers need no lock
        finally:
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait()
        found = session(study(subject=[subject(seconds=600)]), tmp_path / "run", fail_fast=True, timeout=0.1)
        assert found.summary.counts["timeout"] >= 1

    def test_the_lock_is_free_after_a_run(self, mine):
        resume(mine)
        resume(mine)


class TestRunFile:
    def test_what_it_records(self, done):
        run = json.loads((done / "run.json").read_text())
        assert run["schema_version"] == SCHEMA_VERSION
        assert run["study"] == "toy"
        assert run["run_id"] == ntkbench.load(done).cells["run_id"].iloc[0]
        assert run["resolved"]["subject"][0]["parameters"]["behave"] == "well"
        env_ids = set(ntkbench.load(done).cells["env_id"])
        assert env_ids == set(run["environments"])
        (environment,) = run["environments"].values()
        assert {"python", "platform", "processor", "cores", "versions"} <= environment.keys()
        assert environment["versions"]["numpy"] == np.__version__

    def test_earlier_environments_and_the_date_of_birth_are_kept(self, mine):
        old = json.loads((mine / "run.json").read_text())
        old["environments"]["elsewhere"] = {"env_id": "elsewhere"}
        old["created_at"] = "2001-01-01T00:00:00+00:00"
        del old["digest"]
        (mine / "run.json").write_text(json.dumps(old | {"digest": run_digest(old)}))
        resume(mine)
        new = json.loads((mine / "run.json").read_text())
        assert new["environments"].items() >= old["environments"].items()
        assert new["created_at"] == old["created_at"]
        assert new["updated_at"] >= old["updated_at"]
