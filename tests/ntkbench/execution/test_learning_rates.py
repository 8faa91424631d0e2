"""A rate that is a fraction of the stable limit is resolved once, and every cell uses the same."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from problems import GOOD

from ntkbench.errors import DataError, NtkbenchError
from ntkbench.execution.solve_cell import _training
from ntkbench.plugin.types import Solution, Training


class TestTraining:
    def test_the_rate_is_a_fraction_of_the_stable_limit(self):
        found = Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3)).resolved(4.0, 10)
        assert found.learning_rate == 0.5 * 2 * 10 / 4.0
        assert found.times.tolist() == [0.0, 2.5, 5.0]
        assert found.resolved(99.0, 1) is found

    def test_as_json_is_the_same_training(self):
        training = Training(learning_rate=0.1, steps=np.array([0, 2]), batch_size=3, batch_seed=5, stop_loss=1e-3)
        again = Training(**json.loads(json.dumps(training.as_json())))
        assert again.as_json() == training.as_json()
        np.testing.assert_array_equal(again.steps, training.steps)

    @pytest.mark.parametrize("eigenvalue", [0.0, -1.0, np.nan, np.inf])
    def test_a_kernel_without_a_limit(self, eigenvalue):
        with pytest.raises(DataError, match="no stable learning rate"):
            Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3)).resolved(eigenvalue, 10)

    @pytest.mark.parametrize("steps", [[1, 2], [0, 2, 2], [], [[0]], [0, -1]])
    def test_steps_ascend_from_0(self, steps):
        with pytest.raises(DataError, match="steps must ascend strictly from 0"):
            Training(learning_rate=0.1, steps=np.array(steps))

    def test_an_unresolved_rate_has_no_times(self):
        with pytest.raises(ValueError, match=r"call resolved\(\) first"):
            _ = Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3)).times


class TestOneLearningRate:
    """The anchor's backend resolves the rate; every other cell takes it from the anchor's solution, to the last bit."""

    def anchored(self, anchor):
        training = Training(learning_rate=None, fraction_of_max_stable=0.5, steps=np.arange(3), momentum=0.0)
        return SimpleNamespace(anchor=anchor, training=training)

    def test_readers_take_the_anchors_rate(self):
        anchor = Solution(**GOOD, training=Training(learning_rate=0.1 + 0.2, steps=np.arange(3)))
        found = _training(self.anchored("ntk"), {"ntk": anchor})
        assert (found.learning_rate, found.fraction_of_max_stable) == (0.1 + 0.2, None)
        assert found.steps.tolist() == [0, 1, 2]

    @pytest.mark.parametrize("anchor", [None, "ntk"])
    def test_the_anchor_itself_and_absolute_rates_stay(self, anchor):
        cell = self.anchored(anchor)
        assert _training(cell, {}) is cell.training

    def test_an_anchor_without_a_rate_is_named(self):
        with pytest.raises(NtkbenchError, match='reference "svm" cannot set the learning rate'):
            _training(self.anchored("svm"), {"svm": Solution(times=np.array([np.inf]))})
