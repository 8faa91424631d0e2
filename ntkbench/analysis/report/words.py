"""What findings are called where a person reads them: short, and with whatever tells two rows of a table apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..series.keys import parsed
from ..series.names import labels_words, proportion_words, task_words
from ..series.quantities import quantity_name
from ..verdicts.judge import floor_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...theory.claims import Expectation
    from ..series.keys import SeriesKey
    from ..verdicts.judge import Finding
    from ..verdicts.scoreboard import NegativeControl, PowerCurve

_OPTIMIZERS = {
    "gradient-descent": "gradient descent",
    "heavy-ball": "heavy-ball momentum",
    "nesterov": "Nesterov momentum",
    "adam": "Adam",
}
_ROW_FACTS = ("backend", "optimizer", "steps", "members", "dtype", "seed")


def distinct_subjects(found: Sequence[Finding], place: Callable[[SeriesKey], str] | None = None) -> list[str]:
    """Return what each finding is of: its curve and its place, such as task and study.

    Where two of one quantity read the same, the facts that differ follow the curve.

    :param place: the place in words, "" for none; default: task and study.
    """
    bases = [(curve(finding.rate.key), (place or task_and_study)(finding.rate.key)) for finding in found]
    alike: dict[tuple[str, str, str], list[int]] = {}
    for index, (finding, words) in enumerate(zip(found, bases, strict=True)):
        alike.setdefault((finding.rate.metric, *words), []).append(index)
    result = [""] * len(bases)
    for indices in alike.values():
        facts = [_facts(found[index]) for index in indices]
        differing = [
            name for name in dict.fromkeys(name for own in facts for name in own)
            if len({own.get(name) for own in facts}) > 1
        ]  # fmt: skip
        for index, own in zip(indices, facts, strict=True):
            name_of_curve, where = bases[index]
            more = [f"{name} {own[name]}" for name in differing if name in own]
            result[index] = ", ".join([name_of_curve, *more]) + (f" ({where})" if where else "")
    return result


def task_and_study(key: SeriesKey) -> str:
    """Return where a series was measured."""
    return f"{task_words(key.task)}, {key.study}"


def curve(key: SeriesKey) -> str:
    """Return what a curve is of, where task and quantity are said elsewhere: activation, subject and reference."""
    component = "" if key.component is None else f", component {key.component}"
    against = f" against {key.reference}" if key.reference else ""
    return f"{key.activation}, {labels_words(key)}{component}{against}"


def _facts(finding: Finding) -> dict[str, str]:
    """Return the facts of a finding's networks, as they are printed."""
    key, architecture = finding.rate.key, finding.rate.key.architecture
    facts: dict[str, Any] = {
        "depth": architecture.depth,
        "weight_std": architecture.weight_std,
        "bias_std": architecture.bias_std,
        "parameterization": architecture.parameterization,
        "output_scale": architecture.output_scale,
        "trained layers": architecture.trained_layers,
        "widths": proportion_words(architecture.proportions) or "equal",
        "width": key.width,
        **{
            name: finding.rate.facts.get(name) for name in ("backend", "optimizer", "steps", "members", "dtype", "seed")
        },
    }
    parameters = parsed(finding.rate.facts.get("backend_params_json"))
    facts |= {name: value for name, value in parameters.items() if name not in facts and name != "trained_layers"}
    return {name: _short(value) for name, value in facts.items() if value is not None} | {"run": key.run_id}


def _short(value: Any) -> str:
    """Return a number as short as it can be read back to ten digits; anything else as it is."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def control_words(control: NegativeControl) -> str:
    """Name a negative control, such as ``claim-c16: all against nngp``."""
    labels = " and ".join(control.labels) if len(control.labels) < 3 else ", ".join(control.labels)
    return f"{control.study}: {labels}" + (f" against {control.reference}" if control.reference else "")


def refuted_words(control: NegativeControl) -> str:
    """Say how many of a control's quantities are refuted, such as ``4 of 6``."""
    count = len(control.judged) - len(control.not_refuted)
    return f"{count or 'NONE'} of {len(control.judged)}"


