"""Which candidates correlate with the networks' distance to the kernel, over data sets, and how significantly."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, NamedTuple

from ntkbench.plugin import COLOURS, MARKERS, Page

from ..layout import panels
from ..statistics.paired import holm, p_text
from ..statistics.rank_correlation import RankCorrelation, correlation_text, rank_correlation
from .agreement import EXPLANATIONS, agreement_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ntkbench.plugin import ResultTables

OUTCOMES = {"distance": "one network", "distance_of_mean": "ensemble mean"}
_LEVEL = 0.05


class Explanation(NamedTuple):
    """A candidate's correlation with an outcome over all data sets, its corrected p, and over each kind of data set."""

    outcome: str
    candidate: str
    over_all: RankCorrelation
    corrected_p: float
    regression: RankCorrelation
    classes: RankCorrelation

    @property
    def established(self) -> bool:
        """Whether it is significant, and of one sign within both kinds of data set: not a difference between them."""
        within = (self.regression.rho, self.classes.rho)
        return self.corrected_p < _LEVEL and all(rho * self.over_all.rho > 0 or isnan(rho) for rho in within)


def explained(table: pd.DataFrame) -> list[Explanation]:
    """Return all candidates for both outcomes at the largest width of ``agreement_table``, corrected together."""
    rows = table[table["width"] == table["width"].max()]
    kinds = (rows, rows[~rows["classes"]], rows[rows["classes"]])
    keys = [(outcome, candidate) for outcome in OUTCOMES for candidate in EXPLANATIONS]
    found = [[rank_correlation(kind[candidate], kind[outcome]) for kind in kinds] for outcome, candidate in keys]
    corrected = holm([over_all.p for over_all, *_ in found])
    return [
        Explanation(*key, over_all, p, regression, classes)
        for key, (over_all, regression, classes), p in zip(keys, found, corrected, strict=True)
    ]


def explanations(results: ResultTables) -> Page:
    """Return Spearman's correlation of each candidate with the networks' distance to the kernel, over data sets."""
    table = agreement_table(results)
    found = explained(table)
    rows = tuple(
        (
            OUTCOMES[one.outcome],
            EXPLANATIONS[one.candidate],
            str(one.over_all.units),
            correlation_text(one.over_all),
            p_text(one.corrected_p),
            *(f"{_rho(kind)} ({kind.units})" for kind in (one.regression, one.classes)),
            "yes" if one.established else "no",
        )
        for one in found
    )
    headings = (
        *("distance of", "candidate", "data sets", "Spearman's rho [95 %]", "corrected p"),
        *("regression only (data sets)", "two classes only (data sets)", "established"),
    )
    named = [
        f"{EXPLANATIONS[one.candidate]} ({OUTCOMES[one.outcome]}, {one.over_all.rho:+.2f})"
        for one in found
        if one.established
    ]
    return Page(
        f"What correlates with the distance between networks of width {table['width'].max():.0f} and kernel",
        headings,
        rows,
        (
            f"Established: {'; '.join(named)}." if named else "No explanation is established.",
            f"p: two-sided permutation test, Holm-corrected over all {len(found)} rows; intervals are for single rows "
            "(Bonett and Wright 2000). Established: corrected p below 0.05, and the same sign within both kinds.",
            "Each data set is one unit. Candidates correlate with each other, the data sets are no random sample, and "
            "correlation is not causation.",
        ),
    )


def _rho(found: RankCorrelation) -> str:
    return "-" if isnan(found.rho) else f"{found.rho:+.2f}"


def agreement_and_explanations(results: ResultTables) -> Figure:
    """Draw the distance by data set and width, and beside it its correlation with all candidates."""
    table = agreement_table(results)
    figure, (left, right) = panels(2, width=6.5)
    figure.set_size_inches(13, 9)
    _draw_sets(left, table)
    _draw_correlations(right, explained(table))
    return figure


def _draw_sets(axes: Axes, table: pd.DataFrame) -> None:
    widths = sorted(table["width"].unique())
    order = table[table["width"] == widths[-1]].sort_values("distance")["task"].tolist()
    heights = {task: height for height, task in enumerate(order)}
    shown = dict.fromkeys((widths[0], widths[-1]))
    for width, colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
        rows = table[table["width"] == width]
        axes.plot(
            rows["distance"], rows["task"].map(heights), marker, color=colour, label=f"one network, n = {width:.0f}"
        )
        axes.plot(
            rows["distance_of_mean"],
            rows["task"].map(heights),
            marker,
            color=colour,
            fillstyle="none",
            label=f"ensemble mean, n = {width:.0f}",
        )
    kinds = table.groupby("task")["classes"].any()
    names = [task.removeprefix("uci/") + (" (2)" if kinds[task] else "") for task in order]
    axes.set_yticks(range(len(order)), names, fontsize="x-small")
    axes.set(xscale="log", xlabel="distance to the kernel, standard deviations of the targets")
    axes.xaxis.set_minor_formatter("")
    shown_ticks = [tick for tick in (0.01, 0.03, 0.1, 0.3, 1.0) if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    axes.set_xticks(shown_ticks, [f"{tick:g}" for tick in shown_ticks])
    axes.set_title("(2): two classes; all others: regression", fontsize="medium")
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=2)


def _draw_correlations(axes: Axes, found: list[Explanation]) -> None:
    names = list(EXPLANATIONS)
    for index, (outcome, colour, marker) in enumerate(zip(OUTCOMES, COLOURS[2:], MARKERS, strict=False)):
        for one in (one for one in found if one.outcome == outcome and not isnan(one.over_all.rho)):
            height = len(names) - names.index(one.candidate) - 0.3 * index
            face = colour if one.established else "none"
            label = OUTCOMES[outcome] if one.candidate == names[0] else None
            axes.plot([one.over_all.low, one.over_all.high], [height, height], color=colour, linewidth=1)
            axes.plot(one.over_all.rho, height, marker, color=colour, markerfacecolor=face, label=label)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks([len(names) - index - 0.15 for index in range(len(names))], list(EXPLANATIONS.values()))
    axes.set(xlim=(-1, 1), xticks=(-1, -0.5, 0, 0.5, 1), xlabel="Spearman's rho with the distance, 95 % interval")
    axes.set_title("filled: established, Holm-corrected over all", fontsize="medium")
    axes.legend(title="distance of", fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=2)
