"""Whose a folder is, what may be added to it, its lock and its run file."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from store_runs import TEXT, resume
from toy_runs import TOY, as_toml, command_line, rows, session, shell, study, subject, wait_for

import ntkbench
from ntkbench.errors import StoreError
from ntkbench.store.run_file import differences, run_digest
from ntkbench.store.schemas import SCHEMA_VERSION


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
