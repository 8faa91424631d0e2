"""Networks, training and kernels written plainly, by other means than the package: what its tests hold it against."""

import math
from itertools import pairwise

import numpy as np
import torch

from ntkbench import Architecture


def drawn(architecture, layers, seed, member):
    """One member in float64, from the documented draw: [(W (n_l, n_{l+1}), b (n_{l+1},)), ...]."""
    widths = layers[1:-1]
    parameters = []
    for index, (fan_in, fan_out) in enumerate(pairwise(layers)):
        key = (len(widths), *widths, index, member)
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
        numbers = torch.from_numpy(generator.standard_normal((fan_in + 1, fan_out)))
        parameters.append((numbers[:-1].clone(), numbers[-1].clone()))
    return parameters


def output(architecture: Architecture, parameters, x):
    """f(x), (N, O), in NTK parameterization."""
    phi = {"relu": torch.relu, "erf": torch.erf}[architecture.activation]
    for index, (weights, bias) in enumerate(parameters):
        scale = architecture.weight_std / math.sqrt(len(weights))
        x = scale * x @ weights + architecture.bias_std * bias
        if index < architecture.depth:
            x = phi(x)
    return x


def loss(architecture, parameters, x, y):
    return ((output(architecture, parameters, x) - y) ** 2).sum() / (2 * len(x))


def trained(architecture, parameters, x, y, learning_rate, steps):
    """Outputs before every step and after the last, (steps + 1, N, O), by autograd and torch.optim."""
    leaves = [tensor.clone().requires_grad_() for layer in parameters for tensor in layer]
    layers = list(zip(leaves[::2], leaves[1::2], strict=True))
    optimizer = torch.optim.SGD(leaves, lr=learning_rate)
    outputs = []
    for step in range(steps + 1):
        outputs.append(output(architecture, layers, x).detach())
        if step < steps:
            optimizer.zero_grad()
            loss(architecture, layers, x, y).backward()
            optimizer.step()
    return torch.stack(outputs)


def jacobian_kernel(architecture, parameters, x1, x2):
    """J(x1) J(x2)^T over all parameters, (n1, n2, O, O), with torch.func."""

    def jacobian(x):
        blocks = torch.func.jacrev(lambda p: output(architecture, p, x))(parameters)
        return torch.cat([part.flatten(2) for layer in blocks for part in layer], dim=2)

    return torch.einsum("iap,jbp->ijab", jacobian(x1), jacobian(x2))


def analytic_ntk(architecture: Architecture, x):
    """The limit kernel (n, n) by the closed forms of Cho and Saul 2009 (ReLU) and Williams 1997 (erf), in numpy."""
    w2, b2 = architecture.weight_std**2, architecture.bias_std**2
    nngp = w2 * x @ x.T / x.shape[1] + b2
    ntk = nngp.copy()
    for _ in range(architecture.depth):
        expected, slope = {"relu": _relu_pair, "erf": _erf_pair}[architecture.activation](nngp)
        nngp = w2 * expected + b2
        ntk = nngp + w2 * ntk * slope
    return ntk


def _relu_pair(k):
    norms = np.sqrt(np.outer(np.diag(k), np.diag(k)))
    angle = np.arccos(np.clip(k / norms, -1, 1))
    expected = norms * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    return expected, (np.pi - angle) / (2 * np.pi)


def _erf_pair(k):
    diagonal = 1 + 2 * np.diag(k)
    expected = 2 / np.pi * np.arcsin(2 * k / np.sqrt(np.outer(diagonal, diagonal)))
    return expected, 4 / np.pi / np.sqrt(np.outer(diagonal, diagonal) - 4 * k**2)
