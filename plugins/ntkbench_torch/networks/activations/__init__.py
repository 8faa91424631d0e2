"""Activations and their derivatives, computed in place by tensor operations."""

from .catalogue import find_activation
from .interface import TorchActivation

__all__ = ["TorchActivation", "find_activation"]
