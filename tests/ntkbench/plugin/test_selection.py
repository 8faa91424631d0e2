"""Selection against plain loops: the sign, ties, failures, grids, their edges, and what is remembered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ntkbench.errors import DataError
from ntkbench.plugin import Problem, SelectionCache, at_grid_edge, select, tuning_problems

NAMES = "abcdefgh"
FAILURES = (np.nan, np.inf, -np.inf)


def random_scores(seed, *shape):
    """Few different values, so that there are ties, and some failures."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, shape) / 4
    return np.where(rng.random(shape) < 0.2, rng.choice(FAILURES, shape), scores)


def problem(seed=0, tuning=()):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((5, 2)), rng.standard_normal((5, 1))
    return Problem(x_train=x[:3], y_train=y[:3], x_test=x[3:], y_test=y[3:], tuning=tuning)


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("grid", [(), (1,), (3,), (2, 3)])
def test_the_first_of_the_least_scores(seed, grid):
    scores = random_scores(seed, 8, *grid)
    best, expected = np.inf, ("a", (0,) * len(grid))
    for i, name in enumerate(NAMES):
        for place in np.ndindex(*grid):
            if np.isfinite(scores[(i, *place)]) and scores[(i, *place)] < best:
                best, expected = scores[(i, *place)], (name, place)
    found = select(NAMES, list(scores))
    assert (found.candidate, found.place, found.score) == (*expected, best)
    assert found.failed == np.isinf(best)


@pytest.mark.parametrize("seed", range(50))
def test_ties_are_broken_and_either_failure_counts(seed):
    scores, breakers = random_scores(seed, 8), random_scores(1000 + seed, 8)
    usable = [i for i in range(8) if np.isfinite([scores[i], breakers[i]]).all()]
    expected = min(usable, key=lambda i: (scores[i], breakers[i]))
    found = select(NAMES, list(scores), tie_breakers=list(breakers))
    assert (found.candidate, found.score) == (NAMES[expected], scores[expected])


@pytest.mark.parametrize("failure", FAILURES)
def test_where_all_fail_the_first_is_returned_as_failed(failure):
    found = select(NAMES[:2], [[failure, failure], [failure, failure]])
    assert (found.candidate, found.place, found.score, found.failed) == ("a", (0,), np.inf, True)
    assert select("a", [0.0], tie_breakers=[failure]).failed


def test_edges_of_grids():
    grids = {"depth": (3, 1, 2), "ridge": (0.1, 1.0), "c": (5.0, 5.0), "rate": None, "std": (1.0, 2.0, 3.0)}
    selected = {"depth": 2, "ridge": 1.0, "c": 5.0, "rate": 1.0, "std": 1.0}
    assert at_grid_edge(grids, selected) == {"depth": False, "ridge": True, "std": True}


def test_a_task_must_have_problems_to_choose_on():
    parts = (problem(1), problem(2))
    assert tuning_problems("toy", problem(tuning=parts)) == parts
    with pytest.raises(DataError, match="backend toy: the task has no tuning problems"):
        tuning_problems("toy", problem())


def test_what_was_selected_is_remembered_by_problems_and_settings(monkeypatch):
    cache, made = SelectionCache(), []

    def get(tuning, settings="s"):
        return cache.get(tuning, settings, lambda: made.append(settings) or len(made))

    same = [problem(1)], [problem(1)]
    assert get(same[0]) == get(same[1]) == 1
    assert get(same[0], "t") == 2
    assert get([problem(2)]) == 3
    assert get([replace(problem(1), labels_test=np.zeros(2, dtype=int))]) == 4
    monkeypatch.setattr("ntkbench.plugin.selection._KEPT", 4)
    assert get([problem(3)]) == 5
    assert len(cache) == 4
    assert get(same[0]) == 6  # the oldest one was forgotten
    cache.clear()
    assert len(cache) == 0
