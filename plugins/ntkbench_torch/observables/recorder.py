"""Looks at a group of networks at recorded steps, for all observables that a study asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ntkbench.plugin import DataError, suggestion

from ..devices import full_precision
from . import functions, kernels, moments, movement
from .catalogue import BETWEEN, FORMING_KERNEL, LINEARIZED, OBSERVABLES, inapplicable
from .observation import NetworkState, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ntkbench.plugin import Measurement

    from ..parameters import Parameters
    from .observation import Snapshot

_KERNEL_FLOATS = 2**23  # of the kernels of all members looked at together
_SIGNAL_FLOATS = 2**24  # of their signals in one layer


class _Observable(NamedTuple):
    """How to measure, and whether at the first step and at the last; between, see ``catalogue.BETWEEN``."""

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
    "cost_rate": _Observable(functions.cost_rate),
    "kernel_residuals": _Observable(functions.kernel_residuals),
    "linearization_distance": _Observable(functions.linearization_distance, first=False),
    "linearization_split": _Observable(functions.linearization_split, first=False),
}


class Recorder:
    """What observables keep of one group between looks: its members as drawn, with what was computed of them.

    :param names: of :data:`.catalogue.OBSERVABLES`.
    :param parameters: of the study; with ``ntk_steps`` "last" those that need a kernel of the moment are measured at
        step 0 and at the last recorded step alone, distances and output blocks at step 0.
    :raises DataError: for a name nobody knows.
    """

    def __init__(self, names: frozenset[str], parameters: Parameters) -> None:
        names = names - {moments.OBSERVABLE}  # of all groups together: see solve
        for name in sorted(names - _MEASURES.keys()):
            known = ", ".join(OBSERVABLES)
            raise DataError(f"no observable {name!r}{suggestion(name, OBSERVABLES)}; there are {known}")
        self._names = names
        self._every = parameters.ntk_steps == "all"
        self._initial: dict[int, NetworkState] = {}

    def look(self, view: Snapshot) -> Iterator[Measurement]:
        """Yield what was asked for of every member at this step; nothing of members that are not finite."""
        training = {"optimizer": view.optimizer, "loss": view.loss, "batch_size": view.batch_size}
        chosen = [
            name
            for name in _MEASURES
            if name in self._names and not inapplicable(name, **training) and self._wanted(name, view)
        ]
        rows: list[Measurement] = []
        if not chosen:
            return iter(rows)
        forms_kernel = not FORMING_KERNEL.isdisjoint(chosen)
        members, together = len(view.layers[0]), _together(view)
        with full_precision(), np.errstate(over="ignore", invalid="ignore"):  # a member on its way to infinity
            for first in range(0, members, together):
                observation = self._look_at(view.of(slice(first, first + together)), first, forms_kernel)
                for name in chosen:
                    rows += _MEASURES[name].measure(observation)
        return iter(rows)

    def _wanted(self, name: str, view: Snapshot) -> bool:
        if view.step == 0:
            return _MEASURES[name].first
        return self._every or name in BETWEEN or (_MEASURES[name].last and view.last)

    def _look_at(self, view: Snapshot, first: int, forms_kernel: bool) -> Observation:
        initial = self._initial.get(first)
        if initial is None:
            needed = not (FORMING_KERNEL | LINEARIZED).isdisjoint(self._names)
            initial = self._initial[first] = NetworkState(view.form, view.initial, view.x, forms_kernel=needed)
        now = initial if view.step == 0 else NetworkState(view.form, view.layers, view.x, forms_kernel=forms_kernel)
        return Observation(view, now, initial)


def _together(view: Snapshot) -> int:
    """Return how many members are looked at together."""
    (points, outputs), widest = view.y.shape, max(view.form.layers[1:])
    rows = points * outputs
    return max(1, min(_KERNEL_FLOATS // rows**2, _SIGNAL_FLOATS // (rows * widest)))
