"""The parameters of ``file/table`` in a study."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TableParameters(BaseModel):
    """A file with a row per point and named columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, description="a .csv or .parquet file; relative to where the command is run")
    target: str = Field(min_length=1, description="the column to learn")
    features: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="the columns to learn from (text: categories); by default all others",
    )
    kind: Literal["regression", "classification"] = Field(
        default="regression", description="whether the target is a number or a class"
    )
    n_train: int | None = Field(default=None, ge=1, description="training rows N; by default three in four")
    n_test: int | None = Field(default=None, ge=1, description="test rows M; by default all others")

    @model_validator(mode="after")
    def _apart(self) -> TableParameters:
        if self.features is not None and self.target in self.features:
            raise ValueError(f'column "{self.target}" is the target and cannot be a feature too')
        return self