def not_refuted_words(control: NegativeControl) -> str:
    """Name the quantities of a control that are not refuted: ``slope of the mean (erf; holds)``, say."""
    names: dict[str, list[str]] = {}
    for finding in control.not_refuted:
        key = finding.rate.key
        component = "" if key.component is None else f" component {key.component}"
        where = f"{key.activation}{component}: {finding.verdict}"
        names.setdefault(quantity_name(finding.rate.metric), []).append(where)
    return "; ".join(f"{name} ({', '.join(where)})" for name, where in names.items())


def curve_words(curve_: PowerCurve) -> str:
    """Name a power curve, such as ``distance to the limit (erf, network; claim-c2)``."""
    finding = curve_.steps[0]
    key = finding.rate.key
    component = "" if key.component is None else f", component {key.component}"
    return f"{quantity_name(finding.rate.metric)} ({key.activation}, {labels_words(key)}{component}; {curve_.study})"


def grade_words(finding: Finding) -> str:
    """Say what came of one step of a power curve: its verdict, its estimate, and the floor if it has one."""
    floor = "" if finding.floor is None else f", floor {floor_text(finding.floor)}"
    return f"{finding.verdict} ({number(finding.rate.fit.estimate)}{floor})"


def detected_words(curve_: PowerCurve) -> str:
    """Say from which deviation on a theory is refuted, and whether a sham is."""
    sham = "; SHAM REFUTED" if curve_.shams_refuted else ""
    return ("none" if math.isinf(curve_.detected) else f"{curve_.detected:g} %") + sham


def training_words(facts: Mapping[str, Any]) -> str:
    """Say how a row of ``cells`` was trained: ``60 steps of Nesterov momentum 0.9 at rate 0.1``, say."""
    training = parsed(facts.get("training_json"))
    steps, optimizer = int(facts["steps"]), str(facts["optimizer"])
    if steps == 0:
        return "at initialization"
    momentum = f" {training['momentum']:g}" if training.get("momentum") else ""
    words = [f"{steps} steps of {_OPTIMIZERS.get(optimizer, optimizer)}{momentum}"]
    if training.get("non_gradient"):
        words.append(f"along no gradient (non_gradient {training['non_gradient']:g})")
    if training.get("batch_size"):
        words.append(f"on batches of {training['batch_size']}")
    words.append(f"at learning rate {facts['learning_rate']:.3g}")
    loss = facts.get("loss")
    return " ".join(words) + (f", {loss} loss" if isinstance(loss, str) and loss != "squared-error" else "")


def number(value: float) -> str:
    """Return a number to four digits, or a dash."""
    return "-" if math.isnan(value) else f"{value:.4g}"


def interval(low: float, high: float) -> str:
    """Return an interval to four digits, or a dash."""
    return "-" if math.isnan(low) or math.isnan(high) else f"[{low:.4g}, {high:.4g}]"


def expected(finding: Finding) -> str:
    """Return the expected value of a finding, with its band."""
    return expected_words(finding.expectation)


def expected_words(found: Expectation) -> str:
    """Return an expected value with its band: ``-0.5 in [-0.6, -0.4]``, or ``at most -0.5``."""
    one_sided = math.isinf(found.band_low) or math.isinf(found.band_high)
    return band(found) if one_sided else f"{found.value:g} in {band(found)}"


def band(found: Expectation) -> str:
    """Return a band, such as ``[-1.1, -0.9]`` or ``at most -0.5``."""
    if math.isinf(found.band_low):
        return f"at most {found.band_high:g}"
    if math.isinf(found.band_high):
        return f"above {found.band_low:g}"
    return f"[{found.band_low:g}, {found.band_high:g}]"


def seeds_words(seeds: Sequence[int]) -> str:
    """Name seeds: ``seeds 1, 2, 3``."""
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
