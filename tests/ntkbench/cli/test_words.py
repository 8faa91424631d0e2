"""Times, sizes and kinds of parameters in words."""

from typing import Annotated, Literal, Optional

import pytest

from ntkbench.cli.catalogue import kind_words
from ntkbench.plugin.terminal import duration, quantity


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (89, "89 s"), (90, "1 min 30 s"), (7260, "2 h 1 min")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1.5e9, "1.5 GB"), (2e18, "2e+03 PB")]
)
def test_quantity(value, text):
    assert quantity(value, "B") == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "int"),
        (Literal["ntk", "nngp"], '"ntk" or "nngp"'),
        (tuple[float, ...], "list of float"),
        (Annotated[tuple[Annotated[int, "positive"], ...], "not empty"] | None, "list of int"),
        (int | Literal["auto"] | None, 'int or "auto"'),
        (Optional[str], "str"),  # noqa: UP045
        (list[Literal[1, 2]], "list of 1 or 2"),
    ],
)
def test_kinds_of_parameters(kind, text):
    assert kind_words(kind) == text
