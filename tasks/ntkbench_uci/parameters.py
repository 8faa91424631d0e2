"""The parameters of UCI tasks in a study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NonNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
_NOISE = (
    "standard deviation of Gaussian noise added to the training targets, in units of that of the data set's targets; "
    "drawn by the seed; test targets stay as they are"
)


class RandomSplit(BaseModel):
    """A random split of the rows, stratified if there are classes: the same class shares in both parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_train: int | None = Field(
        default=None, ge=1, description="training rows N, at least one per class; by default three in four, at most 100"
    )
    n_test: int | None = Field(
        default=None,
        ge=1,
        description="test rows M, at least one per class; by default the remaining rows, at most 200",
    )
    random_labels: bool = Field(
        default=False, description="shuffle labels over rows, by the seed: nothing to learn, everything to fit (C12)"
    )
    validation: float = Field(
        default=0.0, ge=0, lt=1, description="share of the training rows, the last ones, for validation; 0 for none"
    )
    noise: NonNegative = Field(default=0.0, description=_NOISE)


class PublishedSplit(BaseModel):
    """The published 90/10 splits of Hernandez-Lobato and Adams (2015); the seed only affects noise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_train: int | None = Field(
        default=None,
        ge=2,
        description="training rows N, the first of a split's training part; by default all",
    )
    n_test: int | None = Field(
        default=None, ge=1, description="test rows M, the first of its test part; by default all"
    )
    validation: float = Field(
        default=0.2, ge=0, lt=1, description="share of the training rows, the last ones, for validation; 0 for none"
    )
    noise: NonNegative = Field(default=0.0, description=_NOISE)


class A19Split(BaseModel):
    """Four resamples, each with tuning problems for a classifier's hyperparameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: Literal["a19", "nested"] = Field(
        default="a19",
        description="a19: the published resamples, tuned on two halves of all rows, which overlap the test rows; "
        "nested: stratified cross-validation, tuned on two halves of the training rows and scaled by them",
    )


class Component(BaseModel):
    """``uci/optical-digits-component``: one principal component of the NTK of an architecture, as the target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_train: int = Field(default=512, ge=10, description="training rows N, at least one per class")
    n_test: int = Field(default=64, ge=10, description="test rows M, at least one per class")
    component: int = Field(default=2, ge=1, description="number of the eigenvector of the NTK's Gram matrix, from 1")
    scale: float = Field(
        default=0.5, gt=0, le=1e6, allow_inf_nan=False, description="the target's norm in p^in: its RMS over the rows"
    )
    standardise: bool = Field(
        default=True,
        description="standardise pixels by the training rows; false: their values over 16, in [0, 1], not centred",
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
