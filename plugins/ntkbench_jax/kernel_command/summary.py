"""The summary that ``ntkbench kernel`` prints as a table or as JSON and stores beside the kernels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ntkbench import __version__
from ntkbench.plugin import duration, print_table, quantity

from .facts import entry_error_of, facts, spectrum_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from .facts import Facts, Kernel
    from .request import KernelRequest

_SHARP = 1.001  # condition numbers are shown to a few digits, if these are certain


@dataclass
class KernelSummary:
    """Facts of the kernels, by name; ``expansion_error`` is relative to sqrt(k(x,x) k(x',x'))."""

    request: KernelRequest
    kernels: dict[str, Facts]
    expansion_error: float
    seconds: float
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: KernelRequest, kernels: Mapping[str, Kernel], error: float, seconds: float) -> KernelSummary:
        """Return the summary without spectra; ``error`` is the truncation error of the kernels' expansion."""
        square = request.x2 is None
        return cls(request, {name: facts(kernel, square=square) for name, kernel in kernels.items()}, error, seconds)

    def add_spectra(self, kernels: Mapping[str, Kernel]) -> None:
        """Diagonalise the kernels (N, N)."""
        entry_error = entry_error_of(self.request.x1, self.request.architecture, self.request.dtype)
        entry_error += self.expansion_error
        for name, kernel in kernels.items():
            if self.kernels[name]["infinite_entries"]:
                self.notes.append(f"{name}: no spectrum: entries are beyond the range of {self.request.dtype}")
            else:
                self.kernels[name] |= spectrum_facts(kernel, entry_error)

    def report(self) -> dict[str, Any]:
        """Return everything as JSON values; null for unknown or infinite values."""
        request = self.request
        inputs = [x for x in (request.x1, request.x2) if x is not None]
        report = {
            "ntkbench": __version__,
            "inputs": [
                {"file": file, "points": x.shape[0], "features": x.shape[1], "dtype": str(x.dtype)}
                for file, x in zip(request.files, inputs, strict=True)
            ],
            "architecture": request.architecture.model_dump(mode="json"),
            "diagonal": request.diagonal,
            "shape": list(request.shape),
            "dtype": request.dtype,
            "device": request.device,
            "kernel_seconds": self.seconds,
            "expansion_error": self.expansion_error,
            "kernels": self.kernels,
            "notes": self.notes,
            "out": None if request.out is None else str(request.out),
        }
        return _finite(report)  # type: ignore[no-any-return]

    def stored(self) -> dict[str, NDArray[np.str_]]:
        """Return the JSON that is stored beside the kernels: ``architecture`` and ``summary``."""
        return {
            "architecture": np.array(self.request.architecture.model_dump_json()),
            "summary": np.array(json.dumps(self.report(), allow_nan=False)),
        }

    def show(self) -> None:
        """Print the summary as a table."""
        request, a = self.request, self.request.architecture
        for name, file, x in zip(("X1", "X2"), request.files, (request.x1, request.x2), strict=False):
            if x is not None:
                click.echo(f"{name}        {file}: {len(x)} points, {x.shape[1]} features, {x.dtype}")
        click.echo(
            f"network   {a.activation}, depth {a.depth}, weight_std {a.weight_std:.6g}, bias_std {a.bias_std:.6g}, "
            f"{a.parameterization} parameterization"
        )
        click.echo(f"computed  {request.described()} on {request.device}, in {duration(self.seconds)}")
        cut = self.expansion_error
        click.echo(
            "accuracy  " + (f"expansion off by at most {cut:.1e} sqrt(k(x,x) k(x',x'))" if cut else "closed form")
        )
        rows = [
            [label, *(shown(found) for found in self.kernels.values())]
            for label, key, shown in _ROWS
            if any(key in found and (found[key] or key != "infinite_entries") for found in self.kernels.values())
        ]
        print_table("", ["", *self.kernels], rows)
        for note in self.notes:
            click.echo(f"note: {note}")
        if request.out is not None:
            click.echo(f"written   {request.out}, {quantity(request.out.stat().st_size, 'B')}")
        else:
            click.echo("Nothing is written; use --out FILE.npz to keep the kernels.")


def _finite(value: Any) -> Any:
    """Return JSON values with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _number(key: str) -> Any:
    return lambda found: f"{found[key]:.6g}" if found.get(key) is not None else ""


def _smallest(found: Facts) -> str:
    if "smallest_eigenvalue" not in found:
        return ""
    error = found["smallest_eigenvalue_error"]
    return f"{found['smallest_eigenvalue']:.6g} ± {error:.1e}, {found['definiteness']}"


def _condition(found: Facts) -> str:
    value, least = found.get("condition_number"), found.get("condition_number_at_least")
    if value is not None and least is not None and value <= _SHARP * least:
        return f"{value:.4g}"
    return "" if least is None else f"at least {least:.2g}"


_ROWS = (
    ("trace", "trace", _number("trace")),
    ("mean of the diagonal", "mean_diagonal", _number("mean_diagonal")),
    ("smallest entry", "smallest_entry", _number("smallest_entry")),
    ("largest entry", "largest_entry", _number("largest_entry")),
    ("infinite entries", "infinite_entries", lambda found: str(found["infinite_entries"])),
    ("largest eigenvalue", "largest_eigenvalue", _number("largest_eigenvalue")),
    ("smallest eigenvalue", "smallest_eigenvalue", _smallest),
    ("numerical rank", "numerical_rank", lambda found: str(found.get("numerical_rank", ""))),
    ("condition number", "condition_number", _condition),
)
