"""What a network is, but for its width."""

from .nodes import Architecture

__all__ = ["Architecture"]
