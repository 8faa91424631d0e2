"""What networks ask of an activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True)
class TorchActivation:
    """An elementwise function phi and its derivative almost everywhere, on tensors of any shape, type and device.

    ``write(z, units)`` writes phi(z) into ``units`` and leaves z; ``slope(z, units)`` replaces z by phi'(z), and uses
    ``units``, phi(z), where that saves work, unless they are None.

    In float64 and float32 both are within 1.5 roundings (eps) of the exact number, or of 1 where that is smaller: a
    derivative that vanishes far out is exact in its digits after the point, not relatively. Around z = 15 to 37 the
    error of silu' and mish' is z roundings at worst, of 1 - sigmoid(z); torch's float32 gelu may be off by 5 for
    negative z. For rbf and hermite a rounding of z adds its own: its argument is scaled, its terms cancel.
    """

    name: str
    write: Callable[[Tensor, Tensor], object]
    slope: Callable[[Tensor, Tensor | None], object]

    def apply(self, z: Tensor, units: Tensor) -> None:
        """Write phi(z) into ``units``, of the same shape, which may be strided but not z itself."""
        self.write(z, units)

    def differentiate(self, z: Tensor, units: Tensor | None = None) -> None:
        """Replace z by phi'(z).

        :param units: phi(z), where it is at hand; it is left as it is.
        """
        self.slope(z, units)


def ones(z: Tensor) -> Tensor:
    """Return a one seen in the shape of z: the signal that turns a backward pass of torch into a derivative."""
    return z.new_ones(()).expand_as(z)
