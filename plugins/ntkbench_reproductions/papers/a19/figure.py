"""The figure: the NTK classifier against the published classifiers, a mark per data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import COLOURS, MARKERS, THEORY_COLOUR, StoreError

from ...layout import panels
from .accuracies import accuracies_by_set, split_counts
from .published import FILE, published_accuracies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ntkbench.plugin import ResultTables


def accuracies(results: ResultTables) -> Figure:
    """Return the accuracy on each data set against the best and the median of the published classifiers there.

    :raises StoreError: without accuracies, or without the published ones.
    """
    published = published_accuracies()
    if published is None:
        raise StoreError(f"the published accuracies, {FILE}, are not in the data folder")
    accuracy = accuracies_by_set(results, "ntk")
    others = published.loc[accuracy.index]
    figure, (axes,) = panels(1, width=7.0)
    low = float(min(accuracy.min(), others.median(axis=1).min())) - 3
    for values, name, colour, marker in (
        (others.max(axis=1), "the best of 179 published classifiers", COLOURS[0], MARKERS[0]),
        (others.median(axis=1), "their median", COLOURS[1], MARKERS[1]),
    ):
        axes.plot(values, accuracy, marker, color=colour, markersize=4, linestyle="none", label=f"against {name}")
    axes.plot([low, 101], [low, 101], "--", color=THEORY_COLOUR, linewidth=1, label="equal")
    axes.plot([low, 101], [0.9 * low, 0.9 * 101], ":", color=THEORY_COLOUR, linewidth=1, label="90 % of it (P90)")
    axes.set(xlim=(low, 101), ylim=(low, 101))
    axes.set_xlabel("published accuracy on a data set, %")
    axes.set_ylabel("accuracy of the NTK classifier, %")
    splits = split_counts(results, "a19", accuracy.index)
    axes.set_title(f"{len(accuracy)} small UCI data sets: mean test accuracy over {splits} resamples")
    axes.legend(fontsize="small", loc="lower right")
    return figure
