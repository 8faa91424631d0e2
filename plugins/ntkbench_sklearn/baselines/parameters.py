"""The keys a study may give the baselines: what each chooses among."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]

_FEWER_ROWS = "of more training rows than so many, the first ones are used to choose; the fit has all of them"


class LinearParameters(BaseModel):
    """Among which penalties linear regression chooses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ridges: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(1e-8, 1e-6, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        description="penalties to choose among, relative to the mean squared centred input times the number of rows",
    )


class RbfParameters(BaseModel):
    """Among which widths of the kernel and penalties ridge regression with exp(-gamma |x - x'|^2) chooses."""

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
    """Among which forests to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trees: Count = Field(default=200, description="trees in the forest")
    max_features: Annotated[tuple[Share, ...], Field(min_length=1)] = Field(
        default=(1 / 3, 1.0), description="shares of the inputs that a split may look at, to choose among"
    )
    min_samples_leaf: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        default=(1, 3, 10), description="least numbers of points in a leaf, to choose among"
    )
    tuning_rows: int = Field(default=2000, ge=2, description=_FEWER_ROWS)
