"""Ensembles of fully-connected networks: the public face of this package."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Literal

import torch

from ntkbench.plugin import DataError, UnavailableError

from ..devices import full_precision
from ..empirical_ntk.tangent_kernel import tangent_kernel
from ..plugin import unsupported
from ..training.grouped import GroupedEnsemble
from .fully_connected import FullyConnected
from .initialization import draw_layer
from .layout import group_size, parameter_count
from .module_ensemble import ModuleEnsemble
from .network import LayerScales, empty_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ntkbench.architecture.nodes import Architecture

    from ..training.grouped import Array
    from .network import TrainedLayers


class NetworkEnsemble(GroupedEnsemble):
    """Networks of one architecture and width, drawn at random and trained at once.

    Member k depends on ``(seed, width, k)`` alone, up to the shapes of its layers: not on the device, the other members
    or their number. It is drawn on the CPU in float64; its float32 version is that network rounded.

    :param architecture: depth, activation, weight_std, bias_std, parameterization.
    :param width: of every hidden layer, or one int per hidden layer; not looked at without hidden layers.
    :param first_member: k of the first member.
    :param output_scale: alpha: the network is alpha times the architecture's, trained at a learning rate over alpha^2
        (claim C17); ``subtract_init``: less its own initial function, ``alpha (h - h_0)``.
    :param trained_layers: ``all``, or ``last``: the readout alone (claim C16).
    :raises UnavailableError: for an architecture or a device that is not supported here.
    :raises DataError: for widths or a dtype that make no sense.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        in_features: int,
        out_features: int,
        width: int | Sequence[int] | None,
        members: int,
        seed: int,
        device: str = "cpu",
        dtype: str = "float32",
        first_member: int = 0,
        output_scale: float = 1.0,
        subtract_init: bool = False,
        trained_layers: TrainedLayers = "all",
    ) -> None:
        if reason := unsupported(architecture):
            raise UnavailableError(f"backend torch: {reason}")
        super().__init__(
            members=members,
            seed=seed,
            device=device,
            dtype=dtype,
            first_member=first_member,
            subtract_init=subtract_init,
        )
        widths = width if width is None or isinstance(width, int) else tuple(width)
        if not (isfinite(output_scale) and output_scale > 0):
            raise DataError(f"output_scale is {output_scale}: expected a positive number")
        if trained_layers not in ("all", "last"):
            raise DataError(f"trained_layers is {trained_layers!r}: expected 'all' or 'last'")
        self.form = LayerScales.of(
            architecture,
            in_features,
            widths,
            out_features,
            output_scale=output_scale,
            trained_layers=trained_layers,
        )
        self.architecture = architecture
        self._arrange(group_size(self.form.layers, self.device.type))
        self._groups = [self._draw(group) for group in range(len(self._starts))]

    @staticmethod
    def from_module(
        factory: Callable[[], torch.nn.Module],
        *,
        members: int,
        seed: int,
        device: str = "cpu",
        dtype: str = "float32",
        first_member: int = 0,
        subtract_init: bool = False,
    ) -> ModuleEnsemble:
        """Return an ensemble of networks of the user's own making: see :class:`.ModuleEnsemble`."""
        return ModuleEnsemble(
            factory,
            members=members,
            seed=seed,
            device=device,
            dtype=dtype,
            first_member=first_member,
            subtract_init=subtract_init,
        )

    @property
    def parameters(self) -> int:
        """P, the number of parameters of one member."""
        return parameter_count(self.form.layers)

    def layers(self) -> list[Tensor]:
        """Return every member's layers (members, n_l + 1, n_{l+1}), the bias as last row; views where they can be."""
        if len(self._groups) == 1:
            return [self._members(layer) for layer in self._groups[0]]
        return [self._members(torch.cat(parts)) for parts in zip(*self._groups, strict=True)]

    def ntk(
        self,
        x1: Array,
        x2: Array | None = None,
        outputs: Literal["mean", "all"] = "mean",
        *,
        member: int | None = None,
    ) -> Tensor:
        """Return the empirical tangent kernel of every member between ``x1`` (n1, F) and ``x2`` (n2, F).

        :param x2: None for ``x1`` again.
        :param outputs: ``mean``, (members, n1, n2): the mean over outputs of the kernel of each output with itself,
            whose limit is the analytic kernel; ``all``, (members, n1, n2, O, O): of every output with every other.
        :param member: position of the one member to look at, (1, ...); None for all.
        """
        if outputs not in ("mean", "all"):
            raise DataError(f"outputs is {outputs!r}: expected 'mean' or 'all'")
        left, right = self._points("x1", x1), None if x2 is None else self._points("x2", x2)
        full = outputs == "all"
        with full_precision():
            if member is not None:
                return tangent_kernel(self.form, self._layers_of(member), left, right, full=full)
            parts = [tangent_kernel(self.form, layers, left, right, full=full) for layers in self._groups]
            return self._members(torch.cat(parts))

    def _networks(self, group: int) -> FullyConnected:
        return FullyConnected(self.form, self._groups[group])

    def _drawn(self, group: int) -> FullyConnected:
        return FullyConnected(self.form, self._draw(group))

    def _draw(self, group: int) -> list[Tensor]:
        """Draw the members of a group that exist; the idle ones at either end are networks of zeros."""
        layers = empty_layers(self.form, self.group, self.device, self.dtype)
        for member in self._here(group):
            slot = member % self.group
            for index, layer in enumerate(layers):
                draw_layer(layer[slot], seed=self.seed, widths=self.form.layers[1:-1], layer=index, member=member)
        return layers

    def _layers_of(self, member: int) -> list[Tensor]:
        group, slot = self._place(member)
        return [layer[slot : slot + 1] for layer in self._groups[group]]

    def _points(self, name: str, x: Array) -> Tensor:
        points = self.tensor(x)
        if points.ndim != 2 or points.shape[1] != self.form.layers[0]:
            raise DataError(f"{name} has shape {tuple(points.shape)}, expected (points, {self.form.layers[0]})")
        return points

    def _out_features(self, points: Tensor) -> int:
        return self.form.layers[-1]
