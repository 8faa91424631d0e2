"""The models of a study's TOML file: frozen, strictly typed, without unknown keys."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..architecture.nodes import Architecture
from ..plugin.types import Training
from ..theory.losses import Loss
from ..theory.optimizers import Optimizer, momentum_mistake

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
INT64_MAX = 2**63 - 1
MOST_RECORDS = 100_000
PositiveInt = Annotated[int, Field(ge=1, le=INT64_MAX)]
WIDTH_TWICE = "a width is listed twice"
FigureName = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
LayerWidths = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
DType = Literal["float32", "float64"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _WithParameters(BaseModel):
    """An entry whose other keys, unknown to the core, belong to the plugin it names."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @property
    def parameters(self) -> dict[str, Any]:
        """The plugin's own keys."""
        return dict(self.model_extra or {})

    def core(self) -> dict[str, Any]:
        """Return the core's own keys, as JSON."""
        return self.model_dump(mode="json", include=set(type(self).model_fields))


class TaskEntry(_WithParameters):
    """A task by name, the number of its splits to run, and the task's own parameters."""

    name: str
    splits: PositiveInt = 1
    loss: Loss | None = Field(default=None, description="the cost; by default the task's own, mostly squared-error")
    label: Label | None = Field(default=None, description="tells tasks of one name apart in subject.tasks")

    def core(self) -> dict[str, Any]:
        """Return the core's own keys, as JSON; a label only if there is one."""
        found = super().core()
        return found if self.label is not None else {name: v for name, v in found.items() if name != "label"}


class ReferenceEntry(_WithParameters):
    """A kernel prediction that subjects are compared with."""

    label: Label
    backend: str
    dtype: DType = "float64"


