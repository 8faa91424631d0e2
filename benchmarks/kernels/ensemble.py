"""Mean and covariance of an ensemble at 20 times, from inputs to result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..harness.report import Row
from ..harness.timing import fastest, in_turns
from .cases import Network, gaussian_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..harness.bench import Bench

_TRAIN, _TEST, _TIMES = 1000, 500, 20
_TARGETS = {"float32": None, "float64": 3.0}  # the peer's decomposition in float32 loses most digits


def ensemble(bench: Bench) -> Iterator[Row]:
    """Time the law of a ReLU ensemble trained by gradient flow against ``gradient_descent_mse_ensemble``."""
    train, test = (_TRAIN // 4, _TEST // 4) if bench.quick else (_TRAIN, _TEST)
    x = gaussian_inputs(train + test, seed=3)
    y = np.sin(x @ np.linspace(-0.5, 0.5, x.shape[1]))[:, None]
    times = np.logspace(-1, 5, _TIMES)
    arrays = {"x": x[:train], "y": y[:train], "x_test": x[train:], "times": times}
    paths = {name: bench.stored(f"ensemble-{name}", array) for name, array in arrays.items()}
    for dtype, target in _TARGETS.items():
        figure = "mean and covariance at 20 times against the peer"
        setting = f"relu, {train} train, {test} test, {dtype} inputs"
        spec = {"kind": "ensemble", "network": Network("relu").as_json(), "dtype": dtype, **paths}
        variants = {"jit of all": {**spec, "jit_all": True}, "jit of the kernels": {**spec, "jit_all": False}}
        ours, peer = bench.ours(), bench.peer(dtype)
        best, trials = fastest(peer, variants, 2)
        found = in_turns({"ours": (ours, spec), "peer": (peer, variants[best])}, min(bench.rounds, 7))
        results = bench.saved(ours, "ours"), bench.saved(peer, "peer")
        ratio, low, high = found.ratio("peer", "ours")
        apart = {
            name: float(np.abs(results[0][name] - results[1][name]).max() / np.abs(results[0][name]).max())
            for name in results[0]
        }
        yield Row(
            figure,
            setting,
            "peer's time / ours",
            ratio,
            low,
            high,
            "at least" if target else "",
            target,
            found.median("ours"),
            found.median("peer"),
            "s",
            note=f"peer at its best: {best}; means differ by {apart['mean']:.1e}, covariances by "
            f"{apart['covariance']:.1e} of the largest entry",
            samples={"seconds": found.seconds, "cpu_seconds": found.cpu_seconds, "peer_variants": trials.seconds},
        )
