"""What a claim's study planned has a verdict, whatever became of its cells; and its family does not depend on them."""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ntkbench.analysis.derived import decay
from ntkbench.analysis.estimation.smallest_eigenvalues import Bounded
from ntkbench.analysis.report.report import analyse, joined
from ntkbench.analysis.series.names import series_architecture, task_words
from ntkbench.analysis.series.planned import planned_cells
from ntkbench.analysis.series.quantities import ALL
from ntkbench.analysis.series.sources import SOURCES
from ntkbench.analysis.verdicts.expected_rows import comparisons_planned, plan_of
from ntkbench.analysis.verdicts.findings import KNOWN
from ntkbench.analysis.verdicts.judge import never_measured
from ntkbench.analysis.verdicts.scoreboard import scores
from ntkbench.api.claims import comparisons_of_claims, studies_of_claims
from ntkbench.plugin.loading import load_registry
from ntkbench.plugin.outcome import Outcome
from ntkbench.store.rows import cell_row
from ntkbench.study.load import Overrides
from ntkbench.study.plan import make_plan
from ntkbench.study.resolve import resolve_study

REGISTRY = load_registry()
STUDIES = studies_of_claims(REGISTRY)
PUBLISHED = Path(__file__).parents[4] / "results" / "reference" / "claims" / "verdicts.csv"
CONFIG = SimpleNamespace(device="cpu", threads=1)
EXPONENTS = {"erf": -1.0, "relu": -0.8}
WORDS = {"failed": "failed", "out_of_memory": "ran out of memory", "skipped": "skipped"}


def without_control():
    """Return the study of C6 without its negative control: two curves, and the twins of one in float64."""
    (path,) = [spec.path for spec in REGISTRY.studies if spec.name == "claim-c6"]
    study = tomllib.loads(path.read_text(encoding="utf-8"))
    study["subject"] = [entry for entry in study["subject"] if entry["label"] != "mean-field"]
    study["claim"].pop("negative_controls")
    return study


@cache
def plan(name=None, size="small"):
    return make_plan(resolve_study(name or without_control(), REGISTRY, Overrides(size=size)), REGISTRY)


def make_results(outcome=lambda cell: Outcome(status="ok"), exponents=EXPONENTS, members=8):
    """Return the tables of C6's study as its runner writes them; cells whose outcome is None have no row."""
    made, rng = plan(), np.random.default_rng(0)
    rows, numbers = [], []
    for cell in made.cells:
        if (found := outcome(cell)) is None:
            continue
        facts = replace(found, facts={"loss": "squared-error"} if found.status == "ok" else {})
        key = {"run_id": made.run_id, "cell_id": cell.cell_id}
        rows.append({**key, **cell_row(cell, facts, CONFIG, "env"), "members": members})
        if found.status == "ok" and cell.role == "subject":
            where = {**key, "metric": "linearization_distance", "split": "test", "split_index": 0, "component": None}
            where |= {"reference": None, "reference_cell_id": None, "step": 40, "time": 20.0}
            size = cell.width ** exponents[cell.architecture.activation]
            numbers += [{**where, "member": k, "value": size * rng.uniform(0.99, 1.01)} for k in range(members)]
    runs = [{"run_id": made.run_id, "resolved": made.resolved}]
    columns = ["run_id", "cell_id", "metric", "split", "split_index", "component", "reference", "reference_cell_id"]
    columns += ["member", "step", "time", "value"]
    measurements = pd.DataFrame(numbers, columns=columns).astype({"reference": "string"})
    return SimpleNamespace(cells=pd.DataFrame(rows), measurements=measurements, runs=runs)


def of_erf(cell, *widths):
    return cell.role == "subject" and cell.architecture.activation == "erf" and cell.width in (widths or (cell.width,))


def lost(status, *widths, reason="because"):
    """Return the outcome of C6 if the erf networks of some widths, or of all, end with a status."""
    return lambda cell: Outcome(status=status, reason=reason) if of_erf(cell, *widths) else Outcome(status="ok")


def judged(results):
    """Return the verdict of C6, and its findings by activation."""
    report = analyse(results)
    (score,) = scores(report.findings)
    assert report.compared == 2
    assert len(report.findings) == 2
    return score.verdict, {finding.rate.key.activation: finding for finding in report.findings}


def test_a_complete_run_holds():
    claim, found = judged(make_results())
    assert claim == "holds"
    assert "cells" not in found["erf"].rate.fit.words


