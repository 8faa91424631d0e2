"""The backend's own keys in a study."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """What a study may set for a subject trained by this backend."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output_scale: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="alpha: alpha h is trained at learning_rate / alpha^2 (C17)",
    )
    subtract_init: bool = Field(default=False, description="whether the initial function is taken off: alpha (h - h_0)")
    trained_layers: Literal["all", "last"] = Field(default="all", description="last: the readout alone (C16)")
    learning_rate_multiplier: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="the learning rate, in units of the study's"
    )
    scaling: Literal["ntk", "mean-field"] = Field(
        default="ntk", description="mean-field: output_scale times width^-1/2, where features are learnt at every width"
    )
    slice_at: int = Field(default=0, ge=0, description="which test point ntk_slice is of")
    ntk_steps: Literal["last", "all"] = Field(
        default="last", description="recorded steps at which kernels are looked at: the first and the last, or all"
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        default="float32", description="of products in training float32 networks; tf32 on CUDA alone"
    )
