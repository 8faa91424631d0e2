"""The parameters of ``file/table`` in a study."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ntkbench.plugin import DataError, TextFormat

_DEFAULT = TextFormat()


class TableParameters(BaseModel):
    """A file with a row per point and named columns. Formats of text apply to text files; parquet has its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(
        min_length=1,
        description="a .csv, .tsv or .txt file (also .gz, .bz2, .xz) or a .parquet file; "
        "relative to where the command is run",
    )
    target: str = Field(min_length=1, description="the column to learn")
    features: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="the columns to learn from (text: categories); by default all others but row names",
    )
    kind: Literal["regression", "classification"] = Field(
        default="regression", description="whether the target is a number or a class"
    )
    n_train: int | None = Field(default=None, ge=1, description="training rows N; by default three in four")
    n_test: int | None = Field(default=None, ge=1, description="test rows M; by default all others")
    types: dict[str, Literal["number", "category", "ignore"]] = Field(
        default={},
        description='what a column holds: types = { zip = "category", id = "ignore" }; by default as its cells are',
    )
    missing: Literal["refuse", "drop"] = Field(
        default="refuse", description="whether a row with a missing value is a mistake or is left out"
    )
    missing_values: tuple[str, ...] = Field(
        default=_DEFAULT.missing, description="the cells of text that are missing values"
    )
    separator: str | None = Field(
        default=None, description='what separates columns, one character, " " for any white space; by default detected'
    )
    decimal: str = Field(default=_DEFAULT.decimal, description='the decimal mark, "." or ","')
    thousands: str | None = Field(default=None, description='the mark between groups of three digits, such as ","')
    encoding: str = Field(default=_DEFAULT.encoding, description='such as "latin-1" or "utf-16"')
    comment: str | None = Field(default=None, description='after which the rest of a line is ignored, such as "#"')

    def text_format(self) -> TextFormat:
        """Return how text files are written.

        :raises DataError: for a format that cannot be.
        """
        return TextFormat(
            separator=self.separator,
            encoding=self.encoding,
            decimal=self.decimal,
            thousands=self.thousands,
            comment=self.comment,
            missing=self.missing_values,
        )

    @model_validator(mode="after")
    def _consistent(self) -> TableParameters:
        features = self.features or ()
        if self.target in features:
            raise ValueError(f'column "{self.target}" is the target and cannot be a feature too')
        if twice := [name for name in features if features.count(name) > 1]:
            raise ValueError(f'column "{twice[0]}" is a feature twice')
        if ignored := [name for name in (self.target, *features) if self.types.get(name) == "ignore"]:
            raise ValueError(f'column "{ignored[0]}" cannot be ignored and used')
        try:
            self.text_format()
        except DataError as error:
            raise ValueError(str(error)) from None
        return self
