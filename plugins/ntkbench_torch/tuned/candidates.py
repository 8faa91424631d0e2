"""The candidate networks, and how one of them is drawn and trained."""

from __future__ import annotations

from itertools import product
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from ntkbench.plugin import DataError

from ..networks.ensemble import NetworkEnsemble
from ..networks.layout import widths_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ntkbench.architecture.nodes import Architecture
    from ntkbench.plugin import Float, Problem, Request

    from ..training.trajectory import Trajectory
    from .parameters import Parameters

_HE = {"parameterization": "standard-global-rate", "weight_std": 2**0.5}
_NTK = {"parameterization": "ntk", "weight_std": 2**0.5}


class Candidate(NamedTuple):
    """A number of hidden layers and a learning rate, in units of the study's."""

    depth: int
    rate: float


def candidates(architecture: Architecture, parameters: Parameters) -> list[Candidate]:
    """Return the candidates in order of preference among equals: by depth, then rate."""
    return [Candidate(*pair) for pair in product(parameters.depth or (architecture.depth,), parameters.rates)]


def architecture_of(architecture: Architecture, parameters: Parameters, depth: int) -> Architecture:
    """Return the architecture to draw, for a number of hidden layers."""
    changes = {"architecture": {}, "he": _HE, "ntk": _NTK}[parameters.initialization]
    return architecture.model_copy(update={**changes, "depth": depth})


def train(request: Request, candidate: Candidate, problem: Problem, steps: Sequence[int]) -> Trajectory:
    """Train the request's members on a problem and record all outputs at ``steps``, ascending from 0.

    The request's seed draws the members of every candidate: candidates of one depth start from the same networks.

    :raises DataError: without an absolute learning rate or members, or for invalid widths.
    :raises UnavailableError: for an architecture or a device that is not supported here.
    """
    training, parameters = request.training, request.parameters
    if request.members < 1 or training.learning_rate is None:
        raise DataError("backend torch-tuned: expected at least one member and an absolute learning rate")
    ensemble = NetworkEnsemble(
        architecture_of(request.architecture, parameters, candidate.depth),
        in_features=problem.x_train.shape[1],
        out_features=problem.y_train.shape[1],
        width=widths_at(candidate.depth, request.hidden_widths),
        members=request.members,
        seed=request.seed,
        device=request.device,
        dtype=request.dtype,
    )
    return ensemble.train(
        _inputs(problem.x_train, parameters),
        problem.y_train,
        x_test=_inputs(problem.x_test, parameters),
        learning_rate=candidate.rate * training.learning_rate * _units(ensemble, parameters),
        steps=steps[-1],
        record_at=steps,
        loss=problem.loss,
        optimizer=training.optimizer,
        momentum=training.momentum,
        batch_size=training.batch_size,
    )


def _inputs(x: Float, parameters: Parameters) -> Float:
    """Return inputs (n, F) scaled so that the first layer, ``sqrt(2/F) W`` times them, gives ``W x`` as in A19."""
    return x * sqrt(x.shape[1] / 2) if parameters.initialization == "ntk" else x


def _units(ensemble: NetworkEnsemble, parameters: Parameters) -> float:
    """Return the factor on a candidate's learning rate.

    Training divides a global rate by the last hidden width; the rate of ``he`` is that of every weight, as usual.
    """
    return float(ensemble.scales.layers[-2]) if parameters.initialization == "he" else 1.0
