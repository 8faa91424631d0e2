"""Every field of a spec is checked when it is registered, and what its light functions return."""

import sys
from dataclasses import fields, replace
from typing import ClassVar

import pytest

from ntkbench.errors import PluginError
from ntkbench.plugin.named_registry import NamedRegistry
from ntkbench.plugin.spec_checks import check_spec
from ntkbench.plugin.specs import SOLUTION_FIELDS, BackendSpec, Sizes, TaskSpec
from ntkbench.plugin.types import Solution


class TestSpecs:
    """Every field of a spec is checked when it is registered."""

    TASK: ClassVar = {"name": "x", "version": 1, "summary": "a", "parameters": "a:A", "target": "a:b"}
    LIGHT: ClassVar = {"sizes": lambda p: None, "fingerprint": lambda p: ""}
    METHOD: ClassVar = {"role": "subject", "supports": lambda a: None, "estimate": lambda w: None}

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("role", "networks", "role has 'networks' (known: reference, subject)"),
            ("version", "2", "version is '2', expected an integer"),
            ("summary", None, "summary is None, expected a text"),
            ("target", "a.b", "target is 'a.b', expected \"module:attribute\""),
            ("parameters", dict, "parameters is <class 'dict'>, expected \"module:attribute\""),
            ("supports", "all", "supports is 'all', expected a function"),
            ("optimizers", ("sgd",), "optimizers has 'sgd' (known: gradient-descent,"),
            ("losses", "huber", "losses is 'huber', expected a tuple of texts"),
            ("batches", 1, "batches is 1, expected True or False"),
            ("requires", ["torch"], "requires is ['torch'], expected a tuple of texts"),
            ("observables", ("ntk",), "observables is ('ntk',), expected a mapping of names to descriptions"),
            ("observed_by_default", ("ntk",), "observed_by_default has 'ntk' (known: none)"),
        ],
    )
    def test_a_wrong_field_is_named_with_what_would_be_right(self, field, value, message):
        spec = BackendSpec(**self.TASK, **self.METHOD)
        check_spec(spec, BackendSpec, "hook")
        with pytest.raises(PluginError) as caught:
            check_spec(replace(spec, **{field: value}), BackendSpec, "hook")
        assert str(caught.value).startswith(f'backend "x": {message}')

    def test_a_metric_needs_fields_of_solutions(self):
        assert tuple(field.name for field in fields(Solution)) == SOLUTION_FIELDS

    @pytest.mark.parametrize(
        ("function", "result", "expected"),
        [
            ("sizes", Sizes(4, 3, 2, 1, 0), "Sizes of positive integers (n_train, n_test, n_features, n_outputs,"),
            ("sizes", None, "Sizes of positive integers"),
            ("fingerprint", 3, "a text"),
            ("sizes", (4, 3), "Sizes of positive integers"),
        ],
    )
    def test_what_a_light_function_returns(self, function, result, expected):
        known = NamedRegistry(
            "task", {"x": TaskSpec(**self.TASK, **self.LIGHT | {function: lambda p: result})}, {"x": "me"}
        )
        with pytest.raises(PluginError) as caught:
            known.call("x", function, None)
        assert str(caught.value).startswith(f'plugin "me": task "x" (a:b): {function}() returned {result!r}, expected')
        assert expected in str(caught.value)

    def test_a_light_function_that_exits(self):
        known = NamedRegistry("task", {"x": TaskSpec(**self.TASK, **self.LIGHT | {"sizes": sys.exit})}, {"x": "me"})
        with pytest.raises(PluginError, match=r'plugin "me": task "x" \(a:b\): sizes\(\) failed: SystemExit: 7'):
            known.call("x", "sizes", 7)
