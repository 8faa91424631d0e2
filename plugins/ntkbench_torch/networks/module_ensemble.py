"""Ensembles of the user's own modules, by ``torch.func``: no ensemble code is needed of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.func import functional_call, jacrev, stack_module_state, vjp, vmap

from ntkbench.plugin import DataError

from ..devices import full_precision
from ..training.grouped import GroupedEnsemble
from ..training.updates import Coordinates, find_update
from .layout import group_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from ..training.grouped import Array
    from ..training.updates import Update

    Parameters = dict[str, Tensor]

_BLOCK = 4096  # points evaluated at a time
_JACOBIAN_FLOATS = 2**26  # of a block of rows of the Jacobian


class ModuleEnsemble(GroupedEnsemble):
    """Networks that a factory makes, trained at once, each as it is called: ``module(x)`` is (n, O) for n points x.

    Member k depends on ``(seed, k)`` alone: the factory is called on the CPU, with PyTorch's generator seeded for each
    member and float64 as the default type; what it returns is then converted to ``dtype``. Parameters that require no
    gradient, and buffers, stay as they are. Training follows the module's own parameters at one learning rate.

    :param factory: returns a new module whenever it is called, always of the same shapes. Points must not depend on
        each other, nor outputs on chance: no batch norm or dropout in training mode.
    :param first_member: k of the first member; ``subtract_init``: less its own initial function, ``f - f_0``.
    :raises DataError: for a factory whose modules cannot be trained so, or numbers that make no sense.
    :raises UnavailableError: for a device that is not there.
    """

    def __init__(
        self,
        factory: Callable[[], nn.Module],
        *,
        members: int,
        seed: int,
        device: str = "cpu",
        dtype: str = "float32",
        first_member: int = 0,
        subtract_init: bool = False,
    ) -> None:
        super().__init__(
            members=members,
            seed=seed,
            device=device,
            dtype=dtype,
            first_member=first_member,
            subtract_init=subtract_init,
        )
        self._factory = factory
        self._module = _checked(self._make(first_member))
        self._arrange(group_of(self.parameters, self.device.type))
        self._groups = [self._draw(group) for group in range(len(self._starts))]

    @property
    def parameters(self) -> int:
        """P, the number of parameters of one member that are trained."""
        return sum(parameter.numel() for parameter in self._module.parameters() if parameter.requires_grad)

    def weights(self) -> Parameters:
        """Return every trained parameter of all members by name, (members, ...); views where they can be."""
        groups = [networks.trained for networks in self._groups]
        if len(groups) == 1:
            return {name: self._members(tensor) for name, tensor in groups[0].items()}
        return {name: self._members(torch.cat([part[name] for part in groups])) for name in groups[0]}

    def ntk(
        self,
        x1: Array,
        x2: Array | None = None,
        outputs: Literal["mean", "all"] = "mean",
        *,
        member: int | None = None,
    ) -> Tensor:
        """Return the empirical tangent kernel of every member between n1 points ``x1`` and n2 points ``x2``.

        Jacobians are contracted in blocks of points, tensor by tensor: 2 n1 n2 P flops for each output, or pair of
        outputs, and no more memory than two blocks of 2^26 numbers.

        :param x2: None for ``x1`` again.
        :param outputs: ``mean``, (members, n1, n2): the mean over outputs of the kernel of each output with itself;
            ``all``, (members, n1, n2, O, O): of every output with every other.
        :param member: position of the one member to look at, (1, ...); None for all.
        """
        if outputs not in ("mean", "all"):
            raise DataError(f"outputs is {outputs!r}: expected 'mean' or 'all'")
        left, right = self._points("x1", x1), None if x2 is None else self._points("x2", x2)
        chosen = range(self.members) if member is None else [member]
        with full_precision():
            return torch.stack([self._kernel(k, left, right, full=outputs == "all") for k in chosen])

    def _kernel(self, member: int, left: Tensor, right: Tensor | None, *, full: bool) -> Tensor:
        group, slot = self._place(member)
        networks, n_outputs = self._groups[group], self._out_features(left)
        size = max(1, _JACOBIAN_FLOATS // (self.parameters * n_outputs))
        other = left if right is None else right
        kernel = left.new_empty(len(left), len(other), *([n_outputs] * 2 if full else []))
        for start in range(0, len(left), size):
            rows = slice(start, start + size)
            one = networks.jacobian(slot, left[rows])
            for first in range(start if right is None else 0, len(other), size):
                columns = slice(first, first + size)
                same = right is None and first == start
                block = _contract(one, one if same else networks.jacobian(slot, other[columns]), full=full)
                kernel[rows, columns] = block
                if right is None and not same:
                    kernel[columns, rows] = block.transpose(0, 1).transpose(-1, -2) if full else block.T
        return kernel

    def _networks(self, group: int) -> _Modules:
        return self._groups[group]

    def _drawn(self, group: int) -> _Modules:
        return self._draw(group)

    def _draw(self, group: int) -> _Modules:
        """Make the members of a group that exist; idle slots hold the first of them."""
        here = self._here(group)
        start = self._starts[group]
        modules = [self._make(k if k in here else here.start) for k in range(start, start + self.group)]
        for k, module in enumerate(modules, start=start):
            if _shapes(module) != _shapes(self._module):
                raise DataError(f"the factory's module for member {k} has other parameters than its first")
        return _Modules(self._module, modules)

    def _make(self, member: int) -> nn.Module:
        (state,) = np.random.SeedSequence(self.seed, spawn_key=(member,)).generate_state(1, np.uint64)
        before = torch.get_default_dtype()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(state))
            torch.set_default_dtype(torch.float64)
            try:
                module = self._factory()
            finally:
                torch.set_default_dtype(before)
        if not isinstance(module, torch.nn.Module):
            raise DataError(f"the factory returned {type(module).__name__}: expected a torch.nn.Module")
        return module.to(device=self.device, dtype=self.dtype)

    def _points(self, name: str, x: Array) -> Tensor:
        points = self.tensor(x)
        if points.ndim < 1 or not len(points):
            raise DataError(f"{name} has shape {tuple(points.shape)}, expected (points, ...)")
        return points

    def _out_features(self, points: Tensor) -> int:
        with torch.no_grad():
            outputs = self._groups[0].evaluate(points[:1])
        return int(outputs.shape[-1])


class _Modules:
    """G modules with their parameters stacked (:class:`~ntkbench_torch.training.loop.Trainable`)."""

    def __init__(self, module: nn.Module, modules: list[nn.Module]) -> None:
        stacked, buffers = stack_module_state(modules)
        self._module = module
        wanted = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
        self.trained = {name: stacked[name].detach().contiguous() for name in sorted(wanted)}
        self._fixed = {name: t.detach() for name, t in {**stacked, **buffers}.items() if name not in wanted}
        self.tensors = [tensor.view(len(modules), 1, -1) for tensor in self.trained.values()]
        self._x: Tensor | None = None
        self._outputs: Tensor | None = None
        self._pull: Callable[[Tensor], tuple[Parameters]] | None = None

    def load(self, x: Tensor) -> None:
        """Take the points to train on."""
        self._x = x

    def forward(self) -> Tensor:
        """Return the outputs (G, N, O) on the loaded points."""
        if self._x is None:
            raise RuntimeError("no points to train on: load() comes first")
        x = self._x
        outputs, self._pull = vjp(lambda trained: self._all(trained, x), self.trained)
        self._outputs = outputs.detach().clone()
        return self._outputs

    def backward(self, update: Update) -> None:
        """Train on the derivatives of the cost by the outputs, which stand in the outputs' place."""
        if self._pull is None or self._outputs is None:
            raise RuntimeError("forward() comes first")
        (gradients,) = self._pull(self._outputs)
        self._pull = None
        for index, (tensor, name) in enumerate(zip(self.tensors, self.trained, strict=True)):
            update.apply(index, tensor, _Formed(gradients[name].reshape(tensor.shape)))

    def evaluate(self, x: Tensor) -> Tensor:
        """Return the outputs (G, M, O) on other points, in blocks."""
        return torch.cat([self._all(self.trained, block) for block in x.split(_BLOCK)], dim=1)

    def update(self, optimizer: str, learning_rate: Tensor, momentum: float) -> Update:
        """Return the way of training at learning rates (G, 1, 1)."""
        one = torch.ones(1, 1, device=learning_rate.device, dtype=learning_rate.dtype)
        return find_update(optimizer)(
            self.tensors,
            learning_rate,
            momentum,
            trained=[True] * len(self.tensors),
            coordinates=[Coordinates(one, one)] * len(self.tensors),
        )

    def jacobian(self, slot: int, x: Tensor) -> list[Tensor]:
        """Return the Jacobian of one network on points x (n, ...), (n, O, size) for each tensor of parameters."""
        trained = {name: tensor[slot] for name, tensor in self.trained.items()}
        fixed = {name: tensor[slot] for name, tensor in self._fixed.items()}

        def at(point: Tensor) -> Parameters:
            return jacrev(lambda given: self._call({**given, **fixed}, point[None])[0])(trained)

        blocks = vmap(at)(x)
        return [blocks[name].flatten(2) for name in trained]

    def _all(self, trained: Parameters, x: Tensor) -> Tensor:
        """Return the outputs of all networks (G, n, O)."""
        try:
            return vmap(lambda own, fixed: self._call({**own, **fixed}, x))(trained, self._fixed)
        except RuntimeError as error:
            raise DataError(f"the module cannot be called for all members at once: {_first_line(error)}") from error

    def _call(self, state: Parameters, x: Tensor) -> Tensor:
        outputs = functional_call(self._module, state, (x,))
        if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or len(outputs) != len(x):
            shape = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
            raise DataError(f"the module returned {shape} for {len(x)} points: expected ({len(x)}, outputs)")
        return outputs


