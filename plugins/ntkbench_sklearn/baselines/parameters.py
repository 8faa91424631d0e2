"""The parameters of the baselines in a study: the candidates of each."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]

_FEWER_ROWS = (
    "if there are more training rows, only this many, the first ones, are used to choose; the final fit uses all"
)


class LinearParameters(BaseModel):
    """The penalties that linear regression chooses among."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ridges: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(1e-8, 1e-6, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        description="penalties to choose among, relative to the mean squared centred input times the number of rows",
    )


class RbfParameters(BaseModel):
    """The kernel widths and penalties that ridge regression with exp(-gamma |x - x'|^2) chooses among."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gammas: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        description="gamma to choose among, relative to 1 / (number of inputs times their variance)",
    )
    ridges: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0),
        description="penalties to choose among, relative to the kernel's diagonal, which is 1",
    )
    tuning_rows: int = Field(default=2000, ge=2, description=_FEWER_ROWS)


class ForestParameters(BaseModel):
    """The forests to choose among."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trees: Count = Field(default=200, description="number of trees in the forest")
    max_features: Annotated[tuple[Share, ...], Field(min_length=1)] = Field(
        default=(1 / 3, 1.0), description="fractions of the inputs that a split considers, to choose among"
    )
    min_samples_leaf: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        default=(1, 3, 10), description="minimum numbers of points in a leaf, to choose among"
    )
    tuning_rows: int = Field(default=2000, ge=2, description=_FEWER_ROWS)
