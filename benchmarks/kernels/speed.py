"""Speed: both kernels in closed form against neural-tangents, and the cost of depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..harness.report import Row
from ..harness.serving import UnavailableHereError
from ..harness.timing import fastest, in_turns
from ..harness.workers import WorkerFailedError
from .cases import FEATURES, Network, gaussian_inputs, sphere_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..harness.bench import Bench

_TARGETS = {
    ("relu", "float32"): 8.0,
    ("relu", "float64"): 5.0,
    ("erf", "float32"): 5.0,
    ("erf", "float64"): 5.0,
    ("gelu", "float32"): 5.0,
    ("gelu", "float64"): 5.0,
}
_BATCHES = (500, 1000)  # with them nt.batch was fastest of 250 to 2000
_PEER_TRIALS = 3
_STRIDE = 61  # step of the sample of rows and columns compared: it covers every tile, and part of the diagonal


def closed_forms(bench: Bench, activation: str) -> Iterator[Row]:
    """Time both kernels of N x N pairs in either precision."""
    points = 1000 if bench.quick else 4000
    for dtype in ("float32", "float64"):
        figure, setting = f"{activation} kernels against the peer", f"N {points}, {dtype}"
        try:
            yield _closed_form(bench, Network(activation), points, dtype, figure, setting)
        except (UnavailableHereError, WorkerFailedError) as error:
            yield Row(figure, setting, note=str(error))


def _closed_form(bench: Bench, network: Network, points: int, dtype: str, figure: str, setting: str) -> Row:
    x = bench.stored(f"gaussian{points}", gaussian_inputs(points))
    spec = {"kind": "kernels", "network": network.as_json(), "x": x, "dtype": dtype}
    variants = {"jit": spec} | {f"batch of {size}": {**spec, "batch": size} for size in _BATCHES}
    ours, peer = bench.ours(), bench.peer(dtype)
    ours.ask("prepare", key="ours", spec=spec)  # fail here before the peer does its work
    best, trials = fastest(peer, variants, _PEER_TRIALS)
    product = {"kind": "product", "points": points, "dtype": dtype}
    found = in_turns({"ours": (ours, spec), "peer": (peer, variants[best]), "product": (ours, product)}, bench.rounds)
    ratio, low, high = found.ratio("peer", "ours")
    apart = _difference(bench.saved(ours, "ours", _STRIDE), bench.saved(peer, "peer", _STRIDE))
    ours.ask("forget", key="product")
    return Row(
        figure,
        setting,
        "peer's time / ours",
        ratio,
        low,
        high,
        "at least",
        _TARGETS[network.activation, dtype],
        found.median("ours"),
        found.median("peer"),
        "s",
        found.median("ours") / found.median("product"),
        f"peer at its best: {best}; results differ by {apart[0]:.1e} of the largest entry, "
        f"on the diagonal by {apart[1]:.1e}; "
        f"first call {found.first['ours']:.2g} s, peer {trials.first[best]:.2g} s",
        {"seconds": found.seconds, "cpu_seconds": found.cpu_seconds, "peer_variants": trials.seconds},
    )


def _difference(ours: dict[str, Any], peer: dict[str, Any]) -> tuple[float, float]:
    """Return the largest differences of the timed results, off and on the diagonal, over the largest entry."""
    found = []
    for kernel in ("nngp", "ntk"):
        apart = np.abs(ours[kernel].astype(np.float64) - peer[kernel]) / np.abs(peer[kernel]).max()
        diagonal = np.eye(len(apart), dtype=bool)
        found.append((float(apart[~diagonal].max()), float(apart[diagonal].max())))
    return max(off for off, _ in found), max(on for _, on in found)


def depth(bench: Bench, activation: str) -> Iterator[Row]:
    """Time 30 hidden layers against 3, for inputs on a sphere and for Gaussian ones."""
    points = 1000 if bench.quick else 4000
    for place, x, target in (("on a sphere", sphere_inputs(points), 2.0), ("anywhere", gaussian_inputs(points), 8.0)):
        path = bench.stored(f"{place.replace(' ', '_')}{points}", x)
        for dtype in ("float32", "float64"):
            figure, setting = f"{activation}, depth 30 against 3", f"inputs {place}, N {points}, {dtype}"
            try:
                yield _depth(bench, activation, path, dtype, target, figure, setting)
            except (UnavailableHereError, WorkerFailedError) as error:
                yield Row(figure, setting, note=str(error))


def _depth(bench: Bench, activation: str, x: str, dtype: str, target: float, figure: str, setting: str) -> Row:
    specs = {
        f"depth {depth}": {"kind": "kernels", "network": Network(activation, depth).as_json(), "x": x, "dtype": dtype}
        for depth in (3, 30)
    }
    found = in_turns({name: (bench.ours(), spec) for name, spec in specs.items()}, bench.rounds)
    for name in specs:
        bench.ours().ask("forget", key=name)
    ratio, low, high = found.ratio("depth 30", "depth 3")
    return Row(
        figure,
        setting,
        "time at depth 30 / at depth 3",
        ratio,
        low,
        high,
        "at most",
        target,
        found.median("depth 30"),
        unit="s",
        note=f"depth 3 takes {found.median('depth 3'):.3g} s; {FEATURES} features",
        samples={"seconds": found.seconds, "cpu_seconds": found.cpu_seconds},
    )
