"""What only the backend can see: the empirical tangent kernel against its limit, and against itself (C2, C4).

Distances are between full output blocks, (N O) x (N O), and Theta (x) Id: one definition for any number of outputs. Its
cost grows with O^2; members are taken one at a time, so that three such matrices are in memory at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.linalg import norm

from ntkbench.exchange import Measurement

from .norms import operator_norm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ntkbench.exchange import Float, Solution

    from ..ensemble import NetworkEnsemble


def block_kernel(ensemble: NetworkEnsemble, x: Float, member: int) -> Float:
    """Return one member's kernel on x (N, F) as a float64 matrix (N O, N O), points outer and outputs inner."""
    theta = ensemble.ntk(x, outputs="all", member=member)[0].permute(0, 2, 1, 3)
    rows = theta.shape[0] * theta.shape[1]
    return theta.reshape(rows, rows).double().cpu().numpy()


def ntk_distance(
    ensemble: NetworkEnsemble, x: Float, references: Mapping[str, Solution], *, step: int, time: float
) -> Iterator[Measurement]:
    """Yield each member's distance to each reference's kernel, relative, in Frobenius and in operator norm (C2).

    ``|That - T (x) Id|_F / |T (x) Id|_F``, and the largest absolute eigenvalue of the difference over the largest of T.
    A reference without ``kernel_train`` is passed over, and so is a member that is not finite.
    """
    known = {label: kernel for label, law in references.items() if (kernel := law.kernel_train) is not None}
    sizes = {label: (norm(kernel), operator_norm(kernel)) for label, kernel in known.items()}
    for member in range(ensemble.members if known else 0):
        theta = block_kernel(ensemble, x, member)
        outputs = len(theta) // len(x)
        if not np.isfinite(theta).all():
            continue
        for label, kernel in known.items():
            frobenius, largest = sizes[label]
            difference = theta - np.kron(kernel, np.eye(outputs))
            values = {
                "ntk_distance_frobenius": norm(difference) / (frobenius * outputs**0.5),
                "ntk_distance_operator": operator_norm(difference) / largest,
            }
            yield from _rows(values, ensemble.first_member + member, step, time, label)


def ntk_change(
    ensemble: NetworkEnsemble, initial: NetworkEnsemble, x: Float, *, step: int, time: float
) -> Iterator[Measurement]:
    """Yield how far each member's kernel is from the one it was drawn with (C4).

    ``|That_t - That_0|_F / |That_0|_F``, and the signed relative change of the mean of the diagonal. A member that is
    no longer finite is passed over.
    """
    for member in range(ensemble.members):
        theta = block_kernel(ensemble, x, member)
        if not np.isfinite(theta).all():
            continue
        before = block_kernel(initial, x, member)
        values = {
            "ntk_change_frobenius": norm(theta - before) / norm(before),
            "ntk_change_mean_diagonal": np.trace(theta) / np.trace(before) - 1,
        }
        yield from _rows(values, ensemble.first_member + member, step, time, None)


def _rows(
    values: Mapping[str, float], member: int, step: int, time: float, reference: str | None
) -> Iterator[Measurement]:
    for metric, value in values.items():
        if np.isfinite(value):
            yield Measurement(
                metric=metric,
                value=float(value),
                unit="1",
                goal="none",
                reference=reference,
                split="train",
                member=member,
                step=step,
                time=time,
            )
