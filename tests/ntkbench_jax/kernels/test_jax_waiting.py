"""Pairs that wait for full lists: each comes out once, whoever asks."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ntkbench_jax.kernels.near_parallel import LONGEST_LIST
from ntkbench_jax.kernels.pair_queue import _AT_ONCE, Waiting


def test_every_pair_comes_out_once_from_any_number_of_threads():
    waiting = Waiting()
    sizes = np.random.default_rng(0).integers(0, 3 * LONGEST_LIST, size=200)
    sizes[7] = 3 * _AT_ONCE
    starts = np.concatenate([[0], np.cumsum(sizes)])

    def add(part):
        places = np.arange(starts[part], starts[part + 1])
        return list(waiting.add(places, -places))

    with ThreadPoolExecutor(8) as pool:
        full = [pairs for found in pool.map(add, range(200)) for pairs in found]
    rest = list(waiting.rest())
    assert all(len(rows) % LONGEST_LIST == 0 and 0 < len(rows) <= _AT_ONCE for rows, _ in full)
    assert sum(len(rows) for rows, _ in rest) < LONGEST_LIST
    rows = np.concatenate([rows for rows, _ in full + rest])
    columns = np.concatenate([columns for _, columns in full + rest])
    np.testing.assert_array_equal(np.sort(rows), np.arange(starts[-1]))
    np.testing.assert_array_equal(columns, -rows)


def test_no_pairs_no_lists():
    waiting, none = Waiting(), np.empty(0, dtype=np.int64)
    assert list(waiting.add(none, none)) == []
    assert list(waiting.rest()) == []
