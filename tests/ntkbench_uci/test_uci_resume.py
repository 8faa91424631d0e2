"""One download over HTTP, from a server that fails, cuts short, changes, stalls and dribbles."""

from __future__ import annotations

import time

import faulty_server as faulty
import numpy as np
import pytest
import requests

from ntkbench.errors import DataError
from ntkbench_uci.sources import resume
from ntkbench_uci.sources.resume import InterruptedDownloadError, Resume

CONTENT = np.random.default_rng(5).bytes(300_001)
PATH = "/data.zip"


@pytest.fixture
def download(server, tmp_path):
    """Return what downloads the file once, and gives what was written."""
    server.content[PATH] = CONTENT

    def once(**keys):
        target = tmp_path / "whole"
        Resume(tmp_path / "unfinished", **{"patience": 2.0, **keys})(server.address + PATH, target, None)
        assert not list((tmp_path / "unfinished").iterdir())
        return target.read_bytes()

    return once


def test_a_file_comes_whole_and_says_how_far_it_is(download, server):
    progress_callback = []
    assert download(progress_callback=lambda done, whole: progress_callback.append((done, whole))) == CONTENT
    assert server.asked == [(PATH, "")]
    assert progress_callback[-1] == (len(CONTENT), len(CONTENT)) and progress_callback == sorted(progress_callback)


def test_a_file_of_no_stated_size_comes_whole(download, server):
    for fault in (faulty.in_chunks, faulty.unsized_and_cut_after(len(CONTENT))):
        server.faults = [fault]
        assert download() == CONTENT


def test_what_broke_off_goes_on_where_it_was(download, server):
    server.faults = [faulty.cut_after(100_000), faulty.cut_after(50_000)]
    for _ in range(2):
        with pytest.raises(InterruptedDownloadError, match="interrupted after"):
            download()
    assert download() == CONTENT
    starts = [int(asked.removeprefix("bytes=").rstrip("-") or 0) for _, asked in server.asked]
    assert starts == [0, 100_000, 150_000]
    assert server.sent == len(CONTENT)


@pytest.mark.parametrize("lacking", ["ranges", "marked"])
def test_a_server_that_cannot_go_on_is_asked_from_the_start(lacking, download, server):
    setattr(server, lacking, False)
    server.faults = [faulty.cut_after(100_000)]
    with pytest.raises(InterruptedDownloadError):
        download()
    assert download() == CONTENT


def test_a_file_that_changed_meanwhile_is_not_mixed_with_its_old_beginning(download, server):
    server.faults = [faulty.cut_after(100_000)]
    with pytest.raises(InterruptedDownloadError):
        download()
    server.content[PATH], server.versions[PATH] = CONTENT[::-1], "2"
    assert download() == CONTENT[::-1]


def test_a_rest_that_begins_elsewhere_is_thrown_away(download, server):
    def elsewhere(answer):
        answer.headers["Content-Range"] = "bytes 7-9/10"

    server.faults = [faulty.cut_after(100_000), elsewhere]
    with pytest.raises(InterruptedDownloadError):
        download()
    assert download() == CONTENT


def test_more_than_the_whole_file_is_thrown_away(download, server, tmp_path):
    server.faults = [faulty.cut_after(100_000)]
    with pytest.raises(InterruptedDownloadError):
        download()
    server.content[PATH] = CONTENT[:40_000]  # the same version, and shorter than what is here: 416
    assert download() == CONTENT[:40_000]


def test_a_failing_server_may_be_asked_again(download, server):
    server.faults = [faulty.fails]
    with pytest.raises(requests.exceptions.HTTPError, match="503"):
        download()
    assert download() == CONTENT


def test_a_file_that_is_not_there_is_an_error_of_its_own(download, server):
    server.content.clear()
    with pytest.raises(DataError, match=r"404.*may have moved"):
        download()


@pytest.mark.parametrize("fault", [faulty.stalls, faulty.dribbles])
def test_a_server_that_stalls_or_dribbles_is_given_up(fault, download, server):
    server.faults = [fault]
    began = time.monotonic()
    with pytest.raises(InterruptedDownloadError):
        download(patience=0.5)
    assert time.monotonic() - began < 4
    assert download() == CONTENT


@pytest.mark.parametrize("sized", [True, False])
def test_a_file_without_end_is_refused(sized, download, server, monkeypatch, tmp_path):
    monkeypatch.setattr(resume, "LARGEST", 200_000)
    server.faults = [None if sized else faulty.unsized_and_cut_after(len(CONTENT))]
    with pytest.raises(DataError, match=r"more than"):
        download()
    assert not list((tmp_path / "unfinished").glob("*.part"))


def test_nobody_there(tmp_path, server):
    with faulty.serving() as gone:
        address = gone.address
    with pytest.raises(requests.exceptions.ConnectionError):
        Resume(tmp_path / "unfinished", patience=1.0)(f"{address}/x", tmp_path / "x", None)
