"""The architecture of a network family: everything but its width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..theory.activations import parse_activation


class Architecture(BaseModel):
    """A fully-connected network of any width, in the conventions of the theory.

    ``z_{l+1} = weight_std / sqrt(n_l) W_l h_l + bias_std b_l`` with every parameter N(0, 1), ``h_l = activation(z_l)``,
    and ``depth`` hidden layers (0 is a linear model). ``activation`` is a spelling of
    :mod:`ntkbench.theory.activations`, kept with all its parameters, or, in Python only, a function of arrays.

    ``parameterization``: ``standard`` has W ~ N(0, weight_std^2 / n_l) and per-tensor rates, eta weight_std^2 /
    n_l and eta bias_std^2, which is the same training at every width. ``standard-global-rate`` has eta / n for every
    tensor: in the limit only middle and last weights train (Sohl-Dickstein et al. 2020), equal hidden widths assumed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: int = Field(default=2, ge=0, le=1024, description="number of hidden layers; 0 is a linear model")
    activation: str | Callable[[Any], Any] = Field(
        default="relu", description="relu, leaky_relu(slope=0.1), ..., or module:function"
    )
    weight_std: float = Field(default=2**0.5, gt=0, allow_inf_nan=False, description="sigma_w")
    bias_std: float = Field(default=0.1, ge=0, allow_inf_nan=False, description="sigma_b")
    parameterization: Literal["ntk", "standard", "standard-global-rate"] = Field(
        default="ntk",
        description="where the scales sit (forward pass or initialization), and how tensors share the rate",
    )

    @field_validator("activation")
    @classmethod
    def _one_spelling(cls, value: str | Callable[[Any], Any]) -> str | Callable[[Any], Any]:
        return str(parse_activation(value)) if isinstance(value, str) else value

    @property
    def global_rate(self) -> bool:
        """Whether all tensors of the standard parameterization share one learning rate."""
        return self.parameterization == "standard-global-rate"
