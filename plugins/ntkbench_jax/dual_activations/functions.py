"""Activations without a closed form here, by name; checks and derivatives of any function on JAX arrays."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ntkbench.plugin import DataError

from ..x64 import enable_x64

Array = jax.Array
Function = Callable[[Array], Array]

_PROBES = np.array([0.0, 1e-9, -1e-9, 1e-3, -1e-3, 0.3, -0.3, 1.0, -1.0, 2.7, -2.7, 6.1, -6.1])
_MEAN_VALUE = 12  # nodes of Gauss and Legendre
_WRITE = "write it with jax.numpy, element by element, so that JAX can differentiate it"


def value_and_slope(function: Function, x: Array) -> tuple[Array, Array]:
    """Return phi(x) and phi'(x) of an elementwise function, any shape."""
    value, slope = jax.jvp(function, (x,), (jnp.ones_like(x),))
    return value, slope


def difference(function: Function, x: Array, y: Array, change: Array) -> Array:
    """Return phi(x) - phi(y) for x - y = ``change``: by the mean of phi' between them if that agrees to rounding."""
    positions, weights = np.polynomial.legendre.leggauss(_MEAN_VALUE)

    def add(total: Array, node: tuple[Array, Array]) -> tuple[Array, None]:
        return total + node[1] * value_and_slope(function, y + node[0] * change)[1], None

    mean, _ = jax.lax.scan(add, jnp.zeros_like(change), (jnp.asarray((1 + positions) / 2), jnp.asarray(weights / 2)))
    first, second = function(x), function(y)
    direct, bend = first - second, change * mean
    size = jnp.maximum(jnp.abs(first), jnp.abs(second))
    return jnp.where(jnp.abs(bend - direct) <= 16 * np.finfo(x.dtype).eps * size, bend, direct)


def checked(function: Function, name: str) -> Function:
    """Return ``function`` if kernels can be computed for it: it must be elementwise, real, and differentiable by JAX.

    :raises DataError: otherwise, naming the mistake and the requirement.
    """
    where = f'activation "{name}"'
    if not callable(function):
        raise DataError(f"{where}: a {type(function).__name__} is no function; give a function of a JAX array")
    with enable_x64(True):
        probes = jnp.asarray(_PROBES)
        value, slope = _tried(function, probes, where)
        alone, _ = _tried(function, probes[5:6], where)
        _tried(function, jnp.ones((2, 3)), where)
    for what, numbers in (("value", np.asarray(value)), ("derivative", np.asarray(slope))):
        if not np.isfinite(numbers).all():
            i = int(np.argmin(np.isfinite(numbers)))
            raise DataError(
                f"{where}: its {what} at {_PROBES[i]:g} is {numbers[i]}; it must be finite on the real line"
            )
    if abs(float(alone[0]) - float(value[5])) > 1e-12 * (1 + abs(float(value[5]))):
        raise DataError(f"{where}: its value at one element depends on the others; {_WRITE}")
    return function


def _tried(function: Function, x: Array, where: str) -> tuple[Array, Array]:
    try:
        shape = jax.eval_shape(function, x)
    except Exception as error:  # the user's code can raise anything
        raise DataError(f"{where}: fails on a JAX array ({_first_line(error)}); {_WRITE}") from error
    if getattr(shape, "shape", None) != x.shape:
        got = getattr(shape, "shape", type(shape).__name__)
        raise DataError(f"{where}: returns shape {got} for inputs of shape {x.shape}; {_WRITE}")
    if shape.dtype != x.dtype:
        raise DataError(f"{where}: returns {shape.dtype} for {x.dtype} inputs; it must keep the type of its input")
    try:
        return value_and_slope(function, x)
    except Exception as error:
        raise DataError(f"{where}: JAX cannot differentiate it ({_first_line(error)}); {_WRITE}") from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}"


@jax.custom_jvp
def log_cosh(x: Array) -> Array:
    """Return log(cosh(x)) to relative accuracy everywhere."""
    near = jnp.log1p(2 * jnp.sinh(jnp.clip(x, -1.0, 1.0) / 2) ** 2)
    far = jnp.abs(x) + jnp.log1p(jnp.exp(-2 * jnp.abs(x))) - jnp.log(2.0)
    return jnp.where(jnp.abs(x) < 1, near, far)


@log_cosh.defjvp
def _log_cosh_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return log_cosh(primals[0]), jnp.tanh(primals[0]) * tangents[0]


@jax.custom_jvp
def tanh(x: Array) -> Array:
    """Evaluate the hyperbolic tangent, whose derivative is 1 / cosh(x)^2 to relative accuracy."""
    return jnp.tanh(x)


@tanh.defjvp
def _tanh_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    decay = jnp.exp(-2 * jnp.abs(primals[0]))
    return tanh(primals[0]), 4 * decay / (1 + decay) ** 2 * tangents[0]


@jax.custom_jvp
def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), whose derivative is even to the bit."""
    return jax.nn.sigmoid(x)


@sigmoid.defjvp
def _sigmoid_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    decay = jnp.exp(-jnp.abs(primals[0]))
    return sigmoid(primals[0]), decay / (1 + decay) ** 2 * tangents[0]


def _silu(x: Array) -> Array:
    return x * sigmoid(x)


def _mish(x: Array) -> Array:
    return x * tanh(jax.nn.softplus(x))


FUNCTIONS: dict[str, Function] = {
    "arctan": jnp.arctan,
    "celu": jax.nn.celu,
    "elu": jax.nn.elu,
    "log_cosh": log_cosh,
    "mish": _mish,
    "selu": jax.nn.selu,
    "sigmoid": sigmoid,
    "silu": _silu,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
    "swish": _silu,
    "tanh": tanh,
}
