"""The parameters of the backend ``sklearn-svm`` in a study."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Parameters(BaseModel):
    """The machines to choose among; by default those of Arora et al. (2019), section 4 and appendix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fixed_layers: Literal["any", "none"] = Field(
        default="any",
        description="any: kernels whose first q = 0, ..., p of p hidden layers are not trained, q = p being the NNGP; "
        "none: only the NTK",
    )
    c: tuple[Positive, ...] = Field(
        default=(0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4), min_length=1, description="penalties C to choose among"
    )
    inner_product: Literal["sum", "mean"] = Field(
        default="sum",
        description="the first kernel: x.x', as A19 has it (C is absolute, so scale matters), or x.x'/n_0",
    )
    max_iter: int = Field(
        default=200_000,
        ge=1,
        description="iterations after which libsvm is cut short; the number of such fits is recorded",
    )

    @field_validator("c")
    @classmethod
    def _ascending(cls, c: tuple[float, ...]) -> tuple[float, ...]:
        if any(a >= b for a, b in pairwise(c)):
            raise ValueError(f"penalties must ascend, got {list(c)}")
        return c
