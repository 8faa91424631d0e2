"""The architecture of a network family: everything but its width."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Architecture(BaseModel):
    """A fully-connected network of any width, in the conventions of the theory.

    ``z_{l+1} = weight_std / sqrt(n_l) W_l h_l + bias_std b_l`` with every parameter N(0, 1), ``h_l = activation(z_l)``,
    and ``depth`` hidden layers (0 is a linear model).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: int = Field(default=2, ge=0, le=1024, description="number of hidden layers; 0 is a linear model")
    activation: str = Field(default="relu", min_length=1, description="relu, erf, ...")
    weight_std: float = Field(default=2**0.5, gt=0, allow_inf_nan=False, description="sigma_w")
    bias_std: float = Field(default=0.1, ge=0, allow_inf_nan=False, description="sigma_b")
    parameterization: Literal["ntk", "standard"] = Field(default="ntk", description="where the scales sit")
