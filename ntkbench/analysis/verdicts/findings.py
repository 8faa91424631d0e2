"""All estimates about the claims from a run's tables: fitted curves, eigenvalues with bounds, medians, correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..estimation.correlation import time_and_growth
from ..estimation.fourth_moment import output_fourth_moment
from ..estimation.narrowest import time_over_linearization_narrowest
from ..estimation.smallest_eigenvalues import smallest_eigenvalues
from ..series.quantities import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..estimation.rates import FittedRate, Rates

_OTHERS: dict[str, Callable[[Rates], Iterator[FittedRate]]] = {
    "smallest_eigenvalue": smallest_eigenvalues,
    "time_over_linearization_narrowest": time_over_linearization_narrowest,
    "time_and_growth": time_and_growth,
    "output_fourth_moment": output_fourth_moment,
}
KNOWN = (*ALL, *_OTHERS)


def estimates(rates: Rates, names: Iterable[str]) -> list[FittedRate]:
    """Return the estimates of quantities, of :data:`KNOWN`, that these tables allow."""
    asked = list(names)
    found = rates.of([name for name in asked if name in ALL])
    return found + [rate for name in asked if name in _OTHERS for rate in _OTHERS[name](rates)]
