"""The request of ``ntkbench kernel``; importing this does not import JAX, so mistakes are reported at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.plugin import DataError, memory_bytes, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ntkbench.architecture.nodes import Architecture

    from .array_files import Matrix

SPECTRUM_POINTS = 4000  # diagonalised by default up to here: about half a minute


@dataclass(frozen=True)
class KernelRequest:
    """Points, network, and the output to compute and write; ``kernels`` are names."""

    files: tuple[str, ...]
    x1: Matrix
    x2: Matrix | None
    architecture: Architecture
    kernels: tuple[str, ...]
    dtype: str
    device: str
    diagonal: bool
    spectrum: bool
    out: Path | None
    force: bool

    @classmethod
    def of(cls, x1: Matrix, x2: Matrix | None, architecture: Architecture, options: Mapping[str, Any]) -> KernelRequest:
        """Build the request from the options.

        :raises DataError: if the numbers of features differ, or the kernels do not fit into memory.
        """
        if x2 is not None and x1.shape[1] != x2.shape[1]:
            raise DataError(
                f"{options['x1']} has {x1.shape[1]} features, {options['x2']} has {x2.shape[1]}: they must be the same"
            )
        square = x2 is None and not options["diagonal"]
        if options["spectrum"] and not square:
            raise DataError("--spectrum needs the whole kernel of X1 with itself: no X2 and no --diagonal")
        singles = all(x.dtype == np.float32 for x in (x1, x2) if x is not None)
        chosen = options["spectrum"]
        request = cls(
            files=tuple(str(options[name]) for name in ("x1", "x2") if options[name] is not None),
            x1=x1,
            x2=x2,
            architecture=architecture,
            kernels=("nngp", "ntk") if options["kernel"] == "both" else (options["kernel"],),
            dtype=options["dtype"] or ("float32" if singles else "float64"),
            device=options["device"],
            diagonal=options["diagonal"],
            spectrum=square and (len(x1) <= SPECTRUM_POINTS if chosen is None else chosen),
            out=options["out"],
            force=options["force"],
        )
        request.check_memory()
        return request

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a kernel."""
        n = len(self.x1)
        return (n,) if self.diagonal else (n, n if self.x2 is None else len(self.x2))

    def described(self) -> str:
        """Return a short description of the computation."""
        size = " x ".join(map(str, self.shape))
        return f"{' and '.join(self.kernels)}, {size}, {self.dtype}"

    def check_memory(self) -> None:
        """Raise :class:`DataError` if the kernels are larger than this machine's memory."""
        needed = len(self.kernels) * float(np.prod(self.shape, dtype=float)) * np.dtype(self.dtype).itemsize
        available = memory_bytes()
        if available is not None and needed > available:
            raise DataError(
                f"{self.described()}: {quantity(needed, 'B')}, more than this machine's {quantity(available, 'B')}; "
                "ask for one kernel (--kernel ntk), --dtype float32, fewer points, or --diagonal"
            )
