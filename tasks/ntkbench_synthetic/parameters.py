"""The parameters of each synthetic task in a study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Dimension = Annotated[int, Field(ge=1, le=10_000)]


class Sampled(BaseModel):
    """The parameters that all synthetic tasks share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_train: int = Field(default=64, ge=1, description="training points N")
    n_test: int = Field(default=128, ge=1, description="test points M, with noiseless targets")
    noise: NonNegative = Field(default=0.0, description="standard deviation of the training targets' Gaussian noise")


class Interval(Sampled):
    """Inputs uniform on an interval; test inputs on an even grid of it, including both ends."""

    noise: NonNegative = Field(default=0.1, description="standard deviation of the training targets' Gaussian noise")
    low: Finite = Field(default=-1.0, description="left end of the inputs")
    high: Finite = Field(default=1.0, description="right end of the inputs")

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be less than high {self.high}")
        return self


class Sine(Interval):
    """``synthetic/sine``: y = amplitude * sin(2 pi frequency x + phase)."""

    frequency: Positive = Field(default=0.5, description="periods per unit of x: by default one over the interval")
    amplitude: Finite = Field(default=1.0, description="largest value of y")
    phase: Finite = Field(default=0.0, description="in radians")


class Step(Interval):
    """``synthetic/step``: y = height / 2 from ``location`` on, -height / 2 before it."""

    location: Finite = Field(default=0.0, description="where the step is, inside (low, high)")
    height: Finite = Field(default=2.0, description="how far y jumps")

    @model_validator(mode="after")
    def _inside(self) -> Step:
        if not self.low < self.location < self.high:
            raise ValueError(f"location {self.location} must lie inside ({self.low}, {self.high})")
        return self


class Circle(Sampled):
    """``synthetic/circle``: y = x1 x2, tested on the unit circle."""

    angles: Literal["random", "even", "gaussian"] = Field(
        default="random",
        description="training angles: uniform draws, or -pi + 2 pi (i + 1/2) / N; gaussian: random angles and radii, "
        "inputs N(0, I_2), the test points alone on the circle",
    )


class Teacher(Sampled):
    """``synthetic/teacher``: the outputs of one finite network in NTK parameterization."""

    dimension: Dimension = Field(default=8, description="number of inputs n_0")
    inputs: Literal["gaussian", "sphere"] = Field(default="gaussian", description="N(0, I), or uniform on |x| = 1")
    outputs: int = Field(default=1, ge=1, le=10_000, description="number of outputs n_L")
    depth: int = Field(default=1, ge=0, le=64, description="the teacher's hidden layers; 0 is linear")
    width: int = Field(default=32, ge=1, le=65_536, description="units of each of the teacher's hidden layers")
    activation: Literal["relu", "erf"] = Field(default="relu", description="of the teacher")
    weight_std: NonNegative = Field(default=2**0.5, description="the teacher's sigma_w")
    bias_std: NonNegative = Field(default=0.1, description="the teacher's sigma_b")
    teacher_seed: int | None = Field(default=None, ge=0, description="which teacher; default: the study's seed decides")


class Harmonic(Sampled):
    """``synthetic/harmonic``: zonal spherical harmonics around one axis, of unit mean square over the sphere."""

    dimension: int = Field(default=3, ge=2, le=10_000, description="d of the unit sphere S^{d-1} in R^d")
    degrees: tuple[Annotated[int, Field(ge=0, le=64)], ...] = Field(
        default=(2,), min_length=1, description="degrees to sum, with equal weights; all different"
    )
    axis_seed: int | None = Field(default=None, ge=0, description="which axis; default: the study's seed decides")

    @model_validator(mode="after")
    def _different(self) -> Harmonic:
        if len(set(self.degrees)) < len(self.degrees):
            raise ValueError(f"degrees {list(self.degrees)} must all be different")
        return self


class GaussianProcess(Sampled):
    """``synthetic/gp``: one draw of the NNGP of an architecture, another for every seed and split."""

    dimension: Dimension = Field(default=2, description="number of inputs n_0")
    inputs: Literal["gaussian", "sphere"] = Field(default="sphere", description="N(0, I), or uniform on |x| = 1")
    depth: int = Field(default=2, ge=0, le=1024, description="hidden layers of the process's architecture")
    activation: str = Field(default="relu", min_length=1, description="of the process's architecture")
    weight_std: NonNegative = Field(default=2**0.5, description="sigma_w of the process's architecture")
    bias_std: NonNegative = Field(default=0.1, description="sigma_b of the process's architecture")
