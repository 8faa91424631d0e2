"""Specs are looked up by name, and an unknown name gets a suggestion."""

import pytest
from toy_runs import TOY

from ntkbench.errors import UnknownNameError, suggestion
from ntkbench.plugin.loading import load_registry


class TestNames:
    def test_an_unknown_name_gets_a_suggestion(self):
        found = load_registry([TOY])
        with pytest.raises(UnknownNameError) as caught:
            found.tasks.get("toy/lin")
        assert str(caught.value) == 'no task "toy/lin"; did you mean "toy/line"? (see: ntkbench list tasks)'
        with pytest.raises(UnknownNameError, match=r"\(see: ntkbench list studies\)"):
            found.studies.get("nothing of the kind")

    def test_shelves_are_in_order(self):
        names = [spec.name for spec in load_registry([TOY]).tasks]
        assert names == sorted(names)


@pytest.mark.parametrize(
    ("word", "near"), [("ReLU", "relu"), ("rleu", "relu"), ("bridges-MATERIAL", "bridges-material")]
)
def test_a_suggestion_is_the_nearest_name_whatever_the_case(word, near):
    known = ["relu", "bridges-type", "bridges-material", "Erf"]
    assert suggestion(word, known) == f'; did you mean "{near}"?'
    assert suggestion("erv", known) == '; did you mean "Erf"?'
    assert suggestion("quite another", known) == ""
