"""The studies of the claims: complete, valid at every size, and about what they say."""

import tomllib

import pytest

from ntkbench.analysis.verdicts.findings import KNOWN
from ntkbench.api.claims import studies_of_claims
from ntkbench.errors import NtkbenchError
from ntkbench.plugin.registry import load_registry
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
    labels = {entry.label for entry in (*study.study.reference, *study.study.subject)}
    series = {label.rpartition("-")[0] for label in labels}
    for control in claim.negative_controls:
        assert set(control.split(" against ")) <= labels | series


@pytest.mark.parametrize("name", STUDIES)
def test_something_is_expected_of_all_that_is_judged(name):
    study = resolve_study(name, REGISTRY, Overrides())
    architecture = study.study.architecture[0]
    facts = {"activation": architecture.activation, "depth": architecture.depth, "bias_std": architecture.bias_std}
    facts |= {"n_features": 2, "n_train": 12, "task": "synthetic/circle", "task_params_json": "{}"}
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
