"""Networks at one step, with their kernels and activations: each computed on first use and kept."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from ntkbench.dynamics import Spectrum, decompose, precision_of

from ..empirical_ntk.tangent_kernel import activation_gram, layer_kernels, layer_traces, propagate
from .norms import spectral_norm

if TYPE_CHECKING:
    from torch import Tensor

    from ..networks.network import LayerScales, Workspace


class NetworkState:
    """Networks with layers (G, n_l + 1, n_{l+1}), evaluated on training points x (N, F).

    Kernels are those of the trained function divided by ``output_scale^2``. Rows and columns of a kernel of all
    outputs are sorted by output, then by point.

    :param forms_kernel: whether some observable needs the full tangent kernel; traces are then read off it.
    """

    def __init__(self, scales: LayerScales, layers: list[Tensor], x: Tensor, *, forms_kernel: bool) -> None:
        self.scales, self.layers, self.x, self.forms_kernel = scales, layers, x, forms_kernel
        self.kernel_scale = scales.output_scale**2
        self._spectra: dict[int, Spectrum] = {}

    @cached_property
    def space(self) -> Workspace:
        """Activations, slopes and outputs on the training points."""
        return propagate(self.scales, self.layers, self.x)

    @cached_property
    def kernel(self) -> Tensor:
        """The tangent kernel (G, O N, O N), float64, summed in the networks' own dtype."""
        return self._kernel_and_traces[0]

    @cached_property
    def traces(self) -> Tensor:
        """The trace of each layer's contribution to the tangent kernel (G, L), float64."""
        if self.forms_kernel:
            return self._kernel_and_traces[1]
        return layer_traces(self.scales, self.layers, self.space).div_(self.kernel_scale)

    @cached_property
    def _kernel_and_traces(self) -> tuple[Tensor, Tensor]:
        rows = self.scales.layers[-1] * len(self.x)
        traces = torch.zeros(len(self.layers[0]), len(self.layers), dtype=torch.float64, device=self.x.device)
        total: Tensor | None = None
        for index, part in layer_kernels(self.scales, self.layers, self.space):
            flat = part.reshape(-1, rows, rows)
            traces[:, index] = flat.diagonal(dim1=1, dim2=2).sum(dim=1, dtype=torch.float64)
            total = flat if total is None else total.add_(flat)
        if total is None:
            raise ValueError("a network without layers has no kernel")
        return total.double().div_(self.kernel_scale), traces.div_(self.kernel_scale)

    @cached_property
    def mean_kernel(self) -> Tensor:
        """The tangent kernel averaged over outputs, (G, N, N), float64."""
        return self.blocks(self.kernel).diagonal(dim1=1, dim2=3).mean(dim=-1)

    @cached_property
    def nngp(self) -> Tensor:
        """The Gram matrix of the last hidden layer (G, N, N), float64: the outputs' covariance given that layer."""
        return activation_gram(self.scales, self.space, None, len(self.layers) - 1).double().div_(self.kernel_scale)

    def spectrum(self, member: int) -> Spectrum:
        """Return the eigendecomposition of one network's tangent kernel.

        :raises DataError: for a kernel that is not finite.
        """
        if member not in self._spectra:
            precision = precision_of(self.x[:0].cpu().numpy())
            found = decompose(self.kernel[member].cpu().numpy())
            self._spectra[member] = replace(found, precision=precision)
        return self._spectra[member]

    @cached_property
    def spectral_norms(self) -> dict[int, list[float]]:
        """The operator norm of every network's weights, by index of the middle layer."""
        middle = range(1, len(self.layers) - 1)
        return {index: [spectral_norm(matrix) for matrix in self.layers[index][:, :-1]] for index in middle}

    def blocks(self, kernel: Tensor) -> Tensor:
        """Return a view (G, O, N, O, N) of kernels (G, O N, O N)."""
        n_outputs, points = self.scales.layers[-1], len(self.x)
        return kernel.view(-1, n_outputs, points, n_outputs, points)
