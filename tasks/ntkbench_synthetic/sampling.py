"""Draw synthetic points and noise; every draw is a function of (stream, seed, split) only.

Training inputs, test inputs and noise have separate streams: more training points extend a training set without
changing its first points, their noise or the test points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from zlib import crc32

import numpy as np

from ntkbench.plugin import Float, Problem

if TYPE_CHECKING:
    from collections.abc import Callable


def generator(stream: str, seed: int, split_index: int = 0) -> np.random.Generator:
    """Return a separate generator for every stream (such as ``synthetic/sine/noise``), seed and split."""
    key = (crc32(stream.encode()), split_index)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=key)))


def interval_points(n: int, low: float, high: float, rng: np.random.Generator) -> Float:
    """Return ``n`` points uniform on [low, high), shape (n, 1)."""
    return low + (high - low) * rng.random((n, 1))


def interval_grid(n: int, low: float, high: float) -> Float:
    """Return an even grid of ``n`` points on [low, high], including both ends, shape (n, 1)."""
    return np.linspace(low, high, n)[:, None]


def circle_points(angles: Float) -> Float:
    """Return the points (cos g, sin g) of the unit circle, shape (n, 2), for angles (n,)."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def angle_grid(n: int, offset: float = 0.0) -> Float:
    """Return the angles ``-pi + 2 pi (j + offset) / n``, j = 0 .. n-1, ascending, shape (n,)."""
    return -np.pi + 2 * np.pi * (np.arange(n) + offset) / n


def gaussian_points(n: int, dimension: int, rng: np.random.Generator) -> Float:
    """Return ``n`` draws of N(0, I), shape (n, dimension)."""
    return rng.standard_normal((n, dimension))


def sphere_points(n: int, dimension: int, rng: np.random.Generator) -> Float:
    """Return ``n`` points uniform on the unit sphere S^{d-1}, shape (n, dimension): Gaussian directions."""
    points = gaussian_points(n, dimension, rng)
    norms: Float = np.linalg.norm(points, axis=1, keepdims=True)
    return points / norms


def cloud(kind: Literal["gaussian", "sphere"], n: int, dimension: int, rng: np.random.Generator) -> Float:
    """Return ``n`` random points of the kind that parameters call ``inputs``, shape (n, dimension)."""
    return (gaussian_points if kind == "gaussian" else sphere_points)(n, dimension, rng)


def evaluation_cloud(kind: Literal["gaussian", "sphere"], n: int, dimension: int, rng: np.random.Generator) -> Float:
    """Return ``n`` test points: drawn like the training points, but on the circle the even grid of angles."""
    if kind == "sphere" and dimension == 2:
        return circle_points(angle_grid(n))
    return cloud(kind, n, dimension, rng)


def noisy_problem(
    x_train: Float, x_test: Float, target: Callable[[Float], Float], noise: float, rng: np.random.Generator
) -> Problem:
    """Return the problem of learning ``target`` (n, F) -> (n, O) from noisy training targets and clean test targets."""
    clean = target(x_train)
    y_train = clean + noise * rng.standard_normal(clean.shape)
    return Problem(x_train=x_train, y_train=y_train, x_test=x_test, y_test=target(x_test))
