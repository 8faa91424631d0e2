"""The costs that a study can train on: ``C = 1/N sum_i l(f(x_i), y_i)``, the mean over points of a sum over outputs.

Importing this module does not import numpy: plugins use its names when they register.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Loss = Literal["squared-error", "cross-entropy", "huber"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
_HUBER_DELTA = 1.0


def cost(loss: Loss, outputs: Array, targets: Array) -> Array:
    """Return C (*B,) of outputs (*B, N, O) at targets (N, O).

    ``squared-error``: ``l = |f - y|^2 / 2``. ``huber``: half the squared residual up to 1, linear beyond.
    ``cross-entropy``: ``l = -sum_o y_o log softmax(f)_o``, for rows y that sum to 1.
    """
    import numpy as np

    if loss == "cross-entropy":
        shifted = outputs - outputs.max(axis=-1, keepdims=True)
        points = -targets * (shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
    else:
        size = np.abs(outputs - targets)
        small = np.minimum(size, _HUBER_DELTA) if loss == "huber" else size
        points = small * (size - small / 2)
    total: Array = points.sum(axis=(-2, -1)) / targets.shape[0]
    return total


def non_gradient_direction(direction: Array, strength: float) -> Array:
    """Return ``(1 + strength S) d`` for d (*B, N, O), ``(S d)_i = (d_{i+1} - d_{i-1}) / 2`` cyclically over points.

    S is skew-symmetric, so the result is not the gradient of any cost; networks still follow their kernel along it
    (J18 Thm. 2; C7).
    """
    import numpy as np

    if strength == 0:
        return direction
    around: Array = np.roll(direction, -1, axis=-2) - np.roll(direction, 1, axis=-2)
    return direction + strength / 2 * around


def cost_gradient(loss: Loss, outputs: Array, targets: Array) -> Array:
    """Return the derivative of each l with respect to its outputs, (*B, N, O)."""
    import numpy as np

    if loss == "cross-entropy":
        shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True) - targets)
    residual = outputs - targets
    return np.clip(residual, -_HUBER_DELTA, _HUBER_DELTA) if loss == "huber" else residual
