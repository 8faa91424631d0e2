"""``ntkbench plan`` and the claims' studies: what would run, be skipped, and be decided."""

import json

import pytest
from toy_runs import TOY, invoke

import ntkbench


class TestPlan:
    def test_what_would_run(self, finished):
        found = invoke("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "new")
        assert found.exit_code == 0
        assert "4 cells: 4 to run" in found.output
        assert "0 done, 0 failed before, 0 skip" in found.output
        assert not (finished / "new").exists()

    def test_what_is_done_already(self, finished):
        found = invoke(
            "plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "run", "--width", "4", "--width", "16"
        )
        assert found.exit_code == 2
        found = invoke("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "run", "--json")
        report = json.loads(found.stdout)
        assert {cell["decision"] for cell in report["cells"]} == {"done"}
        assert {cell["cell_id"] for cell in report["cells"]} == set(ntkbench.load(finished / "run").cells["cell_id"])

    def test_what_would_be_skipped_and_why(self, finished):
        arguments = (
            "plan",
            finished / "toy.toml",
            "--plugin",
            TOY,
            "--out",
            finished / "new",
            "--set",
            "architecture.depth=10",
        )
        found = invoke(*arguments)
        assert "skip: only up to depth 9" in found.output
        assert "3 skip" in found.output
        decisions = [
            (cell["decision"], cell["reason"]) for cell in json.loads(invoke(*arguments, "--json").stdout)["cells"]
        ]
        assert decisions == [("run", None)] + [("skip", "only up to depth 9")] * 3

    def test_a_claim_says_what_it_can_decide(self):
        said = invoke("plan", "claim-c3").output
        assert "What it can decide on one seed" in said
        assert "coupling of outputs in the empirical NTK" in said
        (one, *_) = json.loads(invoke("plan", "claim-c3", "--json").stdout)["power"]
        assert one["labels"] == ["network"]
        assert 0 < one["half_width"] < one["detects"]
        assert 0.8 <= one["fails_at_most"] <= 1
        unknown = json.loads(invoke("plan", "claim-c13", "--json").stdout)["power"][0]
        assert unknown["half_width"] is None

    def test_other_studies_decide_nothing_of_the_claims(self, finished):
        found = invoke("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "new")
        assert "What it can decide" not in found.output

    def test_long_plans_are_cut_unless_asked_for(self, finished):
        widths = [part for width in range(1, 61) for part in ("--width", width)]
        arguments = ("plan", finished / "toy.toml", "--plugin", TOY, "--out", finished / "new", *widths)
        assert "... and 21 more cells (--all lists them)" in invoke(*arguments).output
        assert "width 60" in invoke(*arguments, "--all").output

    @pytest.mark.parametrize("way", ["file", "folder"])
    def test_a_folder_that_run_would_refuse_is_refused(self, finished, tmp_path, way):
        (tmp_path / "thesis.tex").write_text("years of work")
        out = tmp_path / "thesis.tex" if way == "file" else tmp_path
        found = invoke("plan", finished / "toy.toml", "--plugin", TOY, "--out", out)
        assert found.exit_code == 2


class TestClaims:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--budget", "30m"), "--budget needs --until decided"),
            (("--until", "decided", "--budget", "30"), "'30' is not a time; expected a number of s, m or h"),
            (("--until", "decided", "--budget", "0m"), "'0m' is not a time"),
            (("--until", "decided", "--seed", "1", "--seed", "2"), "takes one --seed, the first"),
            (("C18",), 'no claim "C18"'),
        ],
    )
    def test_mistakes(self, tmp_path, arguments, message):
        found = invoke("claims", *arguments, "--out", tmp_path / "claims")
        assert found.exit_code == 2
        assert message in " ".join(found.output.split())
        assert not (tmp_path / "claims").exists()