class _Formed:
    """A gradient that autograd has formed (:class:`~ntkbench_torch.training.updates.Gradient`)."""

    def __init__(self, gradient: Tensor) -> None:
        self._gradient = gradient

    def add_to(self, target: Tensor, *, beta: float, scale: float) -> None:
        target.mul_(beta).add_(self._gradient, alpha=scale)

    def store(self, target: Tensor) -> None:
        target.copy_(self._gradient)


def _contract(one: list[Tensor], other: list[Tensor], *, full: bool) -> Tensor:
    """Return the kernel of Jacobians (n1, O, size) and (n2, O, size): (n1, n2, O, O), or the mean over outputs."""
    (n1, n_outputs), n2 = one[0].shape[:2], len(other[0])
    total = one[0].new_zeros((n1 * n_outputs, n2 * n_outputs) if full else (n1, n2))
    for left, right in zip(one, other, strict=True):
        total.addmm_(left.flatten(0, 1), right.flatten(0, 1).T) if full else total.addmm_(
            left.flatten(1), right.flatten(1).T
        )
    if full:
        return total.view(n1, n_outputs, n2, n_outputs).permute(0, 2, 1, 3)
    return total.div_(n_outputs)


def _checked(module: nn.Module) -> nn.Module:
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise DataError("the factory's module has no parameter that requires a gradient: nothing to train")
    norms = (torch.nn.modules.batchnorm._NormBase,)
    for name, part in module.named_modules():
        if isinstance(part, norms) and (part.training or not part.track_running_stats):
            raise DataError(f"module {name or 'itself'} is {type(part).__name__}: its points depend on each other")
        if isinstance(part, torch.nn.modules.dropout._DropoutNd) and part.training and part.p > 0:
            raise DataError(f"module {name or 'itself'} is {type(part).__name__} in training mode: outputs of chance")
    return module


def _shapes(module: nn.Module) -> dict[str, tuple[tuple[int, ...], bool]]:
    """Return what modules of one ensemble share: shape of every parameter and buffer, and whether it is trained."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return {name: (tuple(tensor.shape), tensor.requires_grad) for name, tensor in tensors}


def _first_line(error: Exception) -> Any:
    return str(error).splitlines()[0]
