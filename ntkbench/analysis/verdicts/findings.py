"""Everything that a run's tables say of the claims: fitted curves, eigenvalues with bounds, correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..estimation.correlation import time_and_kernel_change
from ..estimation.rates import fitted_rates
from ..estimation.smallest_eigenvalues import smallest_eigenvalues
from ..series.quantities import ALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ...store.read import Results
    from ..estimation.rates import FittedRate

_OTHERS: dict[str, Callable[[Results], Iterator[FittedRate]]] = {
    "smallest_eigenvalue": smallest_eigenvalues,
    "time_and_kernel_change": time_and_kernel_change,
}
KNOWN = (*ALL, *_OTHERS)


def findings(results: Results, names: Iterable[str]) -> list[FittedRate]:
    """Return the estimates of quantities, of :data:`KNOWN`, that these tables allow."""
    asked = list(names)
    fitted = [name for name in asked if name in ALL]
    found = fitted_rates(results, fitted) if fitted else []
    return found + [rate for name in asked if name in _OTHERS for rate in _OTHERS[name](results)]
