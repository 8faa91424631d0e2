"""Data sets are downloaded, compared and kept whole; from a server on this machine that has files of the real ones."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from dataclasses import replace
from functools import cache
from hashlib import md5

import faulty_server as faulty
import openpyxl
import pooch
import pytest
from sklearn.datasets import _openml

from ntkbench.errors import DataError
from ntkbench_uci.collection import COLLECTION
from ntkbench_uci.locations import find
from ntkbench_uci.readers import read, read_form
from ntkbench_uci.resamples import published_resample
from ntkbench_uci.sources import archives
from ntkbench_uci.sources.fetch import Fetcher
from ntkbench_uci.text_files import cells_of_text

UCI = {name: form for name, one in COLLECTION.items() for form in one.forms if form.url.endswith(".zip")}
A19 = [name for name, one in COLLECTION.items() if one.protocol == "a19"]
FEW = A19[:8]
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " "}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Fetch into a folder of its own, without waiting between tries."""
    monkeypatch.setenv("NTKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pooch.core.time, "sleep", lambda seconds: None)
    return tmp_path / "cache"


def fetched(datasets, cache, **keys):
    return {one.dataset.name: one for one in Fetcher(cache, **{"patience": 60.0, **keys}).fetch(datasets)}


def zipped(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return content.getvalue()


def at(server, name, url):
    """Return a data set whose downloads come from this server."""
    forms = tuple(replace(form, url=f"{server.address}/{url}") if form.url else form for form in COLLECTION[name].forms)
    return replace(COLLECTION[name], forms=forms)


def rows_of(name, folder):
    form = COLLECTION[name].forms[0]
    return cells_of_text((folder / form.path).read_bytes(), form.layout, name)


def as_text(rows, layout):
    separator = SEPARATORS[layout.separator]
    heads = [separator.join(f"name {i}" for i in range(layout.columns))] * layout.header
    return "\r\n".join([*heads, *(separator.join(row) for row in rows), ""]).encode()


def workbook(sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([float(cell) if isinstance(cell, str) else cell for cell in row])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@cache
def published(name, folder):
    """Return what the UCI archive has under a data set's address, made of the rows of the data folder's file."""
    form, rows = UCI[name], rows_of(name, folder)
    layout, heads = form.layout, [None] * form.layout.columns
    if name == "concrete":
        return {form.member: (folder / "regression_raw/concrete/Concrete_Data.xls").read_bytes()}
    if name == "energy":  # a second target, and 528 rows and two columns of nothing
        full = [[*row, "7.5", None, None] for row in rows] + [[None] * 12] * 528
        return {form.member: workbook({"Sheet1": [[*heads, None, None], *full]})}
    if name == "power":  # the same rows in other orders come before those of Hernandez-Lobato and Adams
        orders = {f"Sheet{k}": rows[k:] + rows[:k] for k in range(1, 5)}
        return {f"CCPP/{form.member}": workbook({k: [heads, *v] for k, v in (orders | {"Sheet5": rows}).items()})}
    if name == "protein":  # its target comes first
        return {form.member: as_text([[row[-1], *row[:-1]] for row in rows], layout)}
    if name == "auto-mpg":  # names in quotation marks, and six rows without a horsepower
        quoted = [[*row[:-1], f'"{row[-1]}"'] for row in rows]
        without = [[*row[:3], "?", *row[4:]] for row in quoted[:6]]
        return {form.member: as_text(quoted[:30] + without + quoted[30:], layout)}
    if name == "statlog-vehicle":
        parts = {f"xa{letter}.dat": rows[94 * i : 94 * (i + 1)] for i, letter in enumerate("abcdefghi")}
        return {part: as_text(some, layout) for part, some in parts.items()}
    return {form.member: as_text(rows, layout)}


LARGEST = ("power", "protein")  # others have their layouts


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.exhaustive] * (name in LARGEST)) for name in UCI]
)
def test_a_download_in_the_published_layout_is_kept_and_read(name, data_folder, own_cache, server, monkeypatch):
    files = {"__MACOSX/._data": b"", "Readme.txt": b"hello", **published(name, data_folder)}
    server.content["/data.zip"] = zipped(files)
    dataset = at(server, name, "data.zip")
    expected = read(COLLECTION[name])
    outcome = fetched([dataset], own_cache)[name]
    assert outcome.reason == ""
    assert outcome.file == own_cache / UCI[name].path
    monkeypatch.delenv("NTKBENCH_DATA")
    if not dataset.scikit_learn:
        assert find(dataset).location == "cache"
    for found, stated in zip(read_form(dataset, UCI[name], outcome.file.read_bytes()), expected, strict=True):
        assert (found == stated).all()
    assert not list((own_cache / "unfinished").iterdir())


def test_the_first_sheet_of_the_power_plant_is_not_the_one(data_folder):
    content = published("power", data_folder)["CCPP/Folds5x2_pp.xlsx"]
    form = replace(UCI["power"], layout=replace(UCI["power"].layout, sheet="Sheet1"))
    with pytest.raises(DataError, match="differ from the published data"):
        read_form(COLLECTION["power"], form, content)


