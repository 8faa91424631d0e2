"""Activations with the derivative that gradient descent needs, in place and by tensor operations alone."""

from .catalogue import find_activation
from .interface import TorchActivation

__all__ = ["TorchActivation", "find_activation"]
