"""Solutions of references are kept whole or not at all, and come back read-only."""

import numpy as np
import pytest
from problems import GOOD, T

from ntkbench.plugin.types import Solution, Training
from ntkbench.store.solution_cache import has_solution, load_solution, save_solution


class TestSolutions:
    def test_what_is_kept_comes_back_read_only(self, tmp_path):
        training = Training(learning_rate=0.1, steps=np.arange(T), optimizer="nesterov", momentum=0.9, batch_seed=7)
        law = Solution(**GOOD, training=training, rho=0.25, time_scale=1.5)
        save_solution(tmp_path / "solutions", "abc", law)
        assert has_solution(tmp_path / "solutions", "abc")
        found = load_solution(tmp_path / "solutions", "abc")
        for name, array in GOOD.items():
            np.testing.assert_array_equal(getattr(found, name), array)
        assert (found.learning_rate, found.rho, found.time_scale) == (0.1, 0.25, 1.5)
        assert found.training.as_json() == training.as_json()
        assert isinstance(found.kernel_train, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            found.kernel_train[0, 0] = 1
        assert [path.name for path in (tmp_path / "solutions").iterdir()] == ["abc"]

    def test_a_second_save_replaces_the_first(self, tmp_path):
        save_solution(tmp_path, "abc", Solution(**GOOD))
        save_solution(tmp_path, "abc", Solution(times=GOOD["times"]))
        assert load_solution(tmp_path, "abc").kernel_train is None

    def test_a_save_that_fails_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(np, "save", lambda *a: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            save_solution(tmp_path, "abc", Solution(**GOOD))
        assert list(tmp_path.iterdir()) == []
        assert not has_solution(tmp_path, "abc")

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
    def test_a_broken_index_is_no_solution(self, tmp_path, text):
        save_solution(tmp_path, "abc", Solution(**GOOD))
        (tmp_path / "abc" / "solution.json").write_text(text)
        assert not has_solution(tmp_path, "abc")
