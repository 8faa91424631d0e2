"""``ntkbench kernel``: kernels of the user's own arrays. Light: imports only click."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntkbench.plugin import JSON_OPTION, PLUGIN_OPTION
from ntkbench.theory.activations import CATALOGUE

from ..activations import FUNCTIONS

if TYPE_CHECKING:
    import numpy as np

    from ntkbench.architecture.nodes import Architecture

    from .array_files import Matrix
    from .request import KernelRequest

_PARAMETERIZATIONS = ("ntk", "standard", "standard-global-rate")
_FILE = click.Path(path_type=Path)


def _activations() -> str:
    closed = {name: entry for name, entry in CATALOGUE.items() if entry.closed_form}
    lines = [f"  {name}{_defaults(entry.defaults)}: {entry.formula}" for name, entry in closed.items()]
    numerical = f"To 1e-13, with the achieved error: {', '.join(FUNCTIONS)};\nand functions as module:function."
    return "\b\nActivations in closed form:\n" + "\n".join(lines) + "\n\n\b\n" + numerical


def _defaults(parameters: dict[str, Any]) -> str:
    inside = ", ".join(f"{key}={list(v) if isinstance(v, tuple) else v}" for key, v in parameters.items())
    return f"({inside})" if inside else ""


@click.command("kernel", epilog=_activations())
@click.argument("x1", type=_FILE)
@click.argument("x2", type=_FILE, required=False)
@click.option("--depth", type=int, help="Hidden layers; 0 is a linear model.  [default: 2]")
@click.option("--activation", help="relu, leaky_relu(slope=0.1), ...: see below.  [default: relu]")
@click.option("--weight-std", type=float, help="sigma_w.  [default: 1.4142..., the root of 2]")
@click.option("--bias-std", type=float, help="sigma_b.  [default: 0.1]")
@click.option("--parameterization", type=click.Choice(_PARAMETERIZATIONS), help="[default: ntk]")
@click.option("--kernel", type=click.Choice(["ntk", "nngp", "both"]), default="both", show_default=True)
@click.option("--diagonal", is_flag=True, help="Only k(x, x) of each point of X1.")
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="[default: float32 if all inputs are]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--array", "arrays", multiple=True, metavar="NAME", help="Array of an .npz; twice: of X1, of X2.")
@click.option("--delimiter", help="Separator of columns in a text file; ' ' is any white space.  [default: detected]")
@click.option("--encoding", default="utf-8", show_default=True, help="Of a text file, such as latin-1.")
@click.option("--header/--no-header", default=None, help="Whether a text file starts with names.  [default: detected]")
@click.option(
    "--out", type=_FILE, metavar="FILE.npz", help="Write the kernels, and the architecture as JSON, to this file."
)
@click.option("--force", is_flag=True, help="Replace that file if it exists.")
@click.option(
    "--spectrum/--no-spectrum",
    default=None,
    help="Compute the spectrum.  [default: for X1 without X2, up to 4000 points]",
)
@PLUGIN_OPTION
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@JSON_OPTION
def kernel_command(**options: Any) -> None:
    """Compute kernels of infinitely wide networks.

    X1 and X2 are .npy, .npz, .parquet or text files (.csv, .tsv, .txt; also .gz, .bz2, .xz) of numbers, a row per point
    and a column per feature; without X2, X1 with itself. Nothing is centred or scaled. The summary gives accuracy and
    conditioning. FILE.npz holds the arrays nngp and ntk and, as JSON, the architecture and the summary without the
    spectrum.
    """
    from .array_files import write_npz

    request = _request(options)
    from .summary import KernelSummary  # imports JAX: after mistakes have been reported

    started = time.perf_counter()
    with _status(options, f"Computing {request.described()}"):
        kernels = _compute(request)
        error = _expansion_error(request)
    summary = KernelSummary.of(request, kernels, error, time.perf_counter() - started)
    if request.out is not None:
        with _status(options, f"Writing {request.out}"):
            write_npz(request.out, {**kernels, **summary.stored()}, force=request.force)
    if request.spectrum:
        with _status(options, "Diagonalising" + ("" if request.out is None else f" ({request.out} is written)")):
            summary.add_spectra(kernels)
    if options["as_json"]:
        click.echo(json.dumps(summary.report(), indent=2, allow_nan=False))
    else:
        summary.show()


def _request(options: dict[str, Any]) -> KernelRequest:
    """Build the request, and report every mistake before the work starts."""
    from ntkbench.plugin import load_registry, require_available

    from ..backends import JAX
    from .array_files import check_target
    from .request import KernelRequest

    require_available(JAX)
    if options["plugins"]:
        load_registry(options["plugins"])
    architecture = _architecture(options)
    out: Path | None = options["out"]
    if out is not None:
        check_target(out, force=options["force"])
        for path in (options["x1"], options["x2"]):
            if path is not None and path.exists() and out.exists() and out.samefile(path):
                raise click.UsageError(f"--out {out} is the file of the points itself")
    x1, x2 = _inputs(options)
    return KernelRequest.of(x1, x2, architecture, options)


def _architecture(options: dict[str, Any]) -> Architecture:
    from pydantic import ValidationError

    from ntkbench.architecture.nodes import Architecture
    from ntkbench.plugin import UnavailableError

    from ..activations import unsupported

    names = ("depth", "activation", "weight_std", "bias_std", "parameterization")
    try:
        architecture = Architecture(**{name: options[name] for name in names if options[name] is not None})
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        message = detail["msg"].removeprefix("Value error, ")
        option = f"--{detail['loc'][0]}".replace("_", "-")
        raise click.BadParameter(f"{message} (got {detail['input']})", param_hint=option) from None
    if reason := unsupported(architecture):
        raise UnavailableError(reason)
    return architecture


def _inputs(options: dict[str, Any]) -> tuple[Matrix, Matrix | None]:
    from .array_files import read_matrix

    x1, x2, arrays = options["x1"], options["x2"], options["arrays"]
    paths = [path for path in (x1, x2) if path is not None]
    if arrays and not any(path.suffix.lower() == ".npz" for path in paths):
        raise click.UsageError("--array names an array of an .npz file, but no such file is given")
    if len(arrays) > len(paths):
        raise click.UsageError(f"--array is given {len(arrays)} times, for {len(paths)} file(s)")
    if x2 is not None and options["diagonal"]:
        raise click.UsageError("--diagonal applies to X1 only; leave X2 out")
    delimiter = "\t" if options["delimiter"] == "\\t" else options["delimiter"]
    found = [
        read_matrix(path, array=name, delimiter=delimiter, header=options["header"], encoding=options["encoding"])
        for path, name in zip(paths, [*arrays[:1] * (len(paths) - len(arrays)), *arrays] or [None] * 2, strict=False)
    ]
    return found[0], found[1] if x2 is not None else None


def _compute(request: KernelRequest) -> dict[str, np.ndarray[Any, Any]]:
    """Return the kernels by name."""
    from ntkbench.plugin import DataError

    from ..kernels import analytic as kernels

    how: dict[str, Any] = {
        "architecture": request.architecture, "dtype": request.dtype, "device": request.device,
    }  # fmt: skip
    try:
        if request.diagonal:
            both = kernels.kernel_diagonal(request.x1, **how)
        elif len(request.kernels) == 2:
            both = kernels.analytic_kernels(request.x1, request.x2, **how)
        else:
            how["kernel"] = request.kernels[0]
            return {request.kernels[0]: kernels.analytic_kernel(request.x1, request.x2, **how)}
    except MemoryError:
        raise DataError(f"{request.described()} do not fit into memory") from None
    return {name: getattr(both, name) for name in request.kernels}


def _expansion_error(request: KernelRequest) -> float:
    from ..kernels.analytic import kernel_error

    return kernel_error(request.x1, request.x2, architecture=request.architecture)


def _status(options: dict[str, Any], text: str) -> AbstractContextManager[Any]:
    """Show progress on a terminal."""
    from rich.markup import escape

    from ntkbench.plugin.terminal import make_console

    console = make_console(stderr=True)
    quiet = options["quiet"] or options["as_json"] or not console.is_terminal
    return nullcontext() if quiet else console.status(escape(text))
