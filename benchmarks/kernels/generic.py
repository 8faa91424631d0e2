"""An activation without a closed form: tanh by name, against the peer's Gauss-Hermite rule of 100 x 100 nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..harness.report import Row
from ..harness.timing import fastest, in_turns
from . import quadrature
from .cases import Network, inputs_up_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..harness.bench import Bench

_FIGURE = "a generic callable (tanh, q up to 4) against the peer"
_LARGEST_Q = 4.0
_TOLERANCE = 1e-12
_DEGREE = 100
_POINTS = 128  # as many points as the peer manages: 10^4 nodes per pair and layer
_CHECKED = 12  # points whose pairs are compared with a quadrature


def generic(bench: Bench) -> Iterator[Row]:
    network = Network("tanh")
    yield from _against_the_peer(bench, network, 32 if bench.quick else _POINTS)
    yield _at_full_size(bench, network)


def _against_the_peer(bench: Bench, network: Network, points: int) -> Iterator[Row]:
    x = inputs_up_to(_LARGEST_Q, network, points)
    spec = {
        "kind": "kernels",
        "network": network.as_json(),
        "x": bench.stored(f"generic{points}", x),
        "dtype": "float64",
    }
    theirs = {**spec, "quadrature": _DEGREE}
    variants = {f"batch of {size}": {**theirs, "batch": size} for size in (16, 32)} | {"jit": theirs}
    ours, peer = bench.ours(), bench.peer("float64")
    ours.ask("prepare", key="ours", spec=spec)
    best, trials = fastest(peer, variants, 1)
    found = in_turns({"ours": (ours, spec), "peer": (peer, variants[best])}, min(bench.rounds, 5))
    ratio, low, high = found.ratio("peer", "ours")
    stride = max(1, points // _CHECKED)
    sample = x[::stride]
    expected = _expected(network, sample)
    setting = f"N {points}, float64"
    note = f"peer: ElementwiseNumerical(deg={_DEGREE}) with its derivative given, at its best: {best}"
    times = (found.median("ours"), found.median("peer"))
    samples = {"seconds": found.seconds, "peer_variants": trials.seconds}
    yield Row(
        _FIGURE,
        setting,
        "peer's time / ours",
        ratio,
        low,
        high,
        "at least",
        1.0,
        *times,
        "s",
        note=note,
        samples=samples,
    )
    errors = [_error(bench.saved(worker, key, stride), expected) for worker, key in ((ours, "ours"), (peer, "peer"))]
    yield Row(
        _FIGURE,
        setting,
        "largest error over sqrt(k(x,x) k(x',x'))",
        errors[0],
        sense="at most",
        target=_TOLERANCE,
        ours=errors[0],
        peer=errors[1],
        note=f"both kernels, {len(sample)}^2 entries, diagonal included, against a quadrature good to about 1e-14",
    )


def _at_full_size(bench: Bench, network: Network) -> Row:
    points = 1000 if bench.quick else 4000
    x = bench.stored(f"generic{points}", inputs_up_to(_LARGEST_Q, network, points))
    spec = {"kind": "kernels", "network": network.as_json(), "x": x, "dtype": "float64"}
    product = {"kind": "product", "points": points, "dtype": "float64"}
    found = in_turns({"ours": (bench.ours(), spec), "product": (bench.ours(), product)}, min(bench.rounds, 5))
    seconds = found.median("ours")
    return Row(
        "a generic callable (tanh, q up to 4), alone",
        f"N {points}, float64",
        "seconds",
        seconds,
        ours=seconds,
        unit="s",
        of_product=seconds / found.median("product"),
    )


def _expected(network: Network, x: NDArray[Any]) -> NDArray[np.float64]:
    """Return both kernels, (2, n, n)."""
    found = np.empty((2, len(x), len(x)))
    for i in range(len(x)):
        for j in range(i + 1):
            found[:, i, j] = found[:, j, i] = quadrature.kernels(network, x[i], x[j])
    return found


def _error(result: dict[str, NDArray[Any]], expected: NDArray[np.float64]) -> float:
    scale = np.sqrt([np.outer(np.diag(k), np.diag(k)) for k in expected])
    return float((np.abs(np.stack([result["nngp"], result["ntk"]]) - expected) / scale).max())
