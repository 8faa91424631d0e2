"""The parameters of the backend ``jax-tuned`` in a study: the candidates, and the criterion."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from . import TUNING_ROWS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Depth = Annotated[int, Field(ge=0, le=1024)]


class Parameters(BaseModel):
    """The kernel, and the settings to choose among; an omitted list stands for the architecture's own value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel: Literal["ntk", "nngp"] = Field(
        default="ntk", description="ntk: all layers trained; nngp: only the last one"
    )
    ridges: Annotated[tuple[NonNegative, ...], Field(min_length=1)] = Field(
        default=(1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3),
        description="ridges to choose among, relative to the kernel's mean diagonal",
    )
    depth: Annotated[tuple[Depth, ...], Field(min_length=1)] | None = Field(
        default=None, description="numbers of hidden layers to choose among"
    )
    weight_std: Annotated[tuple[Positive, ...], Field(min_length=1)] | None = Field(
        default=None, description="sigma_w to choose among"
    )
    bias_std: Annotated[tuple[NonNegative, ...], Field(min_length=1)] | None = Field(
        default=None, description="sigma_b to choose among"
    )
    by: Literal["validation", "marginal-likelihood"] = Field(
        default="validation",
        description="validation: the smallest squared error on rows for validation; marginal-likelihood: the "
        "NNGP's evidence on the training rows, its amplitude set to the best one",
    )
    solver: Literal["auto", "eigen", "cholesky", "iterative"] = Field(
        default="auto",
        description="of all fits; auto: eigen up to 2,000 rows, cholesky up to 32,768, beyond iterative, "
        "which needs half of its memory and computes the mean only",
    )
    tuning_rows: int = Field(
        default=TUNING_ROWS,
        ge=2,
        description="if there are more training rows, only this many, the first ones, are used to choose",
    )

    @model_validator(mode="after")
    def _evidence_is_the_nngps(self) -> Self:
        if self.by == "marginal-likelihood" and self.kernel != "nngp":
            raise ValueError('by "marginal-likelihood" is the evidence for kernel "nngp": give that kernel')
        return self
