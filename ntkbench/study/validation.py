"""Turn validation errors into lines that a user can act on: the place in the TOML, the mistake, and valid values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ..errors import StudyError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

M = TypeVar("M", bound=BaseModel)


class ValidationErrors:
    """Collects the mistakes in a study, to report them all at once."""

    def __init__(self, where: str) -> None:
        """Start a list for the study that messages call ``where``."""
        self._where = where
        self._lines: list[str] = []

    def add(self, path: str, message: str) -> None:
        """Record one mistake at ``path``, such as ``task[0].n_train``."""
        self._lines.append(f"  {path}: {message}")

    def validate(
        self, model: type[M], data: Mapping[str, Any], path: str = "", also_known: Iterable[str] = ()
    ) -> M | None:
        """Return ``data`` as a ``model``, or record every mistake in it and return None.

        Validation is strict, as for JSON: no text for a number, no number with a fraction for an integer.
        ``also_known`` are other keys that the same table may hold; the hint about an unknown key lists them.
        """
        try:
            return model.model_validate_json(json.dumps(data), strict=True)
        except TypeError as error:
            self.add(
                path or "study", f"holds a value that TOML numbers, text, lists and tables cannot express ({error})"
            )
        except ValidationError as error:
            for line in _lines(error, model, path, set(also_known)):
                self.add(*line)
        return None

    def raise_if_any(self) -> None:
        """Raise one :class:`StudyError` that lists every mistake."""
        if self._lines:
            count = "1 mistake" if len(self._lines) == 1 else f"{len(self._lines)} mistakes"
            raise StudyError("\n".join([f"{self._where}: {count}", *dict.fromkeys(self._lines)]))


def _lines(
    error: ValidationError, model: type[BaseModel], prefix: str, also_known: set[str]
) -> Iterable[tuple[str, str]]:
    seen: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        location = _readable(detail["loc"], model)
        path = _join(prefix, location)
        seen.setdefault(path, []).append(_message(detail, model, location, also_known))
    for path, messages in seen.items():
        if not any(_inside(other, path) for other in seen):
            yield path or "study", " or ".join(dict.fromkeys(messages))


def _inside(path: str, outer: str) -> bool:
    """Return whether a path lies inside another, whose message is then less precise."""
    return bool(outer) and path.startswith((f"{outer}.", f"{outer}["))


def _message(detail: Any, model: type[BaseModel], location: list[str | int], also_known: set[str]) -> str:
    if detail["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1]) | also_known
        return f"unknown key{suggestion(str(location[-1]), known)} (known: {', '.join(sorted(known)) or 'none'})"
    if detail["type"] == "missing":
        return "is missing"
    message = str(detail["msg"]).removeprefix("Value error, ")
    shown = json.dumps(detail["input"], default=str)
    short = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{message[0].lower()}{message[1:]} (got {short})" if detail["type"] != "value_error" else message


def _readable(location: tuple[str | int, ...], model: type[BaseModel]) -> list[str | int]:
    """Drop the names of union branches that pydantic adds to a location."""
    kept: list[str | int] = []
    here: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int):
            kept.append(part)
            continue
        names = _keys(here) if here else set()
        if part in names or (here and part == location[-1] and not _is_branch(part)):
            kept.append(part)
            here = _nested(here, part) if here and part in names else None
    return kept


def _is_branch(part: str) -> bool:
    return part in {"int", "float", "str", "bool", "FractionOfMaxStable"} or part.startswith(
        ("tuple[", "function-", "constrained-")
    )


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _nested(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return next(iter(_models_in(field.annotation)), None)
    return None


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _known_keys(model: type[BaseModel], location: list[str | int]) -> set[str]:
    here: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, str) and here is not None:
            here = _nested(here, part)
    return _keys(here) if here else set()


def _join(prefix: str, location: list[str | int]) -> str:
    text = prefix
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text
