"""The parameters of the backend ``torch-tuned`` in a study: the candidate networks, and how they are drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Depth = Annotated[int, Field(ge=0, le=1024)]


class Parameters(BaseModel):
    """The candidate networks, tried in the order depth, rate, step; among equals the first is chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: Annotated[tuple[Depth, ...], Field(min_length=1)] | None = Field(
        default=None, description="numbers of hidden layers to choose among; by default the architecture's own"
    )
    rates: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(1.0,), description="learning rates to choose among, in units of the study's"
    )
    early_stopping: bool = Field(
        default=False,
        description="whether the step at which training ends is chosen too, among the recorded steps; else the last",
    )
    initialization: Literal["architecture", "he", "ntk"] = Field(
        default="architecture",
        description="he: weights N(0, 2/n_l), one learning rate for all; ntk: weights N(0, 1), W x in the first layer "
        "and sqrt(2/n_l) W h above it, as in A19; architecture: that of the study's architecture",
    )
