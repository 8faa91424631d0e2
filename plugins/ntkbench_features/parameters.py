"""The parameters of the backend ``features`` in a study."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Parameters(BaseModel):
    """The source of the random functions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    functions: Literal["kernel", "tangent"] = Field(
        default="kernel",
        description="kernel: i.i.d. Gaussian functions with the analytic kernel as covariance, as many as the width; "
        "tangent: the derivatives of a network of that width by its parameters, at initialization",
    )
    kernel: Literal["ntk", "nngp"] = Field(default="ntk", description="the functions' covariance (functions = kernel)")

    @model_validator(mode="after")
    def _kernel_is_of_kernel_functions(self) -> Parameters:
        if self.functions == "tangent" and self.kernel != "ntk":
            raise ValueError('kernel belongs to functions = "kernel"; tangent features have the tangent kernel')
        return self
