"""Measures all observables of a study on a group of networks at recorded steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ntkbench.plugin import DataError, suggestion

from ..devices import full_precision
from . import components, functions, kernels, moments, movement
from .catalogue import BETWEEN, FORMING_KERNEL, LINEARIZED, OBSERVABLES, inapplicable
from .network_state import NetworkState
from .observation import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ntkbench.plugin import Measurement

    from ..parameters import Parameters
    from .snapshot import Snapshot

_KERNEL_FLOATS = 2**23  # in the kernels of the members measured in one pass
_SIGNAL_FLOATS = 2**24  # in their signals at one layer


class _Observable(NamedTuple):
    """How to measure, and whether at the first and the last step; for steps between see ``catalogue.BETWEEN``."""

    measure: Callable[[Observation], Iterator[Measurement]]
    first: bool = True
    last: bool = True


_MEASURES: dict[str, _Observable] = {
    "ntk_distance": _Observable(kernels.ntk_distance, last=False),
    "nngp_distance": _Observable(kernels.nngp_distance, last=False),
    "output_blocks": _Observable(kernels.output_blocks, last=False),
    "ntk_change": _Observable(kernels.ntk_change, first=False),
    "alignment": _Observable(kernels.alignment),
    "layer_share": _Observable(kernels.layer_share),
    "largest_eigenvalue": _Observable(kernels.largest_eigenvalue),
    "activation_statistics": _Observable(movement.activation_statistics),
    "activation_change": _Observable(movement.activation_change, first=False),
    "weight_change": _Observable(movement.weight_change, first=False),
    "smallest_eigenvalue": _Observable(kernels.smallest_eigenvalue),
    "ntk_slice": _Observable(kernels.ntk_slice),
    "weight_norm": _Observable(movement.weight_norm, last=False),
    "component_learning": _Observable(components.component_learning),
    "cost_rate": _Observable(functions.cost_rate),
    "kernel_residuals": _Observable(functions.kernel_residuals),
    "linearization_distance": _Observable(functions.linearization_distance, first=False),
    "linearization_split": _Observable(functions.linearization_split, first=False),
}


class Recorder:
    """Measures one group; between steps it keeps the initial networks and the results computed from them.

    :param names: keys of :data:`.catalogue.OBSERVABLES`.
    :param parameters: the backend's, from the study. With ``ntk_steps = "last"``, observables of the current kernel are
        measured at step 0 and at the last recorded step only, distances and output blocks at step 0 only.
    :raises DataError: for an unknown name.
    """

    def __init__(self, names: frozenset[str], parameters: Parameters) -> None:
        names = names - {moments.OBSERVABLE}  # measured on all groups together: see solve
        for name in sorted(names - _MEASURES.keys()):
            known = ", ".join(OBSERVABLES)
            raise DataError(f"no observable {name!r}{suggestion(name, OBSERVABLES)}; there are {known}")
        self._names = names
        self._every = parameters.ntk_steps == "all"
        self._initial: dict[int, NetworkState] = {}

    def observe(self, snapshot: Snapshot) -> Iterator[Measurement]:
        """Return an iterator over the measurements at this step; members with non-finite outputs have none."""
        chosen = [name for name in _MEASURES if name in self._names and self._is_due(name, snapshot)]
        rows: list[Measurement] = []
        if not chosen:
            return iter(rows)
        forms_kernel = not FORMING_KERNEL.isdisjoint(chosen)
        members, at_once = len(snapshot.layers[0]), _members_per_pass(snapshot)
        with full_precision(), np.errstate(over="ignore", invalid="ignore"):  # of diverging members
            for first in range(0, members, at_once):
                observation = self._observation(snapshot.select(slice(first, first + at_once)), first, forms_kernel)
                for name in chosen:
                    rows += _MEASURES[name].measure(observation)
        return iter(rows)

    def _is_due(self, name: str, snapshot: Snapshot) -> bool:
        if inapplicable(name, optimizer=snapshot.optimizer, loss=snapshot.loss, batch_size=snapshot.batch_size):
            return False
        if snapshot.step == 0:
            return _MEASURES[name].first
        return self._every or name in BETWEEN or (_MEASURES[name].last and snapshot.last)

    def _observation(self, snapshot: Snapshot, first: int, forms_kernel: bool) -> Observation:
        initial = self._initial.get(first)
        if initial is None:
            needed = not (FORMING_KERNEL | LINEARIZED).isdisjoint(self._names)
            initial = NetworkState(snapshot.scales, snapshot.initial, snapshot.x, forms_kernel=needed)
            self._initial[first] = initial
        if snapshot.step == 0:
            return Observation(snapshot, initial, initial)
        now = NetworkState(snapshot.scales, snapshot.layers, snapshot.x, forms_kernel=forms_kernel)
        return Observation(snapshot, now, initial)


def _members_per_pass(snapshot: Snapshot) -> int:
    """Return how many members are measured in one pass."""
    (points, outputs), widest = snapshot.y.shape, max(snapshot.scales.layers[1:])
    rows = points * outputs
    return max(1, min(_KERNEL_FLOATS // rows**2, _SIGNAL_FLOATS // (rows * widest)))
