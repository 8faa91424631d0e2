"""Memory: the peak resident during one call, relative to the result it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..harness.report import Row
from ..harness.serving import UnavailableHereError
from ..harness.workers import WorkerFailedError
from .cases import Network, gaussian_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..harness.bench import Bench
    from ..harness.workers import Worker

_TARGET = 0.2
_WARM_UP_POINTS = 600  # enough for a tile of every shape
_CALLS = 3


def memory(bench: Bench, activation: str) -> Iterator[Row]:
    """Measure in fresh processes, so that memory freed earlier cannot hide what a call takes."""
    points = 1000 if bench.quick else 4000
    for dtype in ("float32", "float64"):
        figure, setting = f"{activation}, peak memory over the result", f"N {points}, {dtype}"
        specs = [
            {
                "kind": "kernels",
                "network": Network(activation).as_json(),
                "x": bench.stored(f"gaussian{size}", gaussian_inputs(size)),
                "dtype": dtype,
            }
            for size in (_WARM_UP_POINTS, points)
        ]
        try:
            with bench.fresh_ours() as worker:
                first, later, result_bytes = _extra(worker, specs)
            with bench.fresh_peer(dtype) as worker:
                _, peer, _ = _extra(worker, specs)
        except (UnavailableHereError, WorkerFailedError) as error:
            yield Row(figure, setting, note=str(error))
            continue
        yield Row(
            figure,
            setting,
            "(peak - result) / result",
            later,
            sense="at most",
            target=_TARGET,
            ours=later,
            peer=peer,
            note=f"result {result_bytes / 1e6:.0f} MB; the first call at this size, compiling included, {first:.3g}",
        )


def _extra(worker: Worker, specs: list[dict[str, Any]]) -> tuple[float, float, int]:
    """Return the share beyond the result at the first call of a size, the largest of later calls, and the result."""
    small, large = specs
    worker.ask("prepare", key="small", spec=small)
    worker.ask("prepare", key="large", spec=large, run=False)
    found = [worker.ask("memory", key="large") for _ in range(1 + _CALLS)]
    shares = [answer["extra_bytes"] / answer["result_bytes"] - 1 for answer in found]
    return shares[0], max(shares[1:]), found[0]["result_bytes"]
