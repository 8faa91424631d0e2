"""Arrays of the shapes that the core's tests use: problems, requests, and what solvers of them return."""

import numpy as np

from ntkbench.plugin.types import Problem, Request, Training

N, M, F, O, T, E = 5, 4, 3, 2, 3, 6  # noqa: E741


def problem(**changes):
    """Return the same problem every time, but for ``changes``."""
    rng = np.random.default_rng(0)
    fields = {
        "x_train": rng.normal(3, 2, (N, F)),
        "y_train": rng.normal(-1, 5, (N, O)),
        "x_test": rng.normal(3, 2, (M, F)),
        "y_test": rng.normal(-1, 5, (M, O)),
    }
    return Problem(**fields | changes)


def request(role="subject"):
    return Request(
        problem=problem(),
        architecture=None,
        training=Training(learning_rate=0.1, steps=np.arange(T)),
        parameters=None,
        members=E if role == "subject" else 0,
    )


GOOD = {
    "times": np.arange(T) * 0.1,
    "steps": np.arange(T),
    "mean_train": np.zeros((T, N, O)),
    "mean_test": np.zeros((T, M, O)),
    "variance_train": np.zeros((T, N, O)),
    "variance_test": np.zeros((T, M, O)),
    "covariance_test": np.zeros((T, M, M)),
    "kernel_train": np.eye(N),
    "kernel_test": np.zeros((M, N)),
    "eigenvalues": np.ones(N),
    "eigenvectors": np.eye(N),
}
MEMBERS = {
    "members_train": np.zeros((E, T, N, O)),
    "members_test": np.zeros((E, T, M, O)),
    "diverged_at": np.full(E, -1),
}
