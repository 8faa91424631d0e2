"""The package's kernels against the reference, pair by pair, and what they promise.

Every float64 entry of a closed form is within 1e-13 of ``sqrt(k(x,x) k(x',x'))`` of the exact kernel, or within 1e-15
times the entry's condition number (:func:`.condition.condition`) where that is more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from mpmath import mp, mpf

from ntkbench.architecture.nodes import Architecture
from ntkbench_jax import analytic_kernels

from . import quadrature
from .condition import condition, coordinate_condition
from .recursion import entries

if TYPE_CHECKING:
    from .catalogue import Pairs

TOLERANCE = 1e-13
WELL_CONDITIONED = 100.0  # condition number up to which the tolerance is promised as it is: 1e-13 = 100 * 1e-15
DIFFERENCES = {"gelu", "erf_sigmoid"}  # of huge antipodal points the entry is a difference of terms of the scale's size
FIRM = 10.0  # condition number in the coordinates up to which the error is within the tolerance of the entry itself too
FEW = 6  # pairs, below which coincident ones of a filled list would be most of it
SHAPE = 64  # points in a call, filled up, so that each program is compiled once
UNDERFLOW = mpf(2) ** -1020  # below it a product of two float64 may have lost its digits, or be 0
Scales = tuple[float, float]


@dataclass(frozen=True)
class Measured:
    """One entry of one kernel: what was found, what is exact, and where."""

    kernel: str
    pair: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    architecture: Architecture
    found: float
    exact: mpf
    scale: mpf

    @property
    def error(self) -> float:
        """|found - exact| over ``sqrt(k(x,x) k(x',x'))``; 0 where both are beyond float64, infinite for NaN.

        Beyond float64 inf is right, and 0 is let through (``lost``): there a diagonal entry is infinite as well.
        """
        if np.isnan(self.found):
            return np.inf
        if abs(self.exact) > sys.float_info.max:
            return 0.0 if self.lost or self.found == mp.sign(self.exact) * np.inf else np.inf
        if self.scale > sys.float_info.max:
            return 0.0  # a finite entry between points whose own entries are not: anything but NaN
        distance = abs(mpf(self.found) - self.exact)
        return 0.0 if distance <= UNDERFLOW else float(distance / self.scale) if self.scale else np.inf

    @property
    def lost(self) -> bool:
        """Whether an entry too large for float64 was returned as 0."""
        return self.found == 0 and abs(self.exact) > sys.float_info.max

    @property
    def relative(self) -> float:
        """|found - exact| / |exact|."""
        return 0.0 if self.error == 0 else float(mpf(self.error) * self.scale / abs(self.exact)) if self.exact else 0.0

    @property
    def condition(self) -> float:
        """Of the entry, with respect to each layer's weight_std and bias_std."""
        return self._of(_condition)

    @property
    def coordinate_condition(self) -> float:
        """Of the entry, with respect to relative changes of the coordinates."""
        return self._of(_coordinate_condition)

    def _of(self, numbers: Callable[..., tuple[float, float]]) -> float:
        a = self.architecture
        both = numbers(self.x, self.y, a.activation, a.depth, a.weight_std, a.bias_std)
        return both[0 if self.kernel == "nngp" else 1]

    def kept(self, tolerance: float = TOLERANCE) -> bool:
        """Whether the error is as small as promised."""
        return self.error <= tolerance or self.error <= tolerance * self.condition / WELL_CONDITIONED

    def verdict(self, tolerance: float = TOLERANCE) -> str:
        """Empty if exact enough, else what is wrong."""
        if not self.kept(tolerance):
            return "error"
        firm = self.architecture.activation not in DIFFERENCES
        if firm and self.relative > tolerance and self.coordinate_condition <= FIRM:
            return "relative error"
        return ""

    def __str__(self) -> str:
        a = self.architecture
        return (
            f"{a.activation} depth {a.depth} weight_std {a.weight_std:.4g} bias_std {a.bias_std:.4g} {self.kernel} "
            f"{self.pair}: {self.found!r} not {mp.nstr(self.exact, 20)}, {self.error:.1e} of the scale, "
            f"{self.relative:.1e} relative, condition {self.condition:.1e}"
        )


_condition = cache(condition)
_coordinate_condition = cache(coordinate_condition)


def filled(x: np.ndarray) -> np.ndarray:
    """Points repeated up to a multiple of ``SHAPE``."""
    return np.resize(x, (-(-len(x) // SHAPE) * SHAPE, x.shape[1]))


def measure(
    activation: str, depths: Sequence[int], scales: Scales, pairs: Pairs, rectangle: bool = True
) -> list[Measured]:
    """Both kernels of every pair, from a symmetric matrix and from a rectangle; the worse of the two."""
    firsts, seconds = (np.array(side) for side in zip(*pairs.values(), strict=True))
    n, together = len(pairs), np.concatenate([firsts, seconds])
    if n >= FEW and activation not in quadrature.ACTIVATIONS:
        together = filled(together)
    exact = [entries(x, y, activation, depths, *scales) for x, y in pairs.values()]
    measured = []
    for depth in sorted(depths):
        a = Architecture(depth=depth, activation=activation, weight_std=scales[0], bias_std=scales[1])
        found = [tuple(kernel[:n, n : 2 * n] for kernel in analytic_kernels(together, architecture=a))]
        if rectangle:
            found.append(analytic_kernels(firsts, seconds, architecture=a))
        for i, (name, (x, y)) in enumerate(pairs.items()):
            where, e = (name, tuple(x.tolist()), tuple(y.tolist()), a), exact[i][depth]
            for j, (kernel, value, scale) in enumerate((("nngp", e.nngp, e.nngp_scale), ("ntk", e.ntk, e.ntk_scale))):
                rows = [Measured(kernel, *where, float(both[j][i, i]), value, scale) for both in found]
                measured.append(max(rows, key=lambda row: row.error))
    return measured
