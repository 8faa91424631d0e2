"""The backend's own keys in a study."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """What a study may set for a subject trained by this backend."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ntk_steps: Literal["last", "all"] = Field(
        default="last", description="recorded steps at which ntk_change is measured: the last, or all after the first"
    )
