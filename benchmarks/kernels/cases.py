"""The cases measured: networks, inputs, and the combinations on which two implementations should agree.

The driver and both workers import it, so it needs only numpy.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
FEATURES = 32
_SQRT2 = 2**0.5


@dataclass(frozen=True)
class Network:
    """An infinitely wide network: ``depth`` hidden layers of ``activation``, which has ``parameters``."""

    activation: str
    depth: int = 3
    weight_std: float = _SQRT2
    bias_std: float = 0.1
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def spelling(self) -> str:
        """Return the activation as ntkbench writes it: ``leaky_relu(slope=0.1)``."""
        return spelled(self.activation, self.parameters)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.spelling}, depth {self.depth}, weight_std {self.weight_std:.4g}, bias_std {self.bias_std:.4g}"


def spelled(activation: str, parameters: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in parameters.items())
    return f"{activation}({arguments})" if arguments else activation


def gaussian_inputs(points: int, seed: int = 0) -> Array:
    """Return (points, 32) inputs, N(0, 1) each."""
    return np.random.default_rng(seed).standard_normal((points, FEATURES))


def sphere_inputs(points: int) -> Array:
    """Return inputs of norm sqrt(32), to rounding."""
    x = gaussian_inputs(points, seed=1)
    return x * np.sqrt(FEATURES) / np.linalg.norm(x, axis=1, keepdims=True)


def inputs_up_to(q: float, network: Network, points: int) -> Array:
    """Return inputs whose first pre-activations' variances are spread evenly from bias_std^2 to ``q``."""
    variances = np.linspace(network.bias_std**2, q, points + 1)[1:]
    lengths = np.sqrt(variances - network.bias_std**2) / network.weight_std
    return sphere_inputs(points) * lengths[:, None]


def agreement_inputs() -> dict[str, Array]:
    """Return points that are generic, nearly parallel and nearly antipodal; ``unit`` are those of |x|^2 = 32.

    Of nearly parallel pairs, 1 - c runs from 2e-6 to 1e-2.
    """
    rng = np.random.default_rng(7)
    directions = sphere_inputs(12)
    turned = [_turned(directions[i], distance, rng) for i, distance in enumerate((2e-6, 1e-5, 1e-4, 1e-3, 1e-2))]
    opposite = [-_turned(directions[i + 5], distance, rng) for i, distance in enumerate((1e-4, 1e-2))]
    unit = np.concatenate([directions, turned, opposite])
    return {"unit": unit, "free": unit * np.exp(rng.uniform(-1.0, 1.0, (len(unit), 1)))}


def _turned(x: Array, distance: float, rng: np.random.Generator) -> Array:
    """Return ``x`` turned in a random direction until the cosine of the two is 1 - distance."""
    across = rng.standard_normal(len(x))
    across -= (across @ x) / (x @ x) * x
    across *= np.linalg.norm(x) / np.linalg.norm(across)
    return (1 - distance) * x + np.sqrt(distance * (2 - distance)) * across


# Activations whose kernels stay in range at any depth, and those whose kernels grow like powers or exponentials.
_TAME: tuple[tuple[str, dict[str, Any]], ...] = (
    ("relu", {}),
    ("leaky_relu", {"slope": 0.01}),
    ("leaky_relu", {"slope": 0.3}),
    ("abs", {}),
    ("step", {}),
    ("identity", {}),
    ("erf", {}),
    ("erf_sigmoid", {}),
    ("gelu", {}),
    ("sin", {}),
    ("cos", {}),
    ("rbf", {"gamma": 0.5}),
    ("rbf", {"gamma": 1.0}),
    ("gaussian", {}),
)
_WILD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rectified_monomial", {"degree": 2}),
    ("rectified_monomial", {"degree": 3}),
    ("monomial", {"degree": 2}),
    ("monomial", {"degree": 3}),
    ("monomial", {"degree": 5}),
    ("polynomial", {"coefficients": [0.5, -1.0, 0.25, 0.125]}),
    ("exp", {}),
)
_HERMITE_DEGREES = (1, 2, 3, 4)  # the peer's layer presumes q = 1: unit inputs, weight_std^2 + bias_std^2 = 1


def agreement_networks() -> list[tuple[Network, str]]:
    """Return the combinations of activation, depth and scales, each with the name of its inputs."""
    found = [
        (Network(name, depth, weight_std, bias_std, parameters), "free")
        for (name, parameters), depth, weight_std, bias_std in product(
            _TAME, (1, 2, 3, 5, 10), (1.0, _SQRT2, 2.0), (0.0, 0.1, 1.0)
        )
    ]
    found += [
        (Network(name, depth, weight_std, bias_std, parameters), "free")
        for (name, parameters), depth, weight_std, bias_std in product(
            _WILD, (1, 2, 3), (0.25, 0.5, 1.0), (0.0, 0.1, 0.5)
        )
        if not (name == "exp" and depth == 3 and weight_std == 1.0)  # beyond the range of float64
    ]
    found += [
        (Network("hermite", depth, (1 - bias_std**2) ** 0.5, bias_std, {"degree": degree}), "unit")
        for degree, depth, bias_std in product(_HERMITE_DEGREES, (1, 2, 3, 5), (0.0, 0.1, 0.6))
    ]
    return found
