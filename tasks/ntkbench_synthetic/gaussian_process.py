"""``synthetic/gp``: learn a function drawn from the NNGP, the prior of an infinitely wide network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkbench.architecture.nodes import Architecture
from ntkbench.plugin import Problem

from .sampling import cloud, evaluation_cloud, generator

if TYPE_CHECKING:
    from ntkbench.plugin import Float

    from .parameters import GaussianProcess


def load(parameters: GaussianProcess, split_index: int, seed: int) -> Problem:
    """Return inputs (N, dimension) and ``f ~ N(0, K)`` (N, 1), jointly with the test points; another f per split.

    K is the NNGP kernel K_L of the parameters' architecture (J18 Prop. 1, L18), in float64.
    """
    inputs, test_inputs, function, noise = (
        generator(f"synthetic/gp/{stream}", seed, split_index)
        for stream in ("inputs", "test-inputs", "function", "noise")
    )
    kind, d = parameters.inputs, parameters.dimension
    x_train = cloud(kind, parameters.n_train, d, inputs)
    x_test = evaluation_cloud(kind, parameters.n_test, d, test_inputs)
    f = draw(_nngp(np.concatenate([x_train, x_test]), parameters), function)[:, None]
    f_train, f_test = f[: len(x_train)], f[len(x_train) :]
    y_train = f_train + parameters.noise * noise.standard_normal(f_train.shape)
    return Problem(x_train=x_train, y_train=y_train, x_test=x_test, y_test=f_test)


def draw(kernel: Float, rng: np.random.Generator) -> Float:
    """Return ``K^{1/2} xi`` (n,), xi ~ N(0, I), for a positive semidefinite kernel (n, n) of any rank.

    The symmetric root does not depend on the signs and bases an eigensolver happens to choose, so other machines
    draw the same function up to rounding. Eigenvalues that rounding made negative count as zero.
    """
    eigenvalues, vectors = np.linalg.eigh(kernel)
    xi = rng.standard_normal(len(kernel))
    f: Float = vectors @ (np.sqrt(np.maximum(eigenvalues, 0)) * (vectors.T @ xi))
    return f


def _nngp(x: Float, parameters: GaussianProcess) -> Float:
    from ntkbench_jax import analytic_kernels

    keys = {"depth", "activation", "weight_std", "bias_std"}
    architecture = Architecture(**parameters.model_dump(include=keys))
    return np.array(analytic_kernels(x, architecture=architecture).nngp, dtype=np.float64)
