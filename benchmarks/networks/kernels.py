"""The empirical kernel: against neural-tangents' structured derivatives, and against Jacobians by torch.func."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..harness.report import Row
from ..harness.timing import in_turns
from ..harness.workers import WorkerFailedError
from .cases import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..harness.bench import Bench
    from ..harness.workers import Worker

_WIDTHS, _POINTS = (512, 2048), 100
_OUTPUTS = ((1, "mean"), (10, "mean"), (10, "all"))


def against_structured_derivatives(bench: Bench) -> Iterator[Row]:
    """Time the kernel of one network against the peer's implementation 3, with the same weights."""
    for width, (outputs, kind), dtype in product(_WIDTHS, _OUTPUTS, ("float32", "float64")):
        case = Case(128 if bench.quick else width, _POINTS, outputs, dtype=dtype)
        spec = _spec(bench, case, kind)
        ours, peer = bench.ours(), bench.peer(dtype)
        best, trials = _best(peer, spec)
        found = in_turns({"ours": (ours, spec), "peer": (peer, best)}, min(bench.rounds, 7))
        ratio, low, high = found.ratio("peer", "ours")
        apart = _apart(bench.saved(ours, "ours")["ntk"], bench.saved(peer, "peer")["ntk"])
        yield Row(
            "empirical NTK against neural-tangents, implementation 3",
            f"N {_POINTS}, depth 2, width {case.width}, {outputs} outputs ({kind}), {dtype}",
            "peer's time / ours",
            ratio,
            low,
            high,
            "at least",
            1.0,
            found.median("ours") * 1e3,
            found.median("peer") * 1e3,
            "ms",
            note=f"peer at its best: vmap_axes={best['vmap_axes']}; results differ by {apart:.1e} of the largest entry",
            samples={"seconds": found.seconds, "peer_variants": trials},
        )


def _best(peer: Worker, spec: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the peer's fastest setting, and the seconds of those that run."""
    seconds: dict[str, float] = {}
    for axes in (None, 0):
        with suppress(WorkerFailedError):  # a setting may need more memory than the machine has
            peer.ask("prepare", key="trial", spec={**spec, "vmap_axes": axes})
            seconds[str(axes)] = min(peer.ask("time", key="trial")["seconds"] for _ in range(2))
        peer.ask("forget", key="trial")
    if not seconds:
        raise WorkerFailedError("the peer has no setting that runs here")
    best = min(seconds, key=seconds.__getitem__)
    return {**spec, "vmap_axes": None if best == "None" else 0}, seconds


def against_jacobians(bench: Bench) -> Iterator[Row]:
    """Compare time and memory of the kernel of one network with the contraction of its Jacobian."""
    case = Case(256 if bench.quick else 2048, _POINTS)
    spec = _spec(bench, case, "mean")
    setting = f"N {_POINTS}, depth 2, width {case.width}, 1 output, float32"
    ours, plain = bench.ours(), bench.ours("plain")
    found = in_turns({"ours": (ours, spec), "plain": (plain, spec)}, min(bench.rounds, 5))
    ratio, low, high = found.ratio("plain", "ours")
    apart = _apart(bench.saved(ours, "ours")["ntk"], bench.saved(plain, "plain")["ntk"])
    figure = "empirical NTK against the contraction of Jacobians"
    yield Row(
        figure,
        setting,
        "torch.func's time / ours",
        ratio,
        low,
        high,
        "at least",
        30.0,
        found.median("ours") * 1e3,
        found.median("plain") * 1e3,
        "ms",
        note=f"results differ by {apart:.1e} of the largest entry",
        samples={"seconds": found.seconds},
    )
    yield _memory_row(bench, spec, figure, setting)


def _memory_row(bench: Bench, spec: dict[str, Any], figure: str, setting: str) -> Row:
    """Return the memory of our kernel over that of the Jacobian's contraction."""
    memory = {}
    for name in ("ours", "plain"):
        with bench.fresh_ours(name) as worker:
            worker.ask("prepare", key="ntk", spec=spec)
            memory[name] = max(worker.ask("memory", key="ntk")["extra_bytes"] for _ in range(3)) / 2**20
    return Row(
        figure,
        setting,
        "our memory / torch.func's",
        memory["ours"] / memory["plain"],
        sense="at most",
        target=0.1,
        ours=memory["ours"],
        peer=memory["plain"],
        unit="MiB",
        samples={"memory": memory},
    )


def agreement(bench: Bench) -> Iterator[Row]:
    """Compare kernels in float64 with the contraction of Jacobians, for depths, widths and outputs."""
    apart = {}
    for depth, width, outputs in product((0, 1, 2, 5), (16, 200), (1, 3)):
        case = Case(width, 30, outputs, depth=depth, dtype="float64")
        for kind in ("mean", "all"):
            spec = _spec(bench, case, kind)
            for worker in (bench.ours(), bench.ours("plain")):
                worker.ask("prepare", key="ntk", spec=spec)
            one, other = (bench.saved(worker, "ntk")["ntk"] for worker in (bench.ours(), bench.ours("plain")))
            apart[f"depth {depth}, width {width}, {outputs} outputs, {kind}"] = _apart(one, other)
    worst = max(apart, key=apart.__getitem__)
    yield Row(
        "agreement of the empirical NTK with torch.func",
        f"{len(apart)} kernels, float64",
        "largest difference, of the largest entry",
        apart[worst],
        sense="at most",
        target=1e-12,
        note=f"worst: {worst}",
        samples={"apart": apart},
    )


def _spec(bench: Bench, case: Case, outputs: str) -> dict[str, Any]:
    """Return a specification for any worker: the kernel of the network whose weights are ours."""
    ours = bench.ours()
    ours.ask("prepare", key="weights", spec={"kind": "weights", "case": case.as_json()}, run=False)
    bench.saved(ours, "weights")
    ours.ask("forget", key="weights")
    path = str(bench.folder / f"{ours.name}-weights.npz")
    return {"kind": "ntk", "case": case.as_json(), "outputs": outputs, "weights": path}


def _apart(one: Any, other: Any) -> float:
    return float(np.abs(one - other).max() / np.abs(one).max())