def test_concrete_that_was_not_rounded_is_not_the_one(data_folder):
    form = replace(UCI["concrete"], layout=replace(UCI["concrete"].layout, decimals=()))
    content = (data_folder / "regression_raw/concrete/Concrete_Data.xls").read_bytes()
    with pytest.raises(DataError, match="differ from the published data"):
        read_form(COLLECTION["concrete"], form, content)


def test_a_copy_that_lost_a_row_to_a_header_is_refused_with_that_guess(data_folder, own_cache, server):
    ((member, content),) = published("yacht", data_folder).items()
    lost = b"LC PC LD BD LB Fr Rr\r\n" + content.split(b"\r\n", 1)[1]
    server.content["/data.zip"] = zipped({member: lost.split(b"\r\n", 1)[1]})
    outcome = fetched([at(server, "yacht", "data.zip")], own_cache)["yacht"]
    assert outcome.file is None and "307 rows, expected 308; was the first row read as a header" in outcome.reason
    assert not list(own_cache.glob("uci/**/*"))
    server.content["/data.zip"] = zipped({member: lost})
    assert "'LC' in column 0, not a number" in fetched([at(server, "yacht", "data.zip")], own_cache)["yacht"].reason


def a19_archive(folder, names):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in names:
            place = (folder / COLLECTION[name].forms[0].path).parent
            for file in sorted(place.iterdir()):
                archive.add(file, f"./{place.name}/{file.name}")
    return content.getvalue()


@cache
def archive_content(names, folder):
    return a19_archive(folder, names)


@pytest.fixture
def serve(data_folder, server):
    """Return what serves an archive of some sets of the a19 collection and returns those sets."""

    def sets(names):
        server.content["/data.tar.gz"] = archive_content(tuple(names), data_folder)
        return [at(server, name, "data.tar.gz") for name in names]

    return sets


@pytest.fixture
def collection(serve):
    return serve(FEW)


@pytest.mark.parametrize(
    "names", [pytest.param(FEW, id="few"), pytest.param(A19, marks=pytest.mark.exhaustive, id="all")]
)
def test_one_download_gives_the_whole_a19_collection(names, serve, own_cache, server, monkeypatch):
    datasets = serve(names)
    outcomes = fetched(datasets, own_cache)
    assert [one.reason for one in outcomes.values()] == [""] * len(names)
    assert len(server.asked) == 1
    monkeypatch.delenv("NTKBENCH_DATA")
    for dataset in datasets:
        assert find(dataset).location == "cache"
        read(dataset)
        published_resample(dataset, 3)


