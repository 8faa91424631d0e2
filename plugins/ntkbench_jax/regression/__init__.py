"""Regression with kernels of any size: exact, step for step, and beyond what an eigendecomposition can bear.

:mod:`.source` says where the kernel's entries come from, the one thing to replace for a kernel kept elsewhere;
:mod:`.dense`, :mod:`.cholesky`, :mod:`.conjugate`, :mod:`.lanczos` and :mod:`.krylov` know matrices, or their products,
only; :mod:`.eigen`, :mod:`.direct` and :mod:`.iterative` are the ways of fitting a :mod:`.problem`, between which
:mod:`.choose` chooses for :class:`~ntkbench_jax.NTKRegressor`.
"""
