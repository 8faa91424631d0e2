"""JAX's switch to 64-bit numbers, for all supported versions of JAX; it applies to the thread that sets it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import jax

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

# before JAX 0.8 it is in jax.experimental
_HOME = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
enable_x64: Callable[[bool], AbstractContextManager[None]] = _HOME.enable_x64
