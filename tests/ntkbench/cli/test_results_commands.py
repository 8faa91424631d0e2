"""``ntkbench results``: list, show and export finished runs."""

import csv
import io
import json
import shutil

import pandas as pd
import pytest
from toy_runs import invoke


class TestResults:
    def test_list(self, finished):
        (row,) = json.loads(invoke("results", "list", finished, "--json").stdout)
        assert (row["run"], row["study"], row["cells"]) == (str(finished / "run"), "toy", "4 ok")
        assert "4 ok" in invoke("results", "list", finished).output

    def test_show(self, finished):
        found = invoke("results", "show", finished / "run")
        assert found.exit_code == 0
        assert "network against ntk" in found.output

    @pytest.mark.parametrize("table", ["cells", "measurements", "predictions", "spectra", "verdicts", "rates"])
    def test_export(self, finished, tmp_path, table):
        arguments = ("results", "export", finished / "run", "--table", table)
        lines = list(csv.DictReader(io.StringIO(invoke(*arguments).output)))
        records = [json.loads(line) for line in invoke(*arguments, "--format", "json").output.splitlines()]
        assert len(records) == len(lines) > 0
        assert list(records[0]) == list(lines[0])
        path = tmp_path / "table.parquet"
        assert invoke(*arguments, "--format", "parquet", "-o", path).output == ""
        assert len(pd.read_parquet(path)) == len(lines)

    def test_a_file_has_the_format_of_its_name_and_is_not_overwritten(self, finished, tmp_path):
        export = ("results", "export", finished / "run", "--table", "cells", "-o")
        path = tmp_path / "table.parquet"
        assert invoke(*export, path).exit_code == 0
        assert len(pd.read_parquet(path)) == 4
        again = invoke(*export, path)
        assert (again.exit_code, "exists; choose another name, or give --force" in again.output) == (2, True)
        assert invoke(*export, path, "--force").exit_code == 0
        other = invoke(*export, tmp_path / "table.csv", "--format", "json")
        assert (other.exit_code, "is the name of a csv file, but --format is json" in other.output) == (2, True)

    def test_a_run_is_found_by_its_id(self, finished, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        shutil.copytree(finished / "run", tmp_path / "results" / "mine")
        run_id = json.loads((finished / "run" / "run.json").read_text())["run_id"]
        assert "network against ntk" in invoke("results", "show", run_id).output
        assert "network against ntk" in invoke("results", "show", "mine").output
        shutil.copytree(finished / "run", tmp_path / "results" / "other")
        assert "name one of these folders" in invoke("results", "show", run_id).output
        assert "hold the same run" in invoke("results", "show", "results").output

    def test_one_broken_run_hides_no_other(self, finished, tmp_path):
        shutil.copytree(finished / "run", tmp_path / "whole")
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "run.json").write_text("{")
        broken, whole = json.loads(invoke("results", "list", tmp_path, "--json").stdout)
        assert whole["cells"] == "4 ok"
        assert "not the run file of a run" in broken["cells"]

    def test_a_run_without_cells_can_be_looked_at(self, finished, tmp_path):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "run.json").write_text((finished / "run" / "run.json").read_text())
        for arguments in (
            ("show", tmp_path / "run"),
            ("list", tmp_path),
            ("export", tmp_path / "run", "--table", "rates"),
        ):
            assert invoke("results", *arguments).exit_code == 0
