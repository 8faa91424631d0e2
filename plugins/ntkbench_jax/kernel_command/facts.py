"""Facts of a kernel matrix: its entries, and the ends of its spectrum with their errors."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.analytic import kernel_diagonal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.architecture.nodes import Architecture

    from .array_files import Matrix

    Kernel = NDArray[np.floating[Any]]
    Facts = dict[str, Any]

_ENTRY_ERROR = {"float64": 1e-13, "float32": 4e-6}  # error of an entry, relative to sqrt(k(x,x) k(x',x')), as tested
_WELL_CONDITIONED = 100.0  # condition number above which the error grows in proportion
_SCALES = ("weight_std", "bias_std")
_STEP = 1e-6  # relative, of a scale


def entry_error_of(x: Matrix, architecture: Architecture, dtype: str) -> float:
    """Return a bound of an entry's error for points ``x`` (N, F), relative to ``sqrt(k(x,x) k(x',x'))``.

    This is the bound that the tests check for every entry: in float64 1e-13, or, if larger, 1e-15 times its condition
    number with respect to each layer's weight_std and bias_std, since powers and exponentials amplify errors from layer
    to layer. The condition number used here is the largest of k(x, x), for joint changes of all layers' scales. The
    truncation error of an expansion is not included: see :func:`..kernels.kernel_error`.
    """
    points = np.asarray(x, np.float64)
    moved = [architecture.model_copy(update={name: getattr(architecture, name) * (1 - _STEP)}) for name in _SCALES]
    kernels, *others = (np.array(kernel_diagonal(points, architecture=a)) for a in (architecture, *moved))
    known = np.isfinite(kernels) & (kernels > 0) & np.all([other > 0 for other in others], axis=0)
    condition = sum(np.abs(np.log(kernels[known] / other[known])) / _STEP for other in others)
    return _ENTRY_ERROR[dtype] * max(1.0, float(np.max(condition, initial=0.0)) / _WELL_CONDITIONED)


def facts(kernel: Kernel, *, square: bool) -> Facts:
    """Return facts of a kernel's entries: if ``square``, (N, N), or (N,) for its diagonal; else (N, M)."""
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
    """Return the ends of the spectrum of a kernel (N, N) whose entries have errors up to ``entry_error`` (C13)."""
    from ntkbench.dynamics import decompose, smallest_eigenvalue

    spectrum = decompose(kernel)
    largest, smallest = float(spectrum.eigenvalues[0]), smallest_eigenvalue(kernel, spectrum, entry_error)
    positive = smallest.definiteness == "positive"
    bound = smallest.value + smallest.error
    return {
        "entry_error": entry_error,
        "largest_eigenvalue": largest,
        "smallest_eigenvalue": float(smallest.value),
        "smallest_eigenvalue_error": float(smallest.error),
        "definiteness": smallest.definiteness,
        "numerical_rank": spectrum.rank(),
        "condition_number": largest / smallest.value if positive else None,
        "condition_number_at_least": largest / bound if bound > 0 else None,
    }
