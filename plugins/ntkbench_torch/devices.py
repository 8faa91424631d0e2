"""Where and how exactly arithmetic is done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch

from ntkbench.plugin import DataError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

Precision = Literal["float32", "tf32", "bfloat16"]
_PRODUCTS: dict[Precision, str] = {"float32": "highest", "tf32": "high", "bfloat16": "medium"}  # as torch calls them
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
    with products_in("float32"):
        yield


@contextmanager
def products_in(precision: Precision) -> Iterator[None]:
    """Multiply float32 matrices with the digits of ``precision``, where the device can, and add up in float32.

    What the process had chosen is put back. No graph of autograd is kept meanwhile.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(_PRODUCTS[precision])
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def check_precision(name: str, device: torch.device, dtype: torch.dtype) -> Precision:
    """Return ``name`` if products can be done so.

    :raises DataError: for a precision nobody knows, or one of float64 networks.
    :raises UnavailableError: for TF32 on a CPU, which has none.
    """
    for known in _PRODUCTS:
        if name == known == "tf32" and device.type != "cuda":
            raise UnavailableError(f"precision tf32: {device.type} has none; use float32, bfloat16 or a CUDA device")
        if name == known != "float32" and dtype != torch.float32:
            raise DataError(f"precision {name} is of products of float32 networks, not of {dtype}: leave it out")
        if name == known:
            return known
    raise DataError(f"precision {name!r}: expected one of {', '.join(_PRODUCTS)}")