def test_a_connection_that_breaks_off_is_taken_up_again(collection, own_cache, server):
    size = len(server.content["/data.tar.gz"])
    server.faults = [faulty.fails, faulty.cut_after(size // 3), faulty.stalls, None]
    outcomes = fetched(collection[:3], own_cache, patience=4.0)
    assert [one.reason for one in outcomes.values()] == [""] * 3
    assert len(server.asked) == 4 and server.sent == size


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(collection, own_cache, server):
    size = len(server.content["/data.tar.gz"])
    server.faults = [faulty.cut_after(size // 3)]
    reason = fetched(collection[:1], own_cache, retries=0)["a19/abalone"].reason
    assert "interrupted after" in reason and "the partial download is kept" in reason
    assert fetched(collection[:1], own_cache)["a19/abalone"].file is not None
    assert server.sent == size


def test_what_was_changed_on_its_way_is_downloaded_once_more(collection, own_cache, server):
    server.faults = [faulty.corrupts]
    assert fetched(collection[:3], own_cache)["a19/abalone"].file is not None
    assert len(server.asked) == 2
    server.faults = [faulty.corrupts, faulty.corrupts]
    outcome = fetched(collection[3:4], own_cache)["a19/arrhythmia"]
    assert outcome.file is None and "data.tar.gz" in outcome.reason
    assert not (own_cache / "classification_fd" / "arrhythmia").exists()


@pytest.mark.parametrize("file", ["zoo_R.dat", "conxuntos.dat", "conxuntos_kfold.dat"])
def test_a_set_one_of_whose_files_differs_is_not_kept_and_the_others_are(file, data_folder, own_cache, server):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("zoo", "iris"):
            for path in sorted((data_folder / "classification_fd" / name).iterdir()):
                body = path.read_bytes()
                if (name, path.name) == ("zoo", file):
                    body = body.replace(b"1", b"2", 1)
                entry = tarfile.TarInfo(f"data/{name}/{path.name}")
                entry.size = len(body)
                archive.addfile(entry, io.BytesIO(body))
    server.content["/data.tar.gz"] = content.getvalue()
    outcomes = fetched([at(server, name, "data.tar.gz") for name in ("a19/zoo", "a19/iris")], own_cache)
    assert outcomes["a19/zoo"].file is None
    assert "uci/a19/zoo" in outcomes["a19/zoo"].reason and file in outcomes["a19/zoo"].reason
    assert not (own_cache / "classification_fd/zoo").exists()
    assert outcomes["a19/iris"].file is not None


def test_a_missing_member_a_bomb_and_a_page_in_place_of_an_archive(data_folder, own_cache, server, monkeypatch):
    server.content |= {"/a.zip": zipped({"other.data": b"1"}), "/c.zip": b"<html>moved</html>"}
    server.content["/b.zip"] = zipped({"iris.data": b"0" * 10**6})
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 10**5)
    for url, reason in (
        ("a.zip", "no iris.data; it holds other.data"),
        ("b.zip", "unpacks to more than"),
        ("c.zip", "not a readable archive"),
        ("d.zip", "404"),
    ):
        outcome = fetched([at(server, "iris", url)], own_cache)["iris"]
        assert outcome.file is None and reason in outcome.reason
    assert not list(own_cache.glob("uci/**/*"))


def test_a_host_that_cannot_be_reached_is_not_asked_again(own_cache, monkeypatch):
    with faulty.serving() as gone:
        pass
    tried = []
    monkeypatch.setattr(pooch.core.time, "sleep", tried.append)
    outcomes = fetched([at(gone, "iris", "a.zip"), at(gone, "zoo", "b.zip")], own_cache, retries=2)
    assert "cannot be reached" in outcomes["iris"].reason and "--data-dir" in outcomes["iris"].reason
    assert "cannot be reached" in outcomes["zoo"].reason
    assert len(tried) == 2


def test_a_folder_that_cannot_be_written_to_is_named(data_folder, server, tmp_path):
    server.content["/data.zip"] = zipped(published("iris", data_folder))
    (tmp_path / "file").write_text("in the way")
    outcome = fetched([at(server, "iris", "data.zip")], tmp_path / "file" / "cache")["iris"]
    assert f"cannot write to {tmp_path / 'file' / 'cache'}" in outcome.reason


OPENML = {"boston": 531, "kin8nm": 189, "pima": 37}


@pytest.fixture
def openml(data_folder, server, monkeypatch):
    """Let scikit-learn's client ask this server, which has one table as OpenML would send it."""
    for name in ("_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
        address = getattr(_openml, name).replace("https://www.openml.org", server.address)
        monkeypatch.setattr(_openml, name, address)

    def has(name):
        number, rows = OPENML[name], rows_of(name, data_folder)
        columns = len(rows[0])
        kinds = ["REAL"] * columns
        if name == "pima":
            kinds[-1] = "{tested_negative, tested_positive}"
            rows = [[*row[:-1], ("tested_negative", "tested_positive")[int(row[-1])]] for row in rows]
        attributes = "\n".join(f"@ATTRIBUTE a{i} {kind}" for i, kind in enumerate(kinds))
        arff = f"@RELATION {name}\n{attributes}\n@DATA\n" + "\n".join(",".join(row) for row in rows) + "\n"
        described = {
            "id": str(number), "name": name, "description": "", "version": "1", "format": "ARFF", "status": "active",
            "url": f"{server.address}/{name}.arff", "file_id": "1", "default_target_attribute": f"a{columns - 1}",
            "md5_checksum": md5(arff.encode()).hexdigest(),
        }  # fmt: skip
        features = [
            {"index": str(i), "name": f"a{i}", "is_target": str(i == columns - 1).lower(), "is_ignore": "false",
             "data_type": "numeric" if kind == "REAL" else "nominal", "is_row_identifier": "false",
             "number_of_missing_values": "0"}
            for i, kind in enumerate(kinds)
        ]  # fmt: skip
        api = "/api/v1/json/data"
        server.content |= {
            f"{api}/{number}": json.dumps({"data_set_description": described}).encode(),
            f"{api}/features/{number}": json.dumps({"data_features": {"feature": features}}).encode(),
            f"{api}/qualities/{number}": b'{"data_qualities": {"quality": []}}',
            f"/{name}.arff": arff.encode(),
        }
        return COLLECTION[name]

    return has


@pytest.mark.parametrize("name", OPENML)
def test_tables_of_openml_are_kept_with_every_digit(name, openml, own_cache):
    dataset = openml(name)
    expected = read(dataset)
    outcome = fetched([dataset], own_cache)[name]
    assert outcome.reason == ""
    form = next(form for form in dataset.forms if form.url.startswith("openml:"))
    for found, stated in zip(read_form(dataset, form, outcome.file.read_bytes()), expected, strict=True):
        assert (found == stated).all()


@pytest.mark.parametrize("path", ["/api/v1/json/data/37", "/pima.arff"])
def test_openml_that_changes_fails_or_has_no_such_table(path, openml, own_cache, server):
    dataset, content = openml("pima"), dict(server.content)
    server.content[path] = content[path].replace(b"1", b"2", 3)[: len(content[path]) // 2]
    assert fetched([dataset], own_cache)["pima"].file is None
    del server.content[path]
    assert "404" in fetched([dataset], own_cache)["pima"].reason
    assert not list(own_cache.glob("openml/*.csv"))
    server.content = content
    assert fetched([dataset], own_cache)["pima"].file is not None
