"""Dual activations: expectations of products of an activation, and of its derivative, over a Gaussian pair."""
