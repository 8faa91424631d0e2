"""What is measured: every activation, at the scales and depths where its kernels behave differently."""

from __future__ import annotations

from .activations import name_and_arguments

CRITICAL = {  # weight_std at which 1 - c neither shrinks nor grows without a bias, or one near it; else 1
    "relu": 2**0.5,
    "leaky_relu": 1.4141428569978354,
    "step": 2**0.5,
    "erf": 0.8862269254527580,
    "erf_sigmoid": 4.2,
    "gelu": 1.98,
    "gaussian": 1.4,
}
CLOSED_FORM = (
    "relu",
    "leaky_relu(slope=0.01)",
    "leaky_relu(slope=-0.7)",
    "abs",
    "step",
    "rectified_monomial(degree=0)",
    "rectified_monomial(degree=1)",
    "rectified_monomial(degree=2)",
    "rectified_monomial(degree=3)",
    "identity",
    "monomial(degree=2)",
    "monomial(degree=3)",
    "polynomial(coefficients=[0.5, -1.0, 0.0, 0.25])",
    "hermite(degree=2)",
    "hermite(degree=3)",
    "hermite(degree=5)",
    "erf",
    "erf_sigmoid",
    "gelu",
    "sin",
    "cos",
    "rbf(gamma=1.0)",
    "rbf(gamma=0.1)",
    "exp",
    "gaussian",
)


def scales(activation: str) -> list[tuple[float, float]]:
    """(weight_std, bias_std): ordered, critical and chaotic, without and with a bias."""
    critical = CRITICAL.get(name_and_arguments(activation)[0], 1.0)
    return [(0.5 * critical, 0.0), (0.6 * critical, 0.5), (critical, 0.0), (critical, 0.1), (2.5, 0.0), (4.0, 0.3)]


def depths(activation: str) -> tuple[int, ...]:
    """To 64 if the kernels are bounded or homogeneous; polynomials and exp gain too much with every layer."""
    name, arguments = name_and_arguments(activation)
    steep = name == "rectified_monomial" and int(str(arguments.get("degree", 2))) > 1
    if steep or name in {"monomial", "polynomial", "hermite", "exp"}:
        return 0, 1, 2, 3
    return 0, 1, 2, 3, 8, 64
