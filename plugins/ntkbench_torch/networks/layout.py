"""Which layers a network has, how many parameters, and how many members are trained together. Light: no torch."""

from __future__ import annotations

from itertools import pairwise

from ntkbench.plugin import DataError

Width = int | tuple[int, ...] | None
_GROUP_LIMIT = {"cpu": 8, "cuda": 64}
_GROUP_FLOATS = {"cpu": 2**19, "cuda": 2**28}


def layer_sizes(n_features: int, width: Width, depth: int, n_outputs: int) -> tuple[int, ...]:
    """Return ``(n_0, n_1, ..., n_L)``: inputs, hidden widths, outputs.

    :param width: one int for every hidden layer, or one per hidden layer; None only where there is none.
    :raises DataError: for widths that are not positive, or not as many as hidden layers.
    """
    hidden = width if isinstance(width, tuple) else (width,) * depth
    if len(hidden) != depth:
        raise DataError(f"{len(hidden)} widths given for {depth} hidden layers: {hidden}")
    sizes = (n_features, *hidden, n_outputs)
    if any(size is None or size < 1 for size in sizes):
        raise DataError(f"every layer needs at least one unit, got {sizes}")
    return tuple(int(size) for size in sizes if size is not None)


def widths_at(depth: int, hidden_widths: tuple[int, ...] | None) -> Width:
    """Return the widths of a candidate with ``depth`` hidden layers: those given, or the one they share.

    :raises DataError: for another number of layers than there are widths, if these differ.
    """
    if hidden_widths is None or len(hidden_widths) == depth:
        return hidden_widths
    if len({*hidden_widths}) != 1:
        raise DataError(f"{len(hidden_widths)} widths given for {depth} hidden layers: {hidden_widths}")
    return hidden_widths[:1] * depth


def parameter_count(layers: tuple[int, ...]) -> int:
    """Return P, the sum of (n_l + 1) n_{l+1}."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(layers))


def group_size(layers: tuple[int, ...], device_type: str) -> int:
    """Return how many members of fully-connected networks are trained together: see :func:`group_of`."""
    return group_of(parameter_count(layers), device_type)


def group_of(parameters: int, device_type: str) -> int:
    """Return how many members are trained together: a power of two, by their size and the device alone.

    Every matrix product sees exactly this many members (the last group is filled up), and member k always sits in slot
    k mod group: so its numbers cannot depend on how many members there are. Small networks share a product to spread
    its fixed cost; a large network fills the machine alone, and its weights stay in the cache between the passes.
    """
    limit, floats = _GROUP_LIMIT.get(device_type, 8), _GROUP_FLOATS.get(device_type, 2**19)
    fitting = max(1, floats // parameters)
    return int(min(limit, 1 << (fitting.bit_length() - 1)))
