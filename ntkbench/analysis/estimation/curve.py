"""The logarithms of a quantity by width, as everything fitted to them uses them: exponents, floors, local slopes.

All fits share one model of what is not known: ``log value = shape(n) + b (n / n_min)^-q tau / n_min``, b ~ N(0, 1). tau
and q are the size and the power of the finite-width correction that is allowed for. Powers other than 1 have the same
size at the smallest width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from .mixed import coefficients, mixed_estimate
from .pooling import pooled

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .mixed import Coefficients, MixedEstimate

    Floats = NDArray[np.float64]

POWERS = (1.0, 0.5)
"""Powers of 1 / n of the corrections that intervals allow for: an expansion in 1 / n, and one in n^-1/2 (kinks). At
initialization, and of smooth activations, only the first: perturbation theory around infinite width goes in 1 / n
[DG19]."""
_NEGLIGIBLE = 1e-16


class _Noise(TypedDict):
    """The variances of the logarithms (W,), as :func:`.mixed.mixed_estimate` takes them."""

    working: Floats
    variances: Floats
    dof: Floats


@dataclass(frozen=True, eq=False)
class Curve:
    """Logarithms at each width.

    :param n: (W,) widths; ``y`` (W,) log values; ``spread`` (W,) variance of one member's share of y; ``counts`` (W,)
        members.
    :param tau: the allowed correction: its relative size is ``tau / n`` at the smallest width.
    :param share: of the ``counts - 1`` degrees of freedom, how many ``spread`` has.
    :param powers: those of :data:`POWERS` that are allowed.
    """

    n: Floats
    y: Floats
    spread: Floats
    counts: NDArray[np.int64]
    tau: float
    share: float = 1.0
    powers: tuple[float, ...] = POWERS

    @property
    def logs(self) -> Floats:
        """(W,) log widths, of mean zero."""
        logs: Floats = np.log(self.n) - np.log(self.n).mean()
        return logs

    @property
    def each(self) -> tuple[Curve, ...]:
        """The curve itself, as the only one."""
        return (self,)

    def fit(
        self, shapes: list[Floats], *, of: int, allowed: float = 1.0, power: float = 1.0, y: Floats | None = None
    ) -> MixedEstimate:
        """Estimate the coefficient of ``shapes[of]``, beside a constant and the correction.

        :param allowed: multiplies tau.
        :param y: in place of the logarithms.
        """
        design = np.stack([np.ones_like(self.n), *shapes, self._correction(allowed, power)], axis=1)
        return mixed_estimate(design, self.y if y is None else y, **self._noise, of=of + 1)

    def fit_each(self, shapes: Floats, y: Floats, *, allowed: float, power: float) -> Coefficients:
        """Estimate the coefficient of each shape (F, W) by itself, of its own logarithms ``y`` (F, W), as ``fit``."""
        beside = (np.ones_like(self.n), self._correction(allowed, power))
        constant, correction = (np.broadcast_to(each, shapes.shape) for each in beside)
        return coefficients(np.stack([constant, shapes, correction], axis=-1), y, **self._noise, of=1)

    def _correction(self, allowed: float, power: float) -> Floats:
        smallest = float(self.n.min())
        correction: Floats = allowed * self.tau / smallest * (smallest / self.n) ** power
        return correction

    @property
    def _noise(self) -> _Noise:
        counts = self.counts.astype(np.float64)
        pooled = max(float((counts - 1) @ self.spread / (counts - 1).sum()), _NEGLIGIBLE)
        return {"working": pooled / counts, "variances": self.spread / counts, "dof": self.share * (counts - 1)}


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of several seeds, whose estimates are pooled (:mod:`.pooling`)."""

    each: tuple[Curve, ...]

    @property
    def n(self) -> Floats:
        """The widths of all, each once, sorted."""
        widths: Floats = np.unique(np.concatenate([curve.n for curve in self.each]))
        return widths

    @property
    def powers(self) -> tuple[float, ...]:
        """The powers of the correction that are allowed in any."""
        return tuple(dict.fromkeys(power for curve in self.each for power in curve.powers))


def estimate(curves: Curve | Curves, fit: Callable[[Curve], MixedEstimate]) -> MixedEstimate:
    """Return what a fit says of a curve, or of several together."""
    return pooled([fit(curve) for curve in curves.each])


def exponent(curves: Curve | Curves, allowed: float = 1.0, power: float = 1.0) -> MixedEstimate:
    """Fit the exponent of n; ``allowed`` multiplies tau, ``power`` is the correction's."""
    return estimate(curves, lambda curve: curve.fit([curve.logs], of=0, allowed=allowed, power=power))
