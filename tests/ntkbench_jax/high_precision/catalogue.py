"""Pairs of inputs at which kernels lose digits, each as float64 vectors to be taken exactly."""

from __future__ import annotations

import numpy as np

DISTANCES = (1e-3, 1e-5, 1e-7, 1e-9)
Pairs = dict[str, tuple[np.ndarray, np.ndarray]]


def near(x: np.ndarray, name: str, sign: float) -> Pairs:
    """Neighbours of x, or of its antipode, at each distance: in any direction, along the sphere, along the radius."""
    rng = np.random.default_rng(1)
    norm, any_way = np.linalg.norm(x), rng.normal(size=x.size)
    any_way /= np.linalg.norm(any_way)
    sideways = any_way - any_way @ x / norm**2 * x
    sideways *= norm / np.linalg.norm(sideways)
    pairs = {}
    for d in DISTANCES:
        pairs[f"{name} {d:.0e} any way"] = x, sign * (x + d * norm * any_way)
        pairs[f"{name} {d:.0e} in angle"] = x, sign * (x * np.cos(d) + sideways * np.sin(d))
        pairs[f"{name} {d:.0e} in radius"] = x, sign * (x * (1 + d))
    return pairs


def all_pairs() -> Pairs:
    """Every kind of pair, by name; 3 features."""
    x, y = np.random.default_rng(0).normal(size=(2, 3))
    zero = np.zeros(3)
    pairs = {
        "coincident": (x, x),
        **near(x, "near", 1.0),
        "antipodal": (x, -x),
        **near(x, "near antipodal", -1.0),
        "orthogonal": (np.array([1.25, 2.5, 0.0]), np.array([-0.5, 0.25, 1.5])),
        "nearly orthogonal": (x, y - y @ x / (x @ x) * x),
        "generic": (x, y),
        "generic, other side": (x, -y),
        "unequal norms": (0.03 * x, 7.0 * y),
        "twice": (x, 2 * x),
        "minus three times": (x, -3 * x),
        "zero and generic": (zero, x),
        "zero and zero": (zero, zero),
        "tiny and huge": (1e-8 * x, 1e8 * y),
        "tiny and huge, same ray": (1e-8 * x, 1e8 * x),
        "tiny and generic": (1e-8 * x, y),
        "huge and generic": (1e8 * x, y),
        "zero and tiny": (zero, 1e-8 * x),
    }
    scaled = ("coincident", "near 1e-03 any way", "near 1e-07 any way", "near 1e-09 in radius", "antipodal")
    for name in (*scaled, "near antipodal 1e-07 any way", "generic", "twice"):
        for word, scale in (("tiny", 1e-8), ("huge", 1e8)):
            pairs[f"{word}, {name}"] = pairs[name][0] * scale, pairs[name][1] * scale
    return pairs


SHORT = (  # one of each kind, for runs that cannot wait
    "coincident",
    "near 1e-03 any way",
    "near 1e-05 in angle",
    "near 1e-07 any way",
    "near 1e-09 in radius",
    "near 1e-09 in angle",
    "antipodal",
    "near antipodal 1e-03 any way",
    "near antipodal 1e-07 any way",
    "orthogonal",
    "generic",
    "unequal norms",
    "twice",
    "zero and generic",
    "tiny and huge",
    "tiny, near 1e-07 any way",
    "huge, near 1e-07 any way",
    "huge, generic",
)
