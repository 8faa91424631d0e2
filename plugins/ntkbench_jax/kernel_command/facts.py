"""What a kernel says of itself: its entries, and the ends of its spectrum with their errors."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import geometry
from ..kernels import enable_x64
from ..laws.catalogue import find_law
from ..laws.interface import Adaptive
from ..trace import trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.architecture import Architecture
    from ntkbench.array_files import Matrix

    from ..laws.interface import Homogeneous, Smooth

    Kernel = NDArray[np.floating[Any]]
    Facts = dict[str, Any]

_ENTRY_ERROR = {"float64": 1e-13, "float32": 4e-6}  # of an entry, relative to sqrt(k(x,x) k(x',x')), as tested
_ROUNDINGS = 4  # per layer


class _Rounded(NamedTuple):
    """A law in closed form as one that misses a few roundings in every layer."""

    law: Homogeneous | Smooth
    missed: float

    def resolved(self, deviations: NDArray[np.float64]) -> tuple[Homogeneous | Smooth, float]:
        """Return the law, and what it misses."""
        return self.law, self.missed


def entry_error_of(x: Matrix, architecture: Architecture, dtype: str) -> float:
    """Return what an entry of the kernels of points ``x`` (N, F) may be off, relative to ``sqrt(k(x,x) k(x',x'))``.

    What the tests hold every closed form to, or, where the layers amplify errors (polynomials, exponentials), a few
    roundings per layer as they grow on their way up. The error of an expansion is not in it: see ``kernel_error``.
    """
    law = find_law(architecture.activation)
    if isinstance(law, Adaptive):
        return _ENTRY_ERROR[dtype]
    with enable_x64(True):
        missed = _ROUNDINGS * float(np.finfo(dtype).eps)
        grown = trace(geometry.points(np.asarray(x, np.float64)).rms(), _Rounded(law, missed), architecture)[2]
    return max(_ENTRY_ERROR[dtype], grown)


def facts(kernel: Kernel, *, square: bool) -> Facts:
    """Return what a kernel says of itself: (N, N) or (N,) of points with themselves if ``square``, else (N, M)."""
    found: Facts = {}
    with np.errstate(over="ignore", invalid="ignore"):
        if square:
            diagonal = np.diagonal(kernel) if kernel.ndim == 2 else kernel
            found["trace"] = float(diagonal.sum(dtype=np.float64))
            found["mean_diagonal"] = found["trace"] / len(diagonal)
    found["smallest_entry"], found["largest_entry"] = float(kernel.min()), float(kernel.max())
    whole = isfinite(found["smallest_entry"]) and isfinite(found["largest_entry"])
    found["infinite_entries"] = 0 if whole else int(np.count_nonzero(~np.isfinite(kernel)))
    return found


def spectrum_facts(kernel: Kernel, entry_error: float) -> Facts:
    """Return the ends of the spectrum of a kernel (N, N) whose entries are off by ``entry_error`` (theory C13)."""
    from ntkbench.dynamics import decompose, smallest_eigenvalue

    spectrum = decompose(kernel)
    largest, smallest = float(spectrum.eigenvalues[0]), smallest_eigenvalue(kernel, spectrum, entry_error)
    positive = smallest.definiteness == "positive"
    bound = smallest.value + smallest.error
    return {
        "largest_eigenvalue": largest,
        "smallest_eigenvalue": float(smallest.value),
        "smallest_eigenvalue_error": float(smallest.error),
        "definiteness": smallest.definiteness,
        "numerical_rank": spectrum.rank(),
        "condition_number": largest / smallest.value if positive else None,
        "condition_number_at_least": largest / bound if bound > 0 else None,
    }
