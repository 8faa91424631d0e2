"""How much an entry of a kernel magnifies relative changes of what it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from mpmath import mp, mpf

from .recursion import DIGITS, first_layer, layers, next_layer, weight_share

STEP = mpf(10) ** -40  # far below any distance of the catalogue; half the digits are left for the difference


def condition(
    x1: Sequence[float], x2: Sequence[float], activation: str, depth: int, weight_std: float, bias_std: float
) -> tuple[float, float]:
    """The condition numbers of the NNGP and of the NTK that the promised accuracy is about.

    ``sum_l (|w_l dk/dw_l| + |b_l dk/db_l|) / sqrt(k(x,x) k(x',x'))`` over the affine layers l, each with a weight_std
    w_l and a bias_std b_l of its own: to first order the largest change of the entry, over the scale that errors are
    measured in, when all of them change by one unit of relative change. Of a ReLU network it is at most 2 (depth + 1).
    """
    with mp.workdps(DIGITS + 20):
        x, y = ([mpf(float(value)) for value in vector] for vector in (x1, x2))
        scales = mpf(weight_std) ** 2, mpf(bias_std) ** 2
        states = list(islice(layers(x, y, activation, weight_std, bias_std), depth + 1))
        ends = [list(islice(layers(z, z, activation, weight_std, bias_std), depth + 1))[-1] for z in (x, y)]
        totals = [mpf(0), mpf(0)]
        share = weight_share(weight_std, len(x))
        for layer in range(depth + 1):
            for moved in _moved(*scales) if layer else _moved(share, scales[1]):
                state = next_layer(states[layer - 1], activation, *moved) if layer else first_layer(x, y, *moved)
                for _ in range(depth - layer):
                    state = next_layer(state, activation, *scales)
                for kernel in range(2):
                    totals[kernel] += abs(state[2 + kernel] - states[-1][2 + kernel]) / STEP
        return tuple(_over(totals[i], mp.sqrt(ends[0][2 + i] * ends[1][2 + i])) for i in range(2))


def _moved(weight: mpf, bias: mpf) -> list[tuple[mpf, mpf]]:
    """The squares of both scales, with either scale off by ``STEP``."""
    return [(weight * (1 + STEP) ** 2, bias), *([(weight, bias * (1 + STEP) ** 2)] if bias else [])]


def _over(total: mpf, scale: mpf) -> float:
    return float(total / scale) if scale else 0.0


def coordinate_condition(
    x1: Sequence[float], x2: Sequence[float], activation: str, depth: int, weight_std: float, bias_std: float
) -> tuple[float, float]:
    """The componentwise relative condition numbers of both with respect to the coordinates.

    ``sum_i |x_i dk/dx_i| / |k|`` over the coordinates of x and of x' together, each on its own even where the points
    coincide. To first order it is the largest relative change of the entry when every coordinate moves by one unit of
    relative change. At a kink, as where points coincide, the steeper side counts. Infinite where k is 0 and the change
    is not.
    """
    with mp.workdps(DIGITS + 20):
        points = [mpf(float(value)) for vector in (x1, x2) for value in vector]
        here = _entry(points, len(x1), activation, depth, weight_std, bias_std)
        totals = [mpf(0), mpf(0)]
        for i, value in enumerate(points):
            if value:
                moved = ([*points[:i], value * (1 + h), *points[i + 1 :]] for h in (STEP, -STEP))
                there = [_entry(each, len(x1), activation, depth, weight_std, bias_std) for each in moved]
                for j in range(2):
                    totals[j] += max(abs(side[j] - here[j]) for side in there) / STEP
        nngp, ntk = (total and (total / abs(a) if a else mp.inf) for total, a in zip(totals, here, strict=True))
        return float(nngp), float(ntk)


def _entry(
    points: list[mpf], features: int, activation: str, depth: int, weight_std: float, bias_std: float
) -> tuple[mpf, mpf]:
    rows = layers(points[:features], points[features:], activation, weight_std, bias_std)
    return next(islice(rows, depth, None))[2:]
