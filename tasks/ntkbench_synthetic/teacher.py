"""``synthetic/teacher``: learn the function of one finite random network."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erf

from .sampling import cloud, evaluation_cloud, generator, noisy_problem

if TYPE_CHECKING:
    from ntkbench.plugin import Float, Problem

    from .parameters import Teacher


def load(parameters: Teacher, split_index: int, seed: int) -> Problem:
    """Return inputs (N, dimension) and the teacher's outputs (N, outputs); test inputs are drawn alike.

    All splits share the teacher, which ``teacher_seed`` or, without it, ``seed`` chooses. Its outputs are not rescaled,
    so their variance over teachers is the NNGP kernel ``K_L(x, x)``.
    """
    inputs, test_inputs, noise = (
        generator(f"synthetic/teacher/{stream}", seed, split_index) for stream in ("inputs", "test-inputs", "noise")
    )
    kind, d = parameters.inputs, parameters.dimension
    x_train = cloud(kind, parameters.n_train, d, inputs)
    x_test = evaluation_cloud(kind, parameters.n_test, d, test_inputs)
    layers = draw_layers(parameters, seed if parameters.teacher_seed is None else parameters.teacher_seed)
    return noisy_problem(x_train, x_test, lambda x: outputs(x, layers, parameters), parameters.noise, noise)


def draw_layers(parameters: Teacher, teacher_seed: int) -> list[tuple[Float, Float]]:
    """Return W_l (n_l, n_{l+1}) and b_l (n_{l+1},) of every layer, i.i.d. N(0, 1)."""
    rng = generator("synthetic/teacher/network", teacher_seed)
    sizes = [parameters.dimension, *[parameters.width] * parameters.depth, parameters.outputs]
    return [(rng.standard_normal(shape), rng.standard_normal(shape[1])) for shape in pairwise(sizes)]


def outputs(x: Float, layers: list[tuple[Float, Float]], parameters: Teacher) -> Float:
    """Return f(x) (n, outputs): ``z = weight_std / sqrt(n_l) h W + bias_std b``, ``h = activation(z)`` (J18 eq. 1)."""
    activation = erf if parameters.activation == "erf" else _relu
    z = _affine(x, *layers[0], parameters)
    for W, b in layers[1:]:
        z = _affine(activation(z), W, b, parameters)
    return z


def _affine(h: Float, W: Float, b: Float, parameters: Teacher) -> Float:
    z: Float = parameters.weight_std / np.sqrt(len(W)) * h @ W + parameters.bias_std * b
    return z


def _relu(z: Float) -> Float:
    return np.maximum(z, 0)
