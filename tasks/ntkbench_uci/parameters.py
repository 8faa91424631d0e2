"""What a study may say about a UCI task."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RandomSplit(BaseModel):
    """A random stratified split of the rows: the same share of every class in both parts, up to rounding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_train: int = Field(default=100, ge=1, description="training rows N; at least one per class")
    n_test: int | None = Field(
        default=None, ge=1, description="test rows M, at least one per class; by default what is left, at most 200"
    )
    random_labels: bool = Field(
        default=False, description="labels shuffled over rows, by the seed: nothing to learn, all to fit (C12)"
    )
