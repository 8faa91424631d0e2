"""The backend ``torch-stability``: up to which learning rates networks follow a kernel, as rows by member (C14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ntkbench.plugin import DataError, Measurement, Solution
from ntkbench.theory.optimizers import stable_learning_rate

from ..networks.ensemble import NetworkEnsemble
from .thresholds import stability_thresholds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ntkbench.plugin import Float, Request

    from .thresholds import Threshold

_HALVINGS = 40


class Parameters(BaseModel):
    """How networks are trained at rates of their own: see :func:`.stability_thresholds`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=100, ge=1, description="steps of every training run")
    settle: int = Field(default=1, ge=0, description="the first step at which the cost must not exceed its first value")
    goal: float = Field(default=0.1, gt=0, lt=1, description="share of the first cost that counts as learnt")
    resolution: float = Field(default=0.02, gt=0, lt=1, description="upper / lower - 1 of a bracket, at most")
    lowest: float = Field(default=0.25, gt=0, le=1, description="lowest rate tried, in units of the limit")
    highest: float = Field(default=8.0, ge=1, allow_inf_nan=False, description="highest rate tried, likewise")

    @model_validator(mode="after")
    def _settles(self) -> Parameters:
        if self.settle > self.steps:
            raise ValueError(f"settle {self.settle} is after the last of {self.steps} steps")
        return self


def solve(request: Request) -> Solution:
    """Return each member's thresholds in units of the limit ``2N / lambda_max`` of the first reference.

    ``stability_onset``: the middle of the bracket of the smallest rate at which the cost exceeds its first value within
    ``steps``; ``stability_onset_kernel``: that of descent on the reference's kernel from the member's own f_0, in as
    many steps; ``largest_trainable``: the largest rate that reaches ``goal``. Members for whom a threshold was not
    found within the rates tried have no row of it. The study itself has no steps.

    :raises DataError: without a reference that has eigenvalues, for a study with steps, or another cost.
    """
    law = next(iter(request.references.values()), None)
    if law is None or law.eigenvalues is None or law.eigenvectors is None:
        raise DataError("backend torch-stability: needs a reference with eigenvalues in compare_with")
    if request.training.steps[-1] != 0 or request.problem.loss != "squared-error":
        raise DataError("backend torch-stability: trains at rates of its own, on the squared error: give steps = 0")
    problem, parameters = request.problem, request.parameters
    limit = stable_learning_rate([float(law.eigenvalues[0])], len(problem.x_train))
    found = stability_thresholds(
        lambda: _draw(request),
        problem.x_train,
        problem.y_train,
        limit=limit,
        **parameters.model_dump(),
    )
    networks = _draw(request)
    train, test = (networks.outputs(x).double().cpu().numpy() for x in (problem.x_train, problem.x_test))
    kernel = kernel_onset(law.eigenvalues, law.eigenvectors.T @ (problem.y_train - train), parameters)
    label = next(iter(request.references))
    rows = [
        *_rows("stability_onset", _middle(found.onset), label),
        *_rows("stability_onset_kernel", kernel, label),
        *_rows("largest_trainable", found.largest_trainable.value, label),
    ]
    return Solution(
        times=request.training.times,
        steps=request.training.steps,
        training=request.training,
        members_train=train[:, None],
        members_test=test[:, None],
        diverged_at=np.full(request.members, -1, dtype=np.int64),
        measurements=tuple(rows),
        parameters=networks.parameters,
    )


def kernel_onset(eigenvalues: Float, modes: Float, parameters: Parameters) -> Float:
    """Return the smallest rate (E,), in units of the limit, at which descent on the kernel exceeds its first cost.

    :param eigenvalues: (N,), descending; ``modes`` (E, N, O): the first residuals along the eigenvectors. Along each
        the residual is multiplied by ``1 - 2 r lambda / lambda_max`` at every step; nan where it never exceeds.
    """
    squares = np.square(modes).sum(axis=2)
    steps = np.arange(max(parameters.settle, 1), parameters.steps + 1)
    share = 2 * eigenvalues / eigenvalues[0]

    def exceeds(rates: Float) -> Float:
        with np.errstate(over="ignore"):
            factors = np.abs(1 - rates[:, None] * share)[:, None] ** (2 * steps[:, None])
            return np.asarray(((factors * squares[:, None]).sum(axis=2) > squares.sum(axis=1)[:, None]).any(axis=1))

    low, high = np.ones(len(modes)), np.full(len(modes), parameters.highest)
    reachable = exceeds(high)
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        past = exceeds(middle)
        low, high = np.where(past, low, middle), np.where(past, middle, high)
    return np.where(reachable, high, np.nan)


def _draw(request: Request) -> NetworkEnsemble:
    problem = request.problem
    return NetworkEnsemble(
        request.architecture,
        in_features=problem.x_train.shape[1],
        out_features=problem.y_train.shape[1],
        width=request.hidden_widths,
        members=request.members,
        seed=request.seed,
        device=request.device,
        dtype=request.dtype,
    )


def _middle(threshold: Threshold) -> Float:
    """Return the geometric middle of each bracket, nan where none was found."""
    found = np.isfinite(threshold.value)
    product = np.where(found, threshold.lower, 1.0) * np.where(found, threshold.upper, 1.0)
    return np.where(found, np.sqrt(product), np.nan)


def _rows(metric: str, values: Float, label: str) -> Iterator[Measurement]:
    for member, value in enumerate(values):
        if np.isfinite(value):
            yield Measurement(
                metric=metric, value=float(value), unit="stable_rate", reference=label, member=member, step=0, time=0.0
            )
