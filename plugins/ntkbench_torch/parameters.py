"""The parameters of the backend ``torch`` in a study."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Scales(BaseModel):
    """How a network's output is scaled, of every backend that trains one (docs/theory.md, output-scale)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output_scale: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="alpha; the network is alpha h, trained at learning_rate / alpha^2 (C17)",
    )
    subtract_init: bool = Field(default=False, description="whether to subtract the initial function: alpha (h - h_0)")
    scaling: Literal["ntk", "mean-field"] = Field(
        default="ntk", description="mean-field: output_scale times width^-1/2, so features are learnt at every width"
    )


class Parameters(Scales):
    """Parameters of a subject trained by this backend."""

    trained_layers: Literal["all", "last"] = Field(default="all", description="last: the readout only (C16)")
    learning_rate_multiplier: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="learning rate, in units of the study's"
    )
    slice_at: int = Field(default=0, ge=0, description="test point of the observable ntk_slice, from 0")
    ntk_steps: Literal["last", "all"] = Field(
        default="last",
        description="recorded steps at which kernels are measured: last: the first and the last; all: all",
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        default="float32", description="of matrix products when training float32 networks; tf32 on CUDA only"
    )
