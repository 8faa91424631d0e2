"""Devices, dtypes and the precision of matrix products."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ntkbench.plugin import DataError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ntkbench.plugin import Float

Precision = Literal["float32", "tf32", "bfloat16"]
_PRODUCTS: dict[Precision, str] = {"float32": "highest", "tf32": "high", "bfloat16": "medium"}  # torch's names
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def find_device(name: str) -> torch.device:
    """Return the device called ``cpu``, ``cuda`` or ``cuda:0``.

    :raises UnavailableError: for an unknown device, or one this machine does not have.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UnavailableError(f"device {name!r}: expected cpu, cuda, cuda:0, ...")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UnavailableError(f"device {name!r}: PyTorch {torch.__version__} sees no CUDA device here; use cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UnavailableError(f"device {name!r}: this machine has only {torch.cuda.device_count()} CUDA devices")
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
    """Compute float32 products in float32, not TF32 or bfloat16; restores the process's setting afterwards."""
    with products_in("float32"):
        yield


@contextmanager
def products_in(precision: Precision) -> Iterator[None]:
    """Multiply float32 matrices in ``precision`` if the device can, accumulating in float32, without autograd.

    Restores the process's setting afterwards.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(_PRODUCTS[precision])
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def check_precision(name: str, device: torch.device, dtype: torch.dtype) -> Precision:
    """Return ``name`` if it is a precision for this device and dtype.

    :raises DataError: for an unknown precision, or a reduced one with float64 networks.
    :raises UnavailableError: for TF32 on a CPU.
    """
    for known in _PRODUCTS:
        if name == known == "tf32" and device.type != "cuda":
            raise UnavailableError(f"precision tf32: {device.type} has none; use float32, bfloat16 or a CUDA device")
        if name == known != "float32" and dtype != torch.float32:
            raise DataError(f"precision {name} applies to float32 networks, not to {dtype}: leave it out")
        if name == known:
            return known
    raise DataError(f"precision {name!r}: expected one of {', '.join(_PRODUCTS)}")


def float64_array(tensor: Tensor) -> Float:
    """Return a tensor as a float64 numpy array; from a GPU this copies it to host memory."""
    return np.asarray(tensor.double().cpu().numpy())