class SubjectEntry(_WithParameters):
    """A family of finite networks, trained at each width."""

    label: Label
    backend: str
    widths: Annotated[tuple[PositiveInt | LayerWidths, ...], Field(min_length=1)]
    members: PositiveInt | dict[PositiveInt, PositiveInt] = Field(
        default=8, description="networks per width; or a number for each width, { 64 = 600, 2048 = 16 }"
    )
    compare_with: tuple[str, ...] = ()
    tasks: tuple[str, ...] | None = Field(
        default=None, description="names or labels of the tasks to learn; default: all"
    )
    observe: tuple[str, ...] | None = Field(default=None, description="what to observe; default: the backend's usual")
    dtype: DType = "float32"

    @field_validator("widths")
    @classmethod
    def _distinct_widths(cls, widths: tuple[Any, ...]) -> tuple[Any, ...]:
        if len({*widths}) < len(widths):
            raise ValueError(WIDTH_TWICE)
        return widths

    @field_validator("members", mode="before")
    @classmethod
    def _whole_numbers(cls, members: Any) -> Any:
        """Name a wrong number by its width: a choice of types gives one message for each type."""
        for width, count in members.items() if isinstance(members, dict) else ():
            if not str(width).isdigit() or isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"{width} = {count!r}, expected a width and how many networks, such as 64 = 600")
        return {int(width): count for width, count in members.items()} if isinstance(members, dict) else members

    @model_validator(mode="after")
    def _members_of_each_width(self) -> SubjectEntry:
        if isinstance(self.members, dict) and {*self.members} != {*self.widths}:
            raise ValueError(f"members has numbers for {sorted(self.members)}, but widths are {list(self.widths)}")
        return self

    @field_validator("compare_with", "observe", "tasks")
    @classmethod
    def _distinct_names(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if names and names.count(name) > 1:
                raise ValueError(f'"{name}" is listed twice')
        return names

    def learns(self, task: str, label: str | None = None) -> bool:
        """Return whether networks are trained on a task of this name and label."""
        return self.tasks is None or task in self.tasks or label in self.tasks

    def members_at(self, hidden_widths: tuple[int, ...] | None) -> int:
        """Return the number of networks of one ensemble; without hidden layers, the largest of any width."""
        if isinstance(self.members, int):
            return self.members
        return self.members[hidden_widths[0]] if hidden_widths else max(self.members.values())

    def hidden_widths(self, depth: int) -> tuple[tuple[int, ...], ...]:
        """Return the widths of each ensemble, one per hidden layer; without hidden layers there is one ensemble.

        The only place where one width becomes one per layer.
        """
        if depth == 0:
            return ((),)
        return tuple(width if isinstance(width, tuple) else (width,) * depth for width in self.widths)


class FractionOfMaxStable(_Frozen):
    """A learning rate as a fraction of the optimizer's stable limit on a reference's kernel."""

    fraction_of_max_stable: float = Field(gt=0, allow_inf_nan=False)
    reference: str | None = Field(
        default=None, description="label of the reference that sets the limit; default: the first NTK reference"
    )


class TrainingEntry(_Frozen):
    """How networks are trained, and which steps are recorded."""

    optimizer: Optimizer = "gradient-descent"
    momentum: float = Field(
        default=0.0, allow_inf_nan=False, description="momentum of heavy-ball and nesterov, in [0, 1)"
    )
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | FractionOfMaxStable = FractionOfMaxStable(
        fraction_of_max_stable=0.5
    )
    steps: int = Field(default=200, ge=0, le=INT64_MAX)
    time: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="learning_rate * steps, in place of steps"
    )
    batch_size: PositiveInt | None = Field(default=None, description="training points per step; default: all")
    non_gradient: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="s: train along (1 + s S) dC/df, S skew-symmetric over points, which is not the gradient of a cost",
    )
    stop_loss: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="a network stops once its cost is this low"
    )
    stop_patience: PositiveInt | None = Field(
        default=None, description="a network stops once its cost has not fallen by a thousandth within this many steps"
    )
    records: PositiveInt | tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=20, description="how many steps after 0 to record, evenly spaced; or the steps themselves"
    )
    spacing: Literal["linear", "log"] = Field(
        default="linear", description="spacing of the recorded steps, if records is a number"
    )

    @property
    def last_step(self) -> int:
        """The number of steps: ``steps``, or as many as reach ``time``."""
        if self.time is None or not isinstance(self.learning_rate, float):
            return self.steps
        return max(1, math.ceil(self.time / self.learning_rate * (1 - 1e-12)))

    def recorded_steps(self) -> tuple[int, ...]:
        """Return the steps to record: ascending, from 0 to the last."""
        last = self.last_step
        if not isinstance(self.records, int):
            return tuple(sorted({0, *self.records, last}))
        if self.spacing == "log" and last > 0:
            later = np.unique(np.rint(np.geomspace(1, last, self.records)))
            return (0, *(int(s) for s in later))
        return tuple(int(s) for s in np.unique(np.rint(np.linspace(0, last, min(self.records, max(last, 1)) + 1))))

    def as_training(self, batch_seed: int) -> Training:
        """Return the training of every cell of a study; its learning rate may still be a fraction."""
        given = self.learning_rate
        rate, fraction = (given, None) if isinstance(given, float) else (None, given.fraction_of_max_stable)
        return Training(
            optimizer=self.optimizer,
            learning_rate=rate,
            fraction_of_max_stable=fraction,
            momentum=self.momentum,
            batch_size=self.batch_size,
            batch_seed=batch_seed,
            non_gradient=self.non_gradient,
            stop_loss=self.stop_loss,
            stop_patience=self.stop_patience,
            steps=np.array(self.recorded_steps(), dtype=np.int64),
        )

    @model_validator(mode="after")
    def _within(self) -> TrainingEntry:
        recorded = self.records if isinstance(self.records, int) else len(self.records)
        if recorded > MOST_RECORDS:
            raise ValueError(f"records asks for {recorded} recorded steps; at most {MOST_RECORDS} are possible")
        if not isinstance(self.records, int) and self.records and max(self.records) > self.last_step:
            raise ValueError(f"records holds step {max(self.records)}, but training ends at step {self.last_step}")
        if self.spacing == "log" and not isinstance(self.records, int):
            raise ValueError("spacing needs records to be a number of steps, but records is a list")
        return self

    @model_validator(mode="after")
    def _length(self) -> TrainingEntry:
        if self.time is not None and "steps" in self.model_fields_set:
            raise ValueError("give steps or time, not both")
        if self.time is not None and not isinstance(self.learning_rate, float):
            raise ValueError("time needs an absolute learning_rate; with a fraction of the stable rate, give steps")
        if self.optimizer == "adam" and not isinstance(self.learning_rate, float):
            raise ValueError("adam has no stable limit: give an absolute learning_rate")
        return self

    @model_validator(mode="after")
    def _non_gradient(self) -> TrainingEntry:
        if self.non_gradient and (self.optimizer != "gradient-descent" or self.batch_size is not None):
            raise ValueError("non_gradient is for gradient-descent on all points")
        return self

    @model_validator(mode="after")
    def _momentum(self) -> TrainingEntry:
        if self.optimizer in ("heavy-ball", "nesterov") and "momentum" not in self.model_fields_set:
            raise ValueError(f"{self.optimizer} needs a momentum in [0, 1), such as 0.9")
        if mistake := momentum_mistake(self.optimizer, self.momentum):
            raise ValueError(mistake)
        return self


