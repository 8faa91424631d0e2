"""The parameters of the backend ``jax`` in a study; two make its theory deliberately wrong, for negative controls."""

from __future__ import annotations

from math import isnan
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ntkbench.plugin import MethodFacts


class Parameters(BaseModel):
    """The kernel that drives the training, and its dynamics."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel: Literal["ntk", "nngp"] = Field(
        default="ntk", description="ntk: all layers trained; nngp: only the last one"
    )
    ridge: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="relative to the kernel's mean diagonal")
    dynamics: Literal["descent", "flow"] = Field(
        default="descent", description="steps of the optimizer, or gradient flow"
    )
    times: tuple[float, ...] | None = Field(
        default=None,
        min_length=1,
        description="times of flow, ascending, optionally ending in inf; default: those equivalent to the steps",
    )
    weight_std_multiplier: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="a wrong theory: kernels of weight_std times this"
    )
    learning_rate_multiplier: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="a wrong theory: the learning rate times this"
    )
    law: Literal["ensemble", "posterior"] = Field(
        default="ensemble",
        description="source of the variance: the law of trained networks, or the kernel's posterior (C8, C16)",
    )
    covariance: bool = Field(default=False, description="also compute the law's covariance between test points")
    slice_at: int | None = Field(
        default=None, ge=0, description="record ntk_slice, the NTK between this test point and every other"
    )

    def facts(self) -> MethodFacts:
        """Return the facts of this law that the core uses."""
        deviations = {
            "the reference follows gradient flow; the networks took steps": self.dynamics == "flow",
            f"the reference's law is the {self.law}'s, not the ensemble's": self.law != "ensemble",
            "the reference has another weight_std than the networks": self.weight_std_multiplier != 1,
            "the reference has another learning rate than the networks": self.learning_rate_multiplier != 1,
        }
        return MethodFacts(
            kernel=self.kernel,
            ridge=self.ridge,
            learning_rate_multiplier=self.learning_rate_multiplier,
            deviations=tuple(reason for reason, holds in deviations.items() if holds),
        )

    @model_validator(mode="after")
    def _times_ascend_in_flow(self) -> Parameters:
        if self.times is None:
            return self
        if self.dynamics != "flow":
            raise ValueError('times belong to dynamics = "flow"; descent uses the training\'s steps')
        if any(isnan(t) or t < 0 for t in self.times):
            raise ValueError(f"times may not be negative or nan, got {list(self.times)}")
        if any(a >= b for a, b in zip(self.times, self.times[1:], strict=False)):
            raise ValueError(f"times must ascend, got {list(self.times)}")
        return self
