"""Kernel regression for any number of points, also beyond the reach of an eigendecomposition.

:mod:`.source` supplies the kernel's entries, and is the only part to replace for a kernel stored elsewhere.
:mod:`.dense`, :mod:`.cholesky`, :mod:`.conjugate`, :mod:`.lanczos` and :mod:`.krylov` work on matrices or their
products. :mod:`.eigen`, :mod:`.direct` and :mod:`.iterative` are the solvers of a :mod:`.problem`, among which
:mod:`.choose` chooses for :class:`~ntkbench_jax.NTKRegressor`.
"""