class StoreEntry(_Frozen):
    """The data that a run stores besides measurements."""

    predictions: Literal["none", "last", "all"] = "last"
    spectra: int = Field(default=64, ge=0, description="how many leading eigenvalues of a reference's kernel to store")


class ControlPair(_Frozen):
    """A subject and a reference, each correct by itself, that do not belong together."""

    subject: Label
    reference: Label


class ClaimEntry(_Frozen):
    """The claim of the theory that a study measures, and how it is measured."""

    id: str = Field(pattern=r"^C([1-9]|1[0-7])$", description="C1 to C17")
    source: str = Field(min_length=1, description="where the claim is made")
    varies: str = Field(min_length=1, description="what the study varies")
    refuted_by: str = Field(min_length=1, description="what would refute the claim")
    judge: tuple[str, ...] = Field(
        default=(), description="quantities that get a verdict; all others are only reported"
    )
    negative_controls: tuple[str | ControlPair, ...] = Field(
        default=(),
        description="labels of references or subjects that are wrong on purpose, and must be refuted; or a pair, "
        '{ subject = "...", reference = "..." }',
    )
    graded_controls: dict[str, dict[Label, Annotated[float, Field(ge=0, allow_inf_nan=False)]]] = Field(
        default={},
        description="what is off -> label of a reference -> by how many per cent; 0 is a sham: a right theory that is "
        "called a control, and must not be refuted",
    )


class ExecutionEntry(_WithParameters):
    """Where cells run; the other keys are the executor's own options. Changes no numbers."""

    executor: str


class Study(_Frozen):
    """A study: tasks x splits x architectures x (references, subjects x widths)."""

    schema_: Literal[1] = Field(alias="schema", description="version of the study format: 1")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=100)
    title: str = ""
    description: str = ""
    claim: ClaimEntry | None = None
    seed: int = Field(default=0, ge=0, le=INT64_MAX)
    task: Annotated[tuple[TaskEntry, ...], Field(min_length=1)]
    architecture: Annotated[tuple[Architecture, ...], Field(min_length=1)]
    reference: tuple[ReferenceEntry, ...] = ()
    subject: tuple[SubjectEntry, ...] = ()
    training: TrainingEntry = TrainingEntry()
    metrics: tuple[str, ...] | None = Field(default=None, description="default: those meant for every study")
    quantities: tuple[str, ...] | None = Field(
        default=None, description="quantities whose rates are fitted and judged; default: all that are measured"
    )
    store: StoreEntry = StoreEntry()
    execution: ExecutionEntry | None = Field(default=None, description="where cells run; changes no numbers")
    figures: tuple[FigureName, ...] = Field(
        default=(), description='"module:function" each, draws a figure of the results; changes no numbers'
    )
    pages: tuple[FigureName, ...] = Field(
        default=(), description='"module:function" each, a table as a paper prints it; changes no numbers'
    )

    @model_validator(mode="after")
    def _labels(self) -> Study:
        labels = [reference.label for reference in self.reference] + [subject.label for subject in self.subject]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f'label "{label}" is used twice')
        if not labels:
            raise ValueError("a study needs at least one [[reference]] or [[subject]]")
        return self
