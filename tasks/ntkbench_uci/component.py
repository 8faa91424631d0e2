"""``uci/optical-digits-component``: learn one kernel principal component of handwritten digits (J18 Fig. 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkbench.architecture.nodes import Architecture
from ntkbench.plugin import DataError, Problem, stratified_rows

from .collection import COLLECTION
from .readers import read
from .scaling import standardised

if TYPE_CHECKING:
    from ntkbench.plugin import Float

    from .parameters import Component

_WHITE = 16.0  # the largest pixel value
_APART = 1e-9  # of the largest eigenvalue: eigenvectors of closer ones are not unique


def load(parameters: Component, split_index: int, seed: int) -> Problem:
    """Return digits (N, 64) and the targets ``scale sqrt(N) v_i`` (N, 1).

    v_i is the i-th unit eigenvector of the NTK's Gram matrix T of the parameters' architecture, so that the target is
    ``scale`` times a component of unit norm in p^in (mean square 1 over the training points). Its sign is such that
    the entry of largest magnitude is positive. Test targets continue it by the kernel,
    ``scale sqrt(N) Theta(x, X) v_i / lambda_i``, the limit of descent with this kernel from f_0 = 0.

    T must be that of the inputs as trained on, so they are scaled here: standardised as the core does elsewhere, by the
    training rows' mean and standard deviation (ddof 0; a constant pixel has scale 1), or only divided by the largest
    pixel value, 16.

    :raises DataError: if the eigenvalue is not simple, or the split does not fit the data.
    """
    x, labels = read(COLLECTION["optical-digits"])
    n_train, n_test = parameters.n_train, parameters.n_test
    train, test = stratified_rows(labels.astype(np.int64), n_train, n_test, seed, split_index)
    x_train, x_test = (
        standardised(x[train], x[test]) if parameters.standardise else (x[train] / _WHITE, x[test] / _WHITE)
    )
    y_train, y_test = _targets(_ntk(np.concatenate([x_train, x_test]), parameters), parameters)
    return Problem(x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def _targets(kernel: Float, parameters: Component) -> tuple[Float, Float]:
    """Return training (N, 1) and test targets (M, 1) of the kernel (N + M, N + M) on both."""
    n, i = parameters.n_train, parameters.component
    ascending, vectors = np.linalg.eigh(kernel[:n, :n])
    eigenvalues = ascending[::-1]
    gaps = np.abs(np.delete(eigenvalues, i - 1) - eigenvalues[i - 1])
    if gaps.min(initial=np.inf) <= _APART * eigenvalues[0]:
        raise DataError(
            f"uci/optical-digits-component: eigenvalue {i} of {n} is not simple, so component {i} is not unique; take "
            "a smaller component, fewer training rows or a nonlinear activation"
        )
    v = vectors[:, -i]
    v = v * np.sign(v[np.argmax(np.abs(v))])
    y = parameters.scale * np.sqrt(n) * v
    return y[:, None], (kernel[n:, :n] @ y / eigenvalues[i - 1])[:, None]


def _ntk(x: Float, parameters: Component) -> Float:
    from ntkbench_jax import analytic_kernels

    keys = {"depth", "activation", "weight_std", "bias_std"}
    architecture = Architecture(**parameters.model_dump(include=keys))
    return np.array(analytic_kernels(x, architecture=architecture).ntk, dtype=np.float64)
