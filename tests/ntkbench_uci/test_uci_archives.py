"""Files are taken out of archives by name, and archives can do no harm."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from ntkbench.errors import DataError
from ntkbench_uci.sources import archives
from ntkbench_uci.sources.archives import Archive, DamagedArchiveError


def zipped(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return content.getvalue()


def tarred(files):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return content.getvalue()


def read(content, member):
    with Archive(io.BytesIO(content), "here.zip") as archive:
        return archive.read(member)


FILES = {"data/zoo/zoo_R.dat": b"1", "data/zoo/conxuntos.dat": b"2", "data/iris/conxuntos.dat": b"3"}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_file_is_found_by_the_end_of_its_path(pack):
    content = pack(FILES)
    assert read(content, "zoo/conxuntos.dat") == b"2"
    assert read(content, "data/iris/conxuntos.dat") == b"3"
    for absent in ("o/conxuntos.dat", "lenses/conxuntos.dat", "more/data/zoo/zoo_R.dat"):
        with pytest.raises(DataError, match=r"no .*; it holds data/zoo/zoo_R\.dat"):
            read(content, absent)
    with pytest.raises(DataError, match=r"several files match conxuntos\.dat"):
        read(content, "conxuntos.dat")


def test_several_files_in_the_order_of_their_names_are_one():
    content = zipped({"xab.dat": b"2\n", "xaa.dat": b"1\n", "__MACOSX/xac.dat": b"9\n", "vehicle.doc": b"?"})
    assert read(content, "xa?.dat") == b"1\n2\n"


def test_archives_in_an_archive_are_looked_into():
    content = zipped({"read.me": b"", "a.zip": zipped({"x": b"0"}), "b.tar.gz": tarred({"folder/data.txt": b"7"})})
    assert read(content, "folder/data.txt") == b"7"
    with pytest.raises(DataError, match=r"no other; it holds read\.me"):
        read(content, "other")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_paths_that_lead_elsewhere_lead_nowhere(pack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read(pack({"../../evil.txt": b"evil", f"{tmp_path}/evil.txt": b"evil"}), "../evil.txt") == b"evil"
    assert not list(tmp_path.iterdir())


def test_links_are_no_files(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            entry = tarfile.TarInfo("data.txt")
            entry.type, entry.linkname = kind, str(secret)
            archive.addfile(entry)
    with pytest.raises(DataError, match="it holds nothing"):
        read(content.getvalue(), "data.txt")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_file_that_unpacks_to_too_much_is_refused(pack, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 1000)
    content = pack({"bomb": b"0" * 10_000, "small": b"0" * 1000})
    assert len(content) < 1000
    assert len(read(content, "small")) == 1000
    with pytest.raises(DataError, match="bomb unpacks to more than 1,000 bytes"):
        read(content, "bomb")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_damage_is_seen(pack):
    content = bytearray(pack({"data.txt": bytes(range(256)) * 40}))
    for damaged in (content[: len(content) // 2], b"<html>not found</html>", b""):
        with pytest.raises(DamagedArchiveError):
            read(bytes(damaged), "data.txt")
    content[60] ^= 255
    with pytest.raises(DamagedArchiveError, match=r"here\.zip"):
        read(bytes(content), "data.txt")
