"""The replication of a scoreboard as Markdown: what each seed says by itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..series.quantities import quantity_name
from .words import distinct_subjects, interval, number, seeds_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..verdicts.judge import Finding
    from ..verdicts.replication import Replicated, Replication


def replication_page(found: Replication) -> str:
    """Return, for each quantity of the claims, what each seed says by itself, and how far the seeds differ."""
    judged = [
        each for each in found.quantities if each.pooled.verdict != "reported" and not each.pooled.negative_control
    ]
    lines = [
        "# Each seed by itself",
        "",
        f"{seeds_words(found.seeds).capitalize()}: other data, teachers and networks. Each estimate has the verdict of "
        "its seed alone (h holds, f fails, i inconclusive); p: of no difference between seeds (Welch's test).",
        "",
        f"| claim | quantity | of | {' | '.join(f'seed {seed}' for seed in found.seeds)} | p | pooled | verdict |",
        f"|---|---|---|{'---|' * (len(found.seeds) + 3)}",
    ]
    subjects = distinct_subjects([each.pooled for each in judged])
    for each, subject in zip(judged, subjects, strict=True):
        fit = each.pooled.rate.fit
        name = quantity_name(each.pooled.rate.metric).replace("|", "\\|")
        own = [_of_seed(each.by_seed.get(seed)) for seed in found.seeds]
        pooled = f"{number(fit.estimate)} {interval(*fit.interval())}"
        columns = (each.pooled.expectation.claim, name, subject, *own, number(each.heterogeneity.p), pooled)
        lines.append("| " + " | ".join((*columns, each.pooled.verdict)) + " |")
    return "\n".join([*lines, "", *_tally(judged)]) + "\n"


def _of_seed(finding: Finding | None) -> str:
    return "" if finding is None else f"{number(finding.rate.fit.estimate)} {finding.verdict[0]}"


def _tally(judged: Sequence[Replicated]) -> Iterator[str]:
    """Yield how many verdicts of single seeds hold, fail, or say nothing."""
    each = Counter(verdict for quantity in judged for verdict in quantity.verdicts.elements())
    pooled = Counter(quantity.pooled.verdict for quantity in judged)
    yield "| | hold | fail | inconclusive |"
    yield "|---|---|---|---|"
    for name, counts in (("single seeds", each), ("all seeds together", pooled)):
        yield f"| {name} | {counts['holds']} | {counts['fails']} | {counts['inconclusive']} |"
