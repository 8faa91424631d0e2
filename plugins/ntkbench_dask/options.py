"""The options of the executor ``dask``."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field

_ADDRESS_VARIABLE = "DASK_SCHEDULER_ADDRESS"


def _from_environment() -> str | None:
    return os.environ.get(_ADDRESS_VARIABLE) or None


class DaskOptions(BaseModel):
    """The options of the executor ``dask``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheduler: str | None = Field(
        default_factory=_from_environment,
        description=f"address of a running scheduler; else that in {_ADDRESS_VARIABLE}, else a cluster in this process",
    )
    wait: float = Field(default=60.0, ge=0, description="seconds to wait for a worker while there is none")
    any_software: bool = Field(default=False, description="use workers whose versions or code differ, too")
