"""How much an entry of a kernel magnifies relative changes of the coordinates it is made from."""

from __future__ import annotations

from collections.abc import Sequence

from mpmath import mp, mpf

from .recursion import DIGITS, layers

STEP = mpf(10) ** -40  # far below any distance of the catalogue; half the digits are left for the difference


def condition(
    x1: Sequence[float], x2: Sequence[float] | None, activation: str, depth: int, weight_std: float, bias_std: float
) -> tuple[float, float]:
    """The componentwise relative condition numbers of the NNGP and of the NTK.

    ``sum_i |x_i dk/dx_i| / |k|`` over the coordinates of x and of x' together, each on its own even where the points
    coincide; of k(x, x) as a function of x alone where x2 is None. To first order it is the largest relative change of
    the entry when every coordinate moves by one unit of relative change. At a kink, as where points coincide, the
    steeper side counts. Infinite where k is 0 and the change is not.
    """
    with mp.workdps(DIGITS + 20):
        points = [mpf(float(value)) for vector in (x1, () if x2 is None else x2) for value in vector]
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
    x = points[:features]
    rows = layers(x, points[features:] or x, activation, weight_std, bias_std)
    for _ in range(depth):
        next(rows)
    return next(rows)[2:]
