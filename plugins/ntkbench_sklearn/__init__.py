"""Backends from scikit-learn: machines on the kernels of infinitely wide networks, and plain baselines."""
