"""What the backends of this package declare of their laws, for a core that knows none of their parameters."""

import pytest

from ntkbench.plugin import MethodFacts
from ntkbench_jax.parameters import Parameters
from ntkbench_jax.plugin import ntkbench_register_backends
from ntkbench_jax.tuned.parameters import Parameters as TunedParameters

SPECS = {spec.name: spec for spec in ntkbench_register_backends()}


def test_the_theory_deviates_in_nothing():
    assert SPECS["jax"].facts(Parameters(ridge=0.1)) == MethodFacts(kernel="ntk", ridge=0.1)
    assert SPECS["jax-tuned"].facts(TunedParameters(kernel="nngp")) == MethodFacts(kernel="nngp")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dynamics": "flow"}, "the reference follows gradient flow; the networks took steps"),
        ({"law": "posterior"}, "the reference's law is the posterior's, not the ensemble's"),
        ({"weight_std_multiplier": 1.02}, "the reference has another weight_std than the networks"),
        ({"learning_rate_multiplier": 0.9}, "the reference has another learning rate than the networks"),
    ],
)
def test_every_deviation_is_declared(changes, said):
    facts = SPECS["jax"].facts(Parameters(**changes))
    assert facts.deviations == (said,)
    assert facts.learning_rate_multiplier == changes.get("learning_rate_multiplier", 1.0)


def test_all_deviations_are_declared_together():
    wrong = Parameters(dynamics="flow", law="posterior", weight_std_multiplier=2.0, learning_rate_multiplier=2.0)
    assert len(SPECS["jax"].facts(wrong).deviations) == 4
