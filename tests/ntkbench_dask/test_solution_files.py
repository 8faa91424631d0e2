"""Solutions that travel between workers as the bytes of their files."""

import gc
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from dask.sizeof import sizeof

from ntkbench_dask.solution_files import SolutionFiles


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    np.save(folder / "kernel.npy", np.arange(12.0))
    (folder / "solution.json").write_text("{}")
    return folder


def sent(files):
    """Return what arrives on another machine, its arrays out of band as Dask sends them."""
    buffers = []
    data = pickle.dumps(files, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 1000
    return pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])


def test_files_arrive_as_they_were(here, tmp_path):
    files = SolutionFiles(here)
    arrived = sent(files)
    assert sizeof(arrived) == sizeof(files) == sum(path.stat().st_size for path in here.iterdir())
    there = arrived.folder(tmp_path / "there")
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        path.name: path.read_bytes() for path in here.iterdir()
    }
    further = sent(arrived)
    again = further.folder(tmp_path / "further")
    assert np.array_equal(np.load(again / "kernel.npy", mmap_mode="r"), np.arange(12.0))


def test_files_go_with_the_object_if_it_owns_them(here, tmp_path):
    arrived = sent(SolutionFiles(here))
    there = arrived.folder(tmp_path / "there")
    del arrived
    gc.collect()
    assert not there.exists()
    assert here.exists()


def test_cells_in_several_threads_share_one_copy(here, tmp_path):
    for attempt in range(20):
        arrived = sent(SolutionFiles(here))
        with ThreadPoolExecutor(4) as threads:
            folders = set(threads.map(lambda i, f=arrived, a=attempt: f.folder(tmp_path / f"{a}-{i}"), range(4)))
        assert len(folders) == 1
