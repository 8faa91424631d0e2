"""Which cases of a grid `make test` runs; `make test-all` runs all of them."""

from itertools import product

import pytest


def exhaustive(*cases):
    """Mark cases that only ``make test-all`` runs: others on the same paths run in any case."""
    marked = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [pytest.param(*case, marks=pytest.mark.exhaustive) for case in marked]


def each_once(*axes):
    """Return the whole grid, all but a diagonal marked exhaustive: along it, every value of every axis comes once.

    Shorter axes are repeated.
    """
    axes = [list(axis) for axis in axes]
    diagonal = {tuple(k % len(axis) for axis in axes) for k in range(max(map(len, axes)))}
    places = product(*(range(len(axis)) for axis in axes))
    grid = {place: tuple(axis[k] for axis, k in zip(axes, place, strict=True)) for place in places}
    return [case if place in diagonal else exhaustive(case)[0] for place, case in grid.items()]
