"""The locations of data sets, in order, and the forms of their files."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from ntkbench.errors import DataError
from ntkbench_uci import locations
from ntkbench_uci.collection import COLLECTION
from ntkbench_uci.locations import PACKAGE, cache_folder, find
from ntkbench_uci.readers import content_hash, read, read_form

OTHERS = [(name, form) for name, one in COLLECTION.items() for form in one.forms[not one.scikit_learn :]]
IN_FOLDER = [(name, form) for name, form in OTHERS if not form.url and not form.path.startswith(PACKAGE)]
PACKED = [(name, form) for name, form in OTHERS if form.path.startswith(PACKAGE)]


def ids(forms):
    return {"argvalues": forms, "ids": [form.path for _, form in forms]}


def test_every_form_is_a_file_of_its_own():
    paths = [form.path for one in COLLECTION.values() for form in one.forms]
    assert len(paths) == len(set(paths))
    assert len(IN_FOLDER) == 17 and len(PACKED) == 15


@pytest.mark.parametrize(("name", "form"), **ids(IN_FOLDER))
def test_another_file_of_the_folder_holds_the_same_numbers(name, form, data_folder):
    dataset = COLLECTION[name]
    x, targets = read_form(dataset, form, (data_folder / form.path).read_bytes())
    assert content_hash(x, targets) == dataset.values_sha256
    assert x.shape == (dataset.rows, dataset.features)


@pytest.mark.parametrize(("name", "form"), **ids(PACKED))
def test_the_package_of_files_holds_the_same_numbers(name, form, data_folder, monkeypatch):
    expected = read(COLLECTION[name])
    monkeypatch.delenv("NTKBENCH_DATA")
    assert find(COLLECTION[name]).location == PACKAGE
    for found, stated in zip(read(COLLECTION[name]), expected, strict=True):
        np.testing.assert_array_equal(found, stated)


@pytest.fixture
def two_folders(tmp_path, monkeypatch):
    """Make one folder the data folder, the other the cache."""
    monkeypatch.setenv("NTKBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NTKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data", tmp_path / "cache"


def test_the_order_of_locations(data_folder, two_folders, monkeypatch):
    folder, cache = two_folders
    yacht, wine = COLLECTION["yacht"], COLLECTION["wine"]
    assert find(yacht).location == PACKAGE
    assert find(wine).location == "scikit-learn"
    for root in (cache, folder):
        for path in (yacht.forms[0].path, wine.forms[0].path):
            (root / path).parent.mkdir(parents=True)
            shutil.copy(data_folder / path, root / path)
        assert find(yacht).file == root / yacht.forms[0].path
        assert find(wine).file == root / wine.forms[0].path
        assert read(wine)[0].shape == (178, 13)
    monkeypatch.setattr(locations, "_package", lambda: None)
    shutil.rmtree(folder)
    shutil.rmtree(cache)
    assert find(yacht) is None


def test_an_older_form_in_the_data_folder_comes_before_the_first_one_in_the_cache(data_folder, two_folders):
    folder, cache = two_folders
    boston = COLLECTION["boston"]
    for root, form in ((folder, boston.forms[1]), (cache, boston.forms[0])):
        (root / form.path).parent.mkdir(parents=True)
        shutil.copy(data_folder / form.path, root / form.path)
    assert find(boston).form == boston.forms[1]


def test_without_a_name_the_cache_is_the_users(monkeypatch):
    monkeypatch.delenv("NTKBENCH_CACHE")
    assert cache_folder().parts[-2:] == ("ntkbench", "data")
    assert cache_folder().is_absolute()


def test_what_is_no_workbook_or_has_no_such_sheet(data_folder):
    dataset = COLLECTION["concrete"]
    form = next(form for form in dataset.forms if form.layout.separator == "excel")
    content = (data_folder / form.path).read_bytes()
    for wrong in (b"", b"no workbook", content[: len(content) // 2]):
        with pytest.raises(DataError, match=r"Concrete_Data\.xls"):
            read_form(dataset, form, wrong)
    with pytest.raises(DataError, match='no sheet "Sheet5", but Sheet1'):
        read_form(dataset, replace(form, layout=replace(form.layout, sheet="Sheet5")), content)
    short = replace(form.layout, header=2)
    with pytest.raises(DataError, match="1029 rows, expected 1030; was the first row read as a header"):
        read_form(dataset, replace(form, layout=short), content)


def test_negative_zero_is_zero():
    x = np.array([[0.0, -0.0]])
    assert content_hash(x, x[:, 0]) == content_hash(-x, -x[:, 0])
    assert content_hash(x, np.array([1])) != content_hash(x, np.array([1.0]))
