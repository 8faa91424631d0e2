"""Regression with kernels of any size: exact, step for step, and beyond what an eigendecomposition can bear.

:mod:`.source` says where the kernel's entries come from; :mod:`.cholesky`, :mod:`.conjugate` and :mod:`.krylov` know
matrices only; :mod:`.fits` joins them to what :class:`~ntkbench_jax.NTKRegressor` offers.
"""
