"""The studies of the claims: complete, valid at every size, and about what they say."""

import tomllib
from types import SimpleNamespace

import pytest

from ntkbench.analysis.report.report import Report
from ntkbench.analysis.verdicts.findings import KNOWN
from ntkbench.api import claims as api_claims
from ntkbench.api.claims import comparisons_of_claims, run_claims, studies_of_claims
from ntkbench.api.run import Options
from ntkbench.errors import NtkbenchError
from ntkbench.plugin.loading import load_registry
from ntkbench.study.load import Overrides
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study
from ntkbench.theory import claims

REGISTRY = load_registry()
STUDIES = studies_of_claims(REGISTRY)


def test_every_claim_has_a_study():
    assert set(STUDIES.values()) == set(claims.STATEMENTS) == {f"C{i}" for i in range(1, 18)}
    assert list(STUDIES)[:2] == ["claim-c1", "claim-c2"]
    assert list(STUDIES)[-1] == "claim-c17"


def test_claims_are_chosen_by_name():
    assert set(studies_of_claims(REGISTRY, ["C7"])) == {"claim-c7", "claim-c7-mean", "claim-c7-non-gradient"}
    with pytest.raises(NtkbenchError, match="C1 to C17"):
        studies_of_claims(REGISTRY, ["C18"])


def test_studies_that_an_interrupt_kept_from_running_are_inconclusive(monkeypatch, tmp_path):
    stopped = SimpleNamespace(summary=SimpleNamespace(interrupted=True), report=Report((), (), 0))
    monkeypatch.setattr(api_claims, "execute", lambda *_: stopped)
    board = run_claims(
        ["C6", "C17"], size="small", out=tmp_path, seed=None, options=Options(), watcher_of=lambda *_: None
    )
    (score,) = board.report.scores  # of C6 nothing is known here: its study is the one that was stopped
    assert (score.claim, score.verdict) == ("C17", "inconclusive")
    assert all("not run: interrupted" in finding.reason for finding in score.findings)
    assert {control.refuted for control in score.negative_controls} == {False}
    assert board.report.compared == comparisons_of_claims(REGISTRY, "small")


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_valid(name, size):
    study = resolve_study(name, REGISTRY, Overrides(size=size))
    assert make_plan(study, REGISTRY).cells
    claim = study.study.claim
    assert claim.id == STUDIES[name]
    assert study.study.title.startswith(claim.id)
    assert claim.judge
    assert set(claim.judge) <= set(KNOWN)
    references, subjects = (
        {entry.label for entry in entries} for entries in (study.study.reference, study.study.subject)
    )
    for control in claim.negative_controls:
        if isinstance(control, str):
            assert control in references | subjects
        else:
            assert control.subject in subjects
            assert control.reference in references
    for grades in claim.graded_controls.values():
        assert 0 in grades.values()  # a sham
        assert grades.keys() <= references


@pytest.mark.parametrize("name", STUDIES)
def test_something_is_expected_of_all_that_is_judged(name):
    study = resolve_study(name, REGISTRY, Overrides())
    architecture = study.study.architecture[0]
    facts = {"activation": architecture.activation, "depth": architecture.depth, "bias_std": architecture.bias_std}
    facts |= {"n_features": 2, "n_train": 12, "distinct_inputs": 12, "antipodal_pairs": 0, "input_norm": 1.0}
    for quantity in study.study.claim.judge:
        found = claims.expectation(quantity, facts, study.study.claim.id)
        assert found is not None
        assert found.claim == study.study.claim.id
        assert found.band_low < found.band_high


def test_the_text_of_a_study_is_its_documentation():
    for spec in REGISTRY.studies:
        if spec.name in STUDIES:
            claim = tomllib.loads(spec.path.read_text())["claim"]
            assert {"id", "source", "varies", "refuted_by", "judge"} <= claim.keys()
