"""How fast ensembles train: against a plain PyTorch loop over members, and against the machine's matrix products.

    python benchmarks/torch_ensemble.py [--threads 2] [--repeats 5] [--quick]

Both sides train the same 16 networks (depth 2, ReLU, biases, N = 128 points, 8 inputs, 1 output, float32) for the same
steps of full-batch gradient descent; ratios are of medians over alternating repeats within this one run. The plain loop
is what a user would write: one ``torch.nn.Module`` of linear layers in NTK parameterization per member, autograd,
``torch.optim.SGD``. The arithmetic rate counts 2 N flops per weight for the forward, the backward (but for the first
layer) and the update; it is held against the best rate of square float32 products in the same run.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ntkbench import Architecture
from ntkbench_torch import NetworkEnsemble

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBERS, POINTS, FEATURES, RATE = 16, 128, 8, 0.1
ARCHITECTURE = Architecture(depth=2, activation="relu")


class PlainNetwork(nn.Module):
    """A fully-connected network in NTK parameterization, as one would write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = (FEATURES, width, width, 1)
        self.weights = nn.ParameterList(torch.randn(out, inp) for inp, out in pairwise(sizes))
        self.biases = nn.ParameterList(torch.randn(out) for out in sizes[1:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            gain = ARCHITECTURE.weight_std / math.sqrt(weight.shape[1])
            x = nn.functional.linear(x, gain * weight, ARCHITECTURE.bias_std * bias)
            if index < 2:
                x = torch.relu(x)
        return x


def plain_loop(networks: list[PlainNetwork], x: torch.Tensor, y: torch.Tensor, steps: int) -> None:
    for network in networks:
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = ((network(x) - y) ** 2).sum() / (2 * len(x))
            loss.backward()
            optimizer.step()


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(POINTS, FEATURES, generator=generator), torch.randn(POINTS, 1, generator=generator)


def ensemble_of(width: int, members: int) -> NetworkEnsemble:
    return NetworkEnsemble(ARCHITECTURE, in_features=FEATURES, out_features=1, width=width, members=members, seed=0)


def compare(width: int, steps: int, repeats: int) -> tuple[float, float, float]:
    """Median milliseconds per step of the loop and of the ensemble, and the median of their ratios."""
    x, y = data()
    networks, ensemble = [PlainNetwork(width) for _ in range(MEMBERS)], ensemble_of(width, MEMBERS)

    def run_loop() -> None:
        plain_loop(networks, x, y, steps)

    def run_ensemble() -> None:
        ensemble.train(x, y, learning_rate=RATE, steps=steps)

    run_loop(), run_ensemble()
    pairs = [(seconds(run_loop), seconds(run_ensemble)) for _ in range(repeats)]
    loop, ours = (1e3 * statistics.median(column) / steps for column in zip(*pairs, strict=True))
    return loop, ours, statistics.median(plain / batched for plain, batched in pairs)


def product_rate(size: int = 2048) -> float:
    """GF/s of a square float32 product now."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)
    return 2 * size**3 / seconds(lambda: torch.mm(left, right, out=out)) / 1e9


def arithmetic(width: int, steps: int, repeats: int) -> tuple[float, float]:
    """Median GF/s of training, and of square products between the repeats."""
    x, y = data()
    members = 4
    ensemble = ensemble_of(width, members)
    flops = steps * members * 2 * POINTS * (3 * ensemble.parameters - (FEATURES + 1) * width) / 1e9
    ensemble.train(x, y, learning_rate=RATE, steps=1)
    product_rate()
    rates, products = [], []
    for _ in range(repeats):
        products.append(max(product_rate() for _ in range(3)))
        rates.append(flops / seconds(lambda: ensemble.train(x, y, learning_rate=RATE, steps=steps)))
    return statistics.median(rates), statistics.median(products)


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="width 64 only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{machine()}; Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}")
    print(f"\n{MEMBERS} members, depth 2, N = {POINTS}: milliseconds per step")
    print(f"{'width':>6} {'plain loop':>11} {'ensemble':>9} {'times faster':>13} {'target':>7}")
    cases = [(64, 100, 3.0), (256, 20, 1.8), (1024, 4, 1.25)]
    for width, steps, target in cases[:1] if options.quick else cases:
        loop, ours, ratio = compare(width, steps, options.repeats)
        print(f"{width:>6} {loop:>11.2f} {ours:>9.2f} {ratio:>13.2f} {target:>7}", flush=True)
    if options.quick:
        return
    print(f"\n4 members, depth 2, N = {POINTS}: float32 GF/s")
    print(f"{'width':>6} {'training':>9} {'product':>8} {'share':>6}")
    for width, steps in ((1024, 8), (2048, 3)):
        rate, product = arithmetic(width, steps, options.repeats)
        print(f"{width:>6} {rate:>9.1f} {product:>8.1f} {rate / product:>6.0%}", flush=True)


if __name__ == "__main__":
    main()
