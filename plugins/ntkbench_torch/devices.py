"""Where and how exactly arithmetic is done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ntkbench.errors import DataError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def find_device(name: str) -> torch.device:
    """Return the device called ``cpu``, ``cuda`` or ``cuda:0``.

    :raises UnavailableError: for a device that does not exist here, or that nobody knows.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UnavailableError(f"device {name!r}: expected cpu, cuda, or cuda:0 and the like")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UnavailableError(f"device {name!r}: PyTorch {torch.__version__} sees no CUDA device here; use cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UnavailableError(f"device {name!r}: there are only {torch.cuda.device_count()} CUDA devices here")
    return device


def find_dtype(name: str) -> torch.dtype:
    """Return the torch type called ``float32`` or ``float64``.

    :raises DataError: for any other.
    """
    if name not in _DTYPES:
        raise DataError(f"dtype {name!r}: expected one of {', '.join(_DTYPES)}")
    return _DTYPES[name]


@contextmanager
def full_precision() -> Iterator[None]:
    """Do float32 products in float32: no TF32, no bfloat16, whatever the process had chosen, which is put back."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_float32_matmul_precision(before)