@pytest.mark.parametrize("status", ["failed", "out_of_memory", "skipped"])
def test_an_architecture_of_which_all_cells_are_lost_is_inconclusive(status):
    claim, found = judged(make_results(lost(status)))
    assert (claim, found["erf"].verdict, found["relu"].verdict) == ("inconclusive", "inconclusive", "holds")
    assert found["erf"].reason == f"no exponent: none: 6 of 6 cells {WORDS[status]}: because"
    assert found["erf"].rate.key == make_key(found["relu"], "erf")


def make_key(finding, activation):
    key = finding.rate.key
    return replace(key, architecture=replace(key.architecture, activation=activation, weight_std=1.5))


@pytest.mark.parametrize("status", ["failed", "out_of_memory"])
def test_one_width_left_of_several_is_inconclusive(status):
    claim, found = judged(make_results(lost(status, 128, 256, 512, 1024, 2048)))
    assert (claim, found["erf"].verdict) == ("inconclusive", "inconclusive")
    assert f"no exponent: none: 5 of 6 cells {WORDS[status]}: because" == found["erf"].reason


@pytest.mark.parametrize("status", ["timeout", "out_of_memory", "interrupted"])
def test_widths_lost_whatever_their_numbers_are_a_remark(status):
    claim, found = judged(make_results(lost(status, 2048, 4096)))
    assert (claim, found["erf"].verdict) == ("holds", "holds")
    assert "2 of 6 cells" in found["erf"].rate.fit.words
    assert found["erf"].rate.fit.n_widths == 4


@pytest.mark.parametrize("exponent", [-1.0, 0.0])
@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_survivors_neither_hold_nor_fail(status, exponent):
    exponents = EXPONENTS | {"erf": exponent}
    _, whole = judged(make_results(exponents=exponents))
    assert whole["erf"].verdict == ("holds" if exponent else "fails")
    _, found = judged(make_results(lost(status, 128, reason="not finite"), exponents=exponents))
    assert (found["erf"].verdict, found["erf"].kind) == ("inconclusive", "censored")
    assert f"1 of 6 cells {status}: not finite" in found["erf"].reason


def test_cells_that_never_ran_are_known_from_the_study():
    claim, found = judged(make_results(lambda cell: None if of_erf(cell) else Outcome(status="ok")))
    assert (claim, found["erf"].verdict) == ("inconclusive", "inconclusive")
    assert "6 of 6 cells not run: interrupted" in found["erf"].reason
    _, found = judged(make_results(lambda cell: None if of_erf(cell, 4096) else Outcome(status="ok")))
    assert "1 of 6 cells not run" in found["erf"].rate.fit.words
    _, found = judged(make_results(lambda cell: Outcome(status="ok") if cell.role == "reference" else None))
    assert {finding.verdict for finding in found.values()} == {"inconclusive"}
    same = never_measured(plan_of(plan().resolved, plan().run_id))
    assert [(row.rate.key, row.verdict, row.reason) for row in same] == [
        (row.rate.key, row.verdict, row.reason) for row in found.values()
    ]


def test_members_that_diverged_censor_the_rest():
    results = make_results()
    (one,) = results.cells.query("activation == 'erf' and width == 128")["cell_id"]
    first = {"run_id": plan().run_id, "cell_id": one, "metric": "diverged_step", "member": 3, "value": 7.0}
    diverged = pd.concat([results.measurements, pd.DataFrame([first])], ignore_index=True)
    claim, found = judged(SimpleNamespace(**{**vars(results), "measurements": diverged}))
    assert (claim, found["erf"].verdict, found["relu"].verdict) == ("inconclusive", "inconclusive", "holds")
    assert "members that diverged: 1" in found["erf"].reason


def test_a_member_without_the_number_censors_the_rest():
    results = make_results()
    (one,) = results.cells.query("activation == 'erf' and width == 128")["cell_id"]
    gone = results.measurements["cell_id"].eq(one) & results.measurements["member"].eq(0)
    results.measurements.loc[gone, "value"] = np.inf
    claim, found = judged(results)
    assert (claim, found["erf"].kind) == ("inconclusive", "censored")
    assert "members without this number: 1 of 48" in found["erf"].reason


def test_a_quantity_that_no_subject_gives_is_inconclusive_for_each_architecture():
    results = make_results()
    results.runs[0]["resolved"] = {
        **plan().resolved,
        "claim": {"id": "C6", "judge": ["linearization_distance_max", "output_blocks"], "negative_controls": []},
    }
    rows = [finding for finding in analyse(results).findings if finding.rate.metric == "output_blocks"]
    assert [(row.rate.key.activation, row.verdict) for row in rows] == [
        ("erf", "inconclusive"),
        ("relu", "inconclusive"),
    ]
    assert all("nothing was measured" in row.reason for row in rows)


