"""Gradient flow of convex losses."""
