"""The interface of an activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True)
class TorchActivation:
    """An elementwise function phi and its derivative almost everywhere, on tensors of any shape, dtype and device.

    ``write(z, units)`` writes phi(z) into ``units`` and leaves z unchanged. ``slope(z, units)`` replaces z by phi'(z);
    ``units``, phi(z) or None, saves work where phi' follows from phi.

    In float64 and float32 the error of both is at most 1.5 eps times the larger of the exact value and 1, so that a
    vanishing derivative is accurate absolutely, not relatively. Exceptions: silu' and mish' lose up to z eps around z =
    15 to 37; torch's float32 gelu is off by up to 5 eps for negative z; rbf and hermite add the effect of rounding z.
    """

    name: str
    write: Callable[[Tensor, Tensor], object]
    slope: Callable[[Tensor, Tensor | None], object]

    def apply(self, z: Tensor, units: Tensor) -> None:
        """Write phi(z) into ``units``, which has z's shape, may be strided and must not be z itself."""
        self.write(z, units)

    def differentiate(self, z: Tensor, units: Tensor | None = None) -> None:
        """Replace z by phi'(z).

        :param units: phi(z) if available; it is not changed.
        """
        self.slope(z, units)


def ones(z: Tensor) -> Tensor:
    """Return a one expanded to z's shape: as the signal of a torch backward pass it yields the derivative."""
    return z.new_ones(()).expand_as(z)
