"""The observables of networks in training. Light: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ntkbench.theory.losses import Loss
    from ntkbench.theory.optimizers import Optimizer

OBSERVABLES: dict[str, str] = {
    "activation_change": "how far individual activations have moved, per hidden layer (C5)",
    "activation_statistics": "mean, RMS and inactive fraction of activations, per hidden layer (C1)",
    "alignment": "the tangent kernel's alignment (CKA) with its initial self and with the targets (C4)",
    "component_learning": "along component 2 of each reference's kernel: residuals and kernel growth (C15)",
    "cost_rate": "the squared norm of the training direction under each network's kernel and the limits' (C12)",
    "initial_moments": "of the ensemble at initialization: NNGP bias, output kurtosis, NTK variance (C1, C2)",
    "kernel_residuals": "the residual along the leading eigenspaces of each reference's kernel (C9)",
    "largest_eigenvalue": "the largest eigenvalue of the tangent kernel's Gram matrix (C14)",
    "layer_share": "each layer's share of the tangent kernel's trace (C5)",
    "linearization_distance": "distance to the network's own linearization, trained in the same way (C6)",
    "linearization_split": "network to linearization, and linearization to each reference's prediction (C7)",
    "nngp_distance": "distance of the empirical NNGP kernel to each reference's kernel (C1)",
    "ntk_change": "change of the tangent kernel since initialization, and of its mean diagonal, signed (C4)",
    "ntk_distance": "distance of the tangent kernel to each reference's kernel (C2)",
    "ntk_slice": "the tangent kernel between one test point, slice_at, and all test points (J18 Fig. 1)",
    "output_blocks": "size of the tangent kernel's blocks between different outputs (C3)",
    "smallest_eigenvalue": "the tangent kernel's smallest eigenvalue, with a bound on its error (C13)",
    "weight_change": "how far weights and hidden biases have moved, per layer (C5)",
    "weight_norm": "the operator norm of middle layers' initial weights over the root of their fan-in (C1)",
}
THRESHOLDS: dict[str, str] = {
    "stability_onset": "the rate at which the loss first exceeds its initial value; and the own linearization's (C14)",
    "linearization_onset": "that of linearizations alone, without training (C14)",
    "largest_trainable": "the largest rate that reaches a share of the initial loss, by training (C14)",
}
"""The observables of the backend ``torch-stability``."""
OBSERVABLE_OF_ALL = "initial_moments"  # measured on all members together, not group by group
OBSERVED_BY_DEFAULT = ("ntk_distance", "ntk_change")
FORMING_KERNEL = frozenset(
    {"ntk_distance", "output_blocks", "ntk_change", "alignment", "initial_moments", "smallest_eigenvalue"}
)
BETWEEN = frozenset(
    {
        "activation_statistics",
        "activation_change",
        "weight_change",
        "component_learning",
        "cost_rate",
        "kernel_residuals",
        "linearization_distance",
        "linearization_split",
    }
)
LINEARIZED = frozenset({"component_learning", "linearization_distance", "linearization_split"})


def inapplicable(
    name: str, /, *, optimizer: Optimizer, loss: Loss, batch_size: int | None, non_gradient: float = 0.0
) -> str | None:
    """Return why an observable has no rows with this training, or None."""
    if name not in LINEARIZED:
        return None
    if optimizer == "adam":
        return f"{name} has no closed form with adam: its steps are not linear in the gradient"
    if loss != "squared-error":
        return f"{name} has no closed form with {loss}: the linearization has linear dynamics only for squared error"
    if batch_size is not None:
        return f"{name} has no closed form with batches of {batch_size}: it needs steps on all points"
    if non_gradient:
        return f"{name} has no closed form along a direction that is not a gradient (training.non_gradient)"
    return None