@pytest.mark.parametrize("name", STUDIES)
def test_the_expected_rows_are_those_of_a_published_run(name):
    """A published row's components are one expected row, and theory says nothing of some kernels of C13 once solved."""
    found = Counter(row_words(row.key, row.metric) for row in plan_of(plan(name).resolved).expected)
    published = Counter(words for words, _ in {*published_rows(name)})
    assert published
    if name == "claim-c13":
        assert published <= found
        assert {task for task, *_ in (found - published)} == {"synthetic/harmonic"}
    else:
        assert found == published


def row_words(key, metric):
    told = [pair for pair in key.task.differing if pair[1] is not None]
    task = replace(key.task, differing=tuple(told))
    return task_words(task), series_architecture(key), metric, key.reference if metric in COMPARED else None


COMPARED = {name for name, source in SOURCES.items() if source.by_reference}


def published_rows(study):
    """Yield what a row is of, as :func:`row_words` says it, and its subject."""
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["study"] != study:
                continue
            quantity, _, compared = row["quantity"].partition(" [")
            subject, _, reference = compared.rstrip("]").partition(" against ")
            alone = "ntk" if quantity in COMPARED else None  # the only reference is not named
            task = row["task"].replace(" loss=squared-error", "")
            words = (task, row["architecture"], quantity, reference or alone)
            yield words, re.sub(r", component \d+", "", subject)


@pytest.mark.parametrize("name", STUDIES)
def test_the_cells_known_before_a_run_are_those_that_it_runs(name):
    known = planned_cells(pd.DataFrame(), [{"run_id": "r", "resolved": plan(name).resolved}])
    run = Counter((cell.label, cell.hidden_widths or ()) for cell in plan(name).cells)
    assert (
        Counter((label, tuple(widths or ())) for label, widths in zip(known["label"], known["widths"], strict=True))
        == run
    )


def test_comparisons_that_are_planned():
    planned = {name: comparisons_planned(plan_of(plan(name).resolved)) for name in STUDIES}
    assert planned["claim-c6"] == 2
    assert planned["claim-c2"] == 9  # two of three references are negative controls
    assert planned["claim-c13"] == 0  # eigenvalues have bounds on their errors, and no sampling error
    assert planned["claim-c14"] == 4  # two ratios of two architectures; three more quantities are reported only
    assert planned["claim-c15"] == 3  # six more are reported only
    assert planned["claim-c9"] == 14  # at most seven eigenspaces of two architectures
    assert comparisons_of_claims(REGISTRY, "small") == sum(planned.values())


def test_the_most_components_are_those_that_the_definition_allows():
    apart, most = 1 - decay._SEPARATED, ALL["decay_ratio"].most_components
    assert apart**most < decay._LEADING <= apart ** (most - 1)


def test_the_verdict_on_a_claim_does_not_depend_on_which_others_are_asked_for():
    """The reason of a failure names the family that it failed in."""
    wrong, right = (analyse(make_results(exponents=EXPONENTS | {"erf": p})) for p in (0.0, -1.0))
    m = comparisons_of_claims(REGISTRY, "small")
    alone, beside = joined([wrong], m), joined([wrong, right], m)
    assert alone.compared == beside.compared == m > 50
    assert f"family-wise over {m}" in alone.findings[0].reason
    assert [f.reason for f in alone.findings] == [f.reason for f in beside.findings[:2]]
    assert "family-wise over 2" in joined([wrong]).findings[0].reason  # which the number of runs would have widened
    assert "family-wise over 4" in joined([wrong, right]).findings[0].reason


def test_numbers_without_sampling_error_count_in_no_family():
    (one, _) = analyse(make_results()).findings
    bounded = Bounded(estimate=0.1, error=0.01, n_widths=0, n_members=0, method="m")
    assert one.judged
    assert not replace(one, rate=replace(one.rate, metric="smallest_eigenvalue", fit=bounded)).judged


def test_every_quantity_has_a_source_that_some_plugin_offers():
    assert {*SOURCES} >= {*KNOWN}
    offered = {name for backend in REGISTRY.backends for name in backend.observables}
    offered |= {metric.name for metric in REGISTRY.metrics}
    assert {name for source in SOURCES.values() for name in source.names} <= offered
