"""The architecture of a network family: everything but its width."""

from .nodes import Architecture

__all__ = ["Architecture"]
