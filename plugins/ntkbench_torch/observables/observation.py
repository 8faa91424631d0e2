"""What observables share: some networks at one moment, each intermediate computed when first asked for, and once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ntkbench.dynamics import Spectrum, decompose, precision_of
from ntkbench.plugin import Measurement

from ..empirical_ntk.tangent_kernel import activation_gram, layer_kernels, layer_traces, look
from ..networks.network import evaluate
from .linearization import linearize, numpy64
from .norms import spectral_norm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from ntkbench.plugin import Float, Solution
    from ntkbench.theory.losses import Loss
    from ntkbench.theory.optimizers import Optimizer

    from ..networks.network import LayerScales, Workspace


@dataclass(frozen=True, eq=False, kw_only=True)
class Snapshot:
    """What an observable sees of G members of one group at one recorded step.

    ``layers`` and ``initial``, as drawn, (G, n_l + 1, n_{l+1}); ``x`` (N, F), ``y`` (N, O), ``x_test`` (M, F);
    ``outputs`` (G, N, O) and ``outputs_test`` (G, M, O) now, the initial function taken off where ``centred``; ``last``
    says that no recorded step follows. A member whose outputs are not finite has no rows.
    """

    form: LayerScales
    layers: list[Tensor]
    initial: list[Tensor]
    x: Tensor
    y: Tensor
    x_test: Tensor
    outputs: Tensor
    outputs_test: Tensor
    first_member: int
    step: int
    time: float
    learning_rate: float
    last: bool
    optimizer: Optimizer = "gradient-descent"
    momentum: float = 0.0
    loss: Loss = "squared-error"
    batch_size: int | None = None
    subtract_init: bool = False
    slice_at: int = 0
    references: Mapping[str, Solution]

    def of(self, members: slice) -> Snapshot:
        """Return what is seen of some of the members."""
        return replace(
            self,
            layers=[layer[members] for layer in self.layers],
            initial=[layer[members] for layer in self.initial],
            outputs=self.outputs[members],
            outputs_test=self.outputs_test[members],
            first_member=self.first_member + members.start,
        )


class NetworkState:
    """Networks with given layers (G, n_l + 1, n_{l+1}) on training points x (N, F).

    Kernels are those that training follows, over ``output_scale^2``; in kernels of pairs of outputs, rows and columns
    go through the outputs first and the points of each output within.
    """

    def __init__(self, form: LayerScales, layers: list[Tensor], x: Tensor, *, forms_kernel: bool) -> None:
        self.form, self.layers, self.x, self.forms_kernel = form, layers, x, forms_kernel
        self.scale = form.output_scale**2

    @cached_property
    def space(self) -> Workspace:
        """Activations, slopes and outputs."""
        return look(self.form, self.layers, self.x)

    @cached_property
    def kernel(self) -> Tensor:
        """The tangent kernel (G, O N, O N), float64, summed up in the networks' own type."""
        return self._kernel_and_traces[0]

    @cached_property
    def traces(self) -> Tensor:
        """The trace of each layer's part of the tangent kernel (G, L), float64."""
        if self.forms_kernel:
            return self._kernel_and_traces[1]
        return layer_traces(self.form, self.layers, self.space).div_(self.scale)

    @cached_property
    def _kernel_and_traces(self) -> tuple[Tensor, Tensor]:
        rows = self.form.layers[-1] * len(self.x)
        traces = torch.zeros(len(self.layers[0]), len(self.layers), dtype=torch.float64, device=self.x.device)
        total: Tensor | None = None
        for index, part in layer_kernels(self.form, self.layers, self.space):
            flat = part.reshape(-1, rows, rows)
            traces[:, index] = flat.diagonal(dim1=1, dim2=2).sum(dim=1, dtype=torch.float64)
            total = flat if total is None else total.add_(flat)
        if total is None:
            raise ValueError("a network without layers has no kernel")
        return total.double().div_(self.scale), traces.div_(self.scale)

    @cached_property
    def mean_kernel(self) -> Tensor:
        """The mean over outputs of the kernel of each output with itself, (G, N, N), float64."""
        return self.blocks(self.kernel).diagonal(dim1=1, dim2=3).mean(dim=-1)

    @cached_property
    def nngp(self) -> Tensor:
        """The Gram matrix of the last hidden layer (G, N, N), float64: the covariance of outputs given that layer."""
        return activation_gram(self.form, self.space, None, len(self.layers) - 1).double().div_(self.scale)

    @cached_property
    def spectra(self) -> list[Spectrum]:
        """The kernel's eigenvalues and eigenvectors, of every network."""
        precision = precision_of(self.x[:0].cpu().numpy())
        return [replace(decompose(theta), precision=precision) for theta in self.kernel.cpu().numpy()]

    @cached_property
    def spectral_norms(self) -> dict[int, list[float]]:
        """The operator norm of every network's weights, by middle layer."""
        middle = range(1, len(self.layers) - 1)
        return {index: [spectral_norm(matrix) for matrix in self.layers[index][:, :-1]] for index in middle}

    def blocks(self, kernel: Tensor) -> Tensor:
        """Return a view (G, O, N, O, N) of kernels (G, O N, O N)."""
        n_outputs, points = self.form.layers[-1], len(self.x)
        return kernel.view(-1, n_outputs, points, n_outputs, points)


@dataclass(frozen=True, eq=False)
class Observation:
    """A view, with its networks ``now`` and as ``initial``; the latter is the same object at step 0."""

    view: Snapshot
    now: NetworkState
    initial: NetworkState

    @cached_property
    def alive(self) -> list[int]:
        """The positions of members whose outputs are finite."""
        view = self.view
        finite = torch.isfinite(view.outputs).flatten(1).all(dim=1)
        finite &= torch.isfinite(view.outputs_test).flatten(1).all(dim=1)
        return [k for k, ok in enumerate(finite.tolist()) if ok]

    @cached_property
    def start(self) -> tuple[Float, Float]:
        """The initial function on training points (G, N, O) and test points (G, M, O), float64."""
        view = self.view
        if view.subtract_init:
            return np.zeros(view.outputs.shape), np.zeros(view.outputs_test.shape)
        test = evaluate(view.form, view.initial, view.x_test)
        return numpy64(self.initial.space.outputs), numpy64(test)

    @cached_property
    def linearization(self) -> tuple[Float, Float]:
        """The linearizations' outputs on training points (G, N, O) and test points (G, M, O), float64."""
        return linearize(self.view, self.initial, self.start)

    def rows(
        self,
        metric: str,
        values: Sequence[float] | Float | Tensor,
        *,
        unit: str = "1",
        split: Literal["train", "test"] | None = None,
        reference: str | None = None,
        component: int | None = None,
    ) -> Iterator[Measurement]:
        """Yield a row for every member that is alive, of ``values`` (G,); none for a value that is not finite."""
        numbers = values.tolist() if isinstance(values, torch.Tensor) else [float(value) for value in values]
        for k in self.alive:
            if np.isfinite(numbers[k]):
                yield Measurement(
                    metric=metric,
                    value=numbers[k],
                    unit=unit,
                    reference=reference,
                    split=split,
                    member=self.view.first_member + k,
                    step=self.view.step,
                    time=self.view.time,
                    component=component,
                )


def frobenius(matrices: Tensor) -> Tensor:
    """Return the Frobenius norm of each matrix, (G, ...) to (G,), summed in float64."""
    return torch.linalg.vector_norm(matrices.flatten(1), dim=1, dtype=torch.float64)
