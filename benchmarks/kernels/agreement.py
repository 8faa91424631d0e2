"""Do two implementations agree in float64, off the diagonal, and if not: which is right?"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import mpmath as mp
import numpy as np

from ..harness.report import Row
from . import reference
from .cases import Network, agreement_inputs, agreement_networks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from ..harness.bench import Bench

_FIGURE = "agreement with the peer in float64 off the diagonal"
_LARGEST_COSINE = 1 - 1e-6  # largest cosine of pre-activations in any hidden layer
_COMBINATIONS = 500
_KERNELS = ("nngp", "ntk")


@dataclass(frozen=True)
class Comparison:
    """The worst pair of one network's kernel. Differences and errors are shares of the kernel's largest entry.

    The peer's kernel is not finite at ``peer_not_finite`` of the ``pairs``; those are left out of ``difference``. If it
    is finite nowhere, ``difference`` and ``error_peer`` are inf, and ours is judged at the first pair.
    """

    activation: str
    depth: int
    weight_std: float
    bias_std: float
    kernel: str
    pairs: int
    peer_not_finite: int
    difference: float
    tolerance: float
    error_ours: float
    error_peer: float

    @property
    def agrees(self) -> bool:
        return self.difference <= self.tolerance

    def __str__(self) -> str:
        return (
            f"{self.activation}, depth {self.depth}, weight_std {self.weight_std:.4g}, bias_std {self.bias_std:.4g}, "
            f"{self.kernel}: {self.difference:.1e} (error ours {self.error_ours:.1e}, peer {self.error_peer:.1e})"
        )


def agreement(bench: Bench) -> Iterator[Row]:
    """Compare every network that both have; judge each kernel's worst pair by the reference."""
    networks, inputs = agreement_networks(), agreement_inputs()
    if bench.quick:
        networks = networks[::9]
    for network in {network.spelling: network for network, _ in networks}.values():
        reference.check(network)
    paths = {name: bench.stored(f"agreement-{name}", x) for name, x in inputs.items()}
    spec = {"kind": "agreement", "networks": [(n.as_json(), name) for n, name in networks], "inputs": paths}
    results = []
    for worker in (bench.ours(), bench.peer("float64")):
        worker.ask("prepare", key="agreement", spec=spec, run=False)
        results.append(bench.saved(worker, "agreement"))
    ours, peer = results
    found: list[Comparison] = []
    absent: dict[str, str] = {}
    for i, (network, name) in enumerate(networks):
        if str(i) not in ours:
            absent[network.spelling] = str(ours[f"without{i}"])
            continue
        usual = ours[f"cosine{i}"] < _LARGEST_COSINE
        found += _compared(network, inputs[name], ours[str(i)], peer[str(i)], usual)
    _write(found, bench.folder.parent / "agreement.csv")
    note = "; ".join(f"ntkbench has none for {name}: {reason}" for name, reason in absent.items())
    counted = {(c.activation, c.depth, c.weight_std, c.bias_std) for c in found if c.peer_not_finite < c.pairs}
    broken = {(c.activation, c.depth, c.weight_std, c.bias_std) for c in found if c.peer_not_finite}
    note = f"of {len(broken)} the peer's kernel is not finite for some or all pairs" + (f"; {note}" if note else "")
    yield Row(_FIGURE, "float64", "combinations", len(counted), sense="at least", target=_COMBINATIONS, note=note)
    for label, part in (
        ("gelu", [c for c in found if c.activation == "gelu"]),
        ("all others", [c for c in found if c.activation != "gelu"]),
    ):
        yield from _rows(label, part)


def _compared(
    network: Network, x: NDArray[Any], ours: NDArray[Any], peer: NDArray[Any], usual: NDArray[np.bool_]
) -> Iterator[Comparison]:
    pairs = np.tri(len(x), k=-1, dtype=bool) & usual
    if not pairs.any():
        return
    for which, kernel in enumerate(_KERNELS):
        scale = float(np.abs(ours[which]).max())
        finite = np.isfinite(peer[which])
        compared = pairs & finite if (pairs & finite).any() else pairs
        apart = np.where(compared, np.where(finite, np.abs(ours[which] - peer[which]), np.inf), -1.0)
        apart = np.where(np.isnan(apart), np.inf, apart)  # ours is not finite
        i, j = np.unravel_index(int(apart.argmax()), apart.shape)
        truth = reference.kernels(network, x[i], x[j])[which]
        error_ours, error_peer = (_error(float(k[which, i, j]), truth, scale) for k in (ours, peer))
        yield Comparison(
            network.spelling,
            network.depth,
            network.weight_std,
            network.bias_std,
            kernel,
            int(pairs.sum()),
            int((pairs & ~finite).sum()),
            float(apart[i, j]) / scale if apart[i, j] else 0.0,
            1e-10 if network.activation == "gelu" else 1e-12,
            error_ours,
            error_peer,
        )


def _error(found: float, truth: Any, scale: float) -> float:
    if not np.isfinite(found):
        return float("inf")
    apart = abs(mp.mpf(found) - truth)
    return float(apart / scale) if apart else 0.0


def _rows(label: str, found: list[Comparison]) -> Iterator[Row]:
    if not found:
        yield Row(_FIGURE, label, note="ntkbench has none of these yet")
        return
    comparable = [c for c in found if c.peer_not_finite < c.pairs]
    worst = max(comparable, key=lambda c: c.difference, default=found[0])
    differing = [c for c in found if not c.agrees]
    yield Row(
        _FIGURE,
        label,
        "largest difference over the largest entry",
        worst.difference,
        sense="at most",
        target=worst.tolerance,
        note=f"{sum(not c.agrees for c in comparable)} of {len(comparable)} kernels differ by more: "
        f"{_by_activation([c for c in comparable if not c.agrees]) or 'none'}; worst: {worst}",
    )
    wrong = [c for c in differing if c.error_ours > c.tolerance]
    ours = max(found, key=lambda c: c.error_ours)
    peer = max(found, key=lambda c: c.error_peer)
    yield Row(
        _FIGURE,
        label,
        "differing kernels where ours misses the tolerance",
        len(wrong),
        sense="at most",
        target=0,
        note=f"at each kernel's worst pair, 60 digits: largest error of ours {ours.error_ours:.1e} ({ours.activation}, "
        f"depth {ours.depth}), of the peer {peer.error_peer:.1e} ({peer.activation}, depth {peer.depth})",
    )


def _by_activation(found: list[Comparison]) -> str:
    return ", ".join(f"{count} of {name}" for name, count in Counter(c.activation for c in found).most_common())


def _write(found: list[Comparison], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(Comparison.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(c) for c in sorted(found, key=lambda c: -c.difference / c.tolerance))
