"""What a study may say about a UCI task."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

NonNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class RandomSplit(BaseModel):
    """A random stratified split of the rows: the same share of every class in both parts, up to rounding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_train: int = Field(default=100, ge=1, description="training rows N; at least one per class")
    n_test: int | None = Field(
        default=None, ge=1, description="test rows M, at least one per class; by default what is left, at most 200"
    )
    random_labels: bool = Field(
        default=False, description="labels shuffled over rows, by the seed: nothing to learn, all to fit (C12)"
    )


class Component(BaseModel):
    """``uci/optical-digits-component``: one principal component of the NTK of an architecture, as the target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_train: int = Field(default=512, ge=10, description="training rows N, at least one per class")
    n_test: int = Field(default=64, ge=10, description="test rows M, at least one per class")
    component: int = Field(default=2, ge=1, description="which eigenvector of the NTK's Gram matrix, from 1")
    scale: float = Field(
        default=0.5, gt=0, le=1e6, allow_inf_nan=False, description="the target's norm in p^in: its RMS over the rows"
    )
    depth: int = Field(default=3, ge=0, le=1024, description="hidden layers of the kernel's architecture")
    activation: str = Field(default="relu", min_length=1, description="of the kernel's architecture")
    weight_std: NonNegative = Field(default=1.0, description="sigma_w of the kernel's architecture")
    bias_std: NonNegative = Field(default=0.1, description="sigma_b of the kernel's architecture")

    @model_validator(mode="after")
    def _within(self) -> Component:
        if self.component > self.n_train:
            raise ValueError(f"component {self.component} is beyond the {self.n_train} of n_train rows")
        return self
