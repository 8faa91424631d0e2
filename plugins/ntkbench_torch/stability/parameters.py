"""The study keys of ``torch-stability``. Light: no torch."""

from __future__ import annotations

from pydantic import Field, model_validator

from ..parameters import Scales


class Parameters(Scales):
    """How the thresholds are found: see :mod:`.thresholds`."""

    steps: int = Field(default=60, ge=1, description="steps of every training run")
    settle: int = Field(
        default=1, ge=0, description="the first step at which the loss must not exceed its initial value"
    )
    goal: float = Field(default=0.1, gt=0, lt=1, description="fraction of the initial loss that counts as learnt")
    resolution: float = Field(default=0.02, gt=0, lt=1, description="largest upper / lower - 1 of a bracket")
    lowest: float = Field(default=0.25, gt=0, le=1, description="lowest rate tried, in units of the limit")
    highest: float = Field(
        default=8.0, ge=1, allow_inf_nan=False, description="highest rate tried, in units of the limit"
    )

    @model_validator(mode="after")
    def _settles(self) -> Parameters:
        if self.settle > self.steps:
            raise ValueError(f"settle {self.settle} is after the last of {self.steps} steps")
        return self
