"""Damage to a finished run: found and named on reading, and mended by running again; never another number."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from grids import each_once
from store_runs import TEXT, resume
from toy_runs import compared, invoke, session

import ntkbench
from ntkbench.errors import StoreError
from ntkbench.store.compaction import Compactor
from ntkbench.store.finished import finished_cells
from ntkbench.store.schemas import CELL_TABLES
from ntkbench.store.solution_cache import has_solution

TABLES = ("cells", *CELL_TABLES, "verdicts")
FLIPS = 6


@pytest.fixture(scope="module")
def packed(done, tmp_path_factory):
    """The same run with its cells in two parts, not to be changed."""
    path = Path(shutil.copytree(done, tmp_path_factory.mktemp("packed") / "run"))
    cells, made = sorted(finished_cells(path).loose), Compactor(path)
    for some in (cells[:2], cells[2:]):
        made.found.loose = set(some)
        made.pack(merged_at=99)
    return path


@pytest.fixture(scope="module")
def known(done):
    """What the run says."""
    return everything(done)


def everything(path):
    results = ntkbench.load(path)
    return {name: getattr(results, name) for name in TABLES}


def same(found, known):
    return all(found[name].equals(known[name]) for name in TABLES)


def flipped(content, seed):
    """Return bytes of which one is another."""
    rng = np.random.default_rng(seed)
    place = int(rng.integers(len(content)))
    return content[:place] + bytes([content[place] ^ int(rng.integers(1, 256))]) + content[place + 1 :]


def damages(file):
    """Yield what may have become of a file's bytes, None if it is gone, by name."""
    content = file.read_bytes()
    for seed in range(FLIPS):
        yield f"flipped {seed}", flipped(content, seed)
    yield from {"cut": content[: len(content) // 2], "one byte short": content[:-1], "longer": content + b"\0"}.items()
    yield from {"zeros": bytes(len(content)), "empty": b"", "gone": None}.items()
    others = [other for other in sorted(file.parent.glob("*.parquet")) if other != file]
    yield from ((f"copy of {other.name}", other.read_bytes()) for other in others[:2])


def is_beside_the_numbers(content, damage):
    """Return whether only the description at a parquet file's end differs, or white space at the end of JSON."""
    if damage.rstrip() == content.rstrip():
        return True
    description = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    return content[:4] == b"PAR1" and len(damage) == len(content) and damage[:description] == content[:description]


def test_no_damage_to_a_file_gives_another_number(done, known, tmp_path):
    tried = 0
    path = Path(shutil.copytree(done, tmp_path / "run"))
    files = [path / "run.json", *(file for table in TABLES for file in sorted((path / table).glob("*.parquet")))]
    for file in files:
        content = file.read_bytes()
        for name, damage in [*damages(file)]:
            file.unlink() if damage is None else file.write_bytes(damage)
            try:
                read = everything(path)
            except StoreError as error:
                assert file.name in str(error) or str(path) in str(error), (file, name)
            else:
                lost = damage is None and file.parent.name in ("cells", "verdicts")  # never run, as far as one can see
                assert lost or (same(read, known) and is_beside_the_numbers(content, damage)), (file, name)
            tried += 1
            file.write_bytes(content)
    assert tried >= 200


def test_no_damage_to_a_part_gives_another_number(packed, known, tmp_path):
    path = Path(shutil.copytree(packed, tmp_path / "run"))
    assert same(everything(path), known)
    files = [file for table in CELL_TABLES for file in sorted((path / table).glob("*.parquet"))]
    assert len(files) >= 5
    for file in [*sorted((path / "cells").glob("*.parquet")), *files]:
        content = file.read_bytes()
        for name, damage in [*damages(file)]:
            file.unlink() if damage is None else file.write_bytes(damage)
            with pytest.raises(StoreError) as caught:
                everything(path)
            assert file.name in str(caught.value) or file.parent.name == "cells", (file, name)
            assert str(path) in str(caught.value), (file, name)
            file.write_bytes(content)
    assert same(everything(path), known)


@pytest.mark.parametrize("table", TABLES[:3])
@pytest.mark.parametrize("damage", ["flipped 0", "cut", "gone", "copy"])
def test_running_again_mends_a_part(packed, tmp_path, table, damage):
    path = Path(shutil.copytree(packed, tmp_path / "run"))
    file = sorted((path / table).glob("*.parquet"))[0]
    content = next(content for name, content in damages(file) if name.startswith(damage))
    file.unlink() if content is None else file.write_bytes(content)
    found = session(TEXT, path, executor="inline", analyse=True)
    assert found.summary.counts == {"ok": 2}
    for name, frame in compared(packed).items():
        pd.testing.assert_frame_equal(compared(path)[name], frame)


def test_a_cell_in_two_places_is_named_and_mended(packed, done, tmp_path):
    path = Path(shutil.copytree(packed, tmp_path / "run"))
    twice = sorted((done / "cells").glob("*.parquet"))[0]
    shutil.copy(twice, path / "cells")
    with pytest.raises(StoreError, match=f"part-.*holds the cell {twice.stem}, as another file does"):
        everything(path)
    assert session(TEXT, path, executor="inline").summary.counts == {"ok": 1}
    for name, frame in compared(packed).items():
        pd.testing.assert_frame_equal(compared(path)[name], frame)


def test_a_damaged_journal_is_named_and_mended(packed, tmp_path):
    path = Path(shutil.copytree(packed, tmp_path / "run"))
    (path / ".staged").mkdir()
    for text in ("", "{}", '{"add": [], "remove": ["cells/x.parquet"], "digest": "0"}'):
        (path / ".staged" / "journal.json").write_text(text)
        with pytest.raises(StoreError, match=r"journal.json: damaged"):
            everything(path)
    assert not session(TEXT, path, executor="inline").summary.counts
    assert not (path / ".staged").exists()
    pd.testing.assert_frame_equal(everything(path)["cells"], everything(packed)["cells"])


@pytest.mark.parametrize(
    ("damage", "table"), each_once(["flipped 0", "gone", "cut", "zeros", "copy", "flipped 1"], TABLES)
)
def test_running_again_mends_it(done, known, tmp_path, table, damage):
    path = Path(shutil.copytree(done, tmp_path / "run"))
    file = sorted((path / table).glob("*.parquet"))[0]
    by_name = dict(damages(file))
    content = next((content for name, content in by_name.items() if name.startswith(damage)), b"")
    file.unlink() if content is None else file.write_bytes(content)
    session(TEXT, path, executor="inline", analyse=True)
    before, after = compared(done), compared(path)
    for name, frame in before.items():
        pd.testing.assert_frame_equal(after[name], frame)
    numbers = known["verdicts"].select_dtypes("number")
    pd.testing.assert_frame_equal(ntkbench.load(path).verdicts[numbers.columns], numbers)


def test_files_that_changed_places_are_named(done, tmp_path):
    for table in ("cells", "measurements", "predictions"):
        path = Path(shutil.copytree(done, tmp_path / table))
        one, two = sorted((path / table).glob("*.parquet"))[:2]
        contents = one.read_bytes(), two.read_bytes()
        two.write_bytes(contents[0])
        one.write_bytes(contents[1])
        with pytest.raises(StoreError, match=one.name):
            everything(path)


def test_a_damaged_solution_is_none(done, tmp_path):
    solutions = Path(shutil.copytree(done / "solutions", tmp_path / "solutions"))
    (cell_id,) = (folder.name for folder in solutions.iterdir())
    assert has_solution(solutions, cell_id)
    for file in sorted((solutions / cell_id).iterdir()):
        content = file.read_bytes()
        for seed in range(5):
            file.write_bytes(flipped(content, seed))
            assert not has_solution(solutions, cell_id)
        file.unlink()
        assert not has_solution(solutions, cell_id)
        file.write_bytes(content)
    assert has_solution(solutions, cell_id)
    (solutions / cell_id).rename(solutions / "another")
    assert not has_solution(solutions, "another")


class TestDamage:
    @pytest.mark.parametrize("damage", ["cut", "empty", "garbage inside", "other schema"])
    def test_a_damaged_cell_is_done_again(self, mine, damage):
        before = ntkbench.load(mine)
        file = sorted((mine / "cells").glob("*.parquet"))[1]
        content = file.read_bytes()
        if damage == "other schema":
            pq.write_table(pa.table({"x": [1]}), file)
        else:
            file.write_bytes(
                {"cut": content[:-20], "empty": b"", "garbage inside": content[:4] + b"\0" * 500 + content[-4:]}[damage]
            )
        with pytest.raises(StoreError, match=f"{file.name}: not a whole parquet file"):
            _ = ntkbench.load(mine).cells
        assert resume(mine).summary.counts == {"ok": 1}
        after = ntkbench.load(mine)
        assert after.measurements["value"].tolist() == before.measurements["value"].tolist()

    def test_a_damaged_table_is_done_again(self, mine):
        file = sorted((mine / "measurements").glob("*.parquet"))[1]
        file.write_bytes(file.read_bytes()[:-20])
        with pytest.raises(StoreError, match=f"{file.name}: damaged"):
            _ = ntkbench.load(mine).measurements
        assert resume(mine).summary.counts == {"ok": 1}
        assert len(ntkbench.load(mine).measurements)

    def test_a_lost_table_is_done_again(self, mine):
        shutil.rmtree(mine / "measurements")
        with pytest.raises(StoreError, match="parquet: is missing; run the study again to redo it"):
            _ = ntkbench.load(mine).measurements
        assert resume(mine).summary.counts == {"ok": 4}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "broken JSON"),
            ("[]", "broken JSON, or no schema_version"),
            ("{}", "broken JSON, or no schema_version"),
            ('{"schema_version": "1", "resolved": {}}', "schema_version '1'"),
            ('{"schema_version": 1}', "no resolved study"),
            ('{"schema_version": 99, "resolved": {}}', "written with schema 99 by a newer ntkbench; this one reads 3"),
            ('{"schema_version": 0, "resolved": {}}', "written with schema 0 by an older ntkbench"),
        ],
    )
    def test_a_broken_run_file_is_named(self, mine, text, message):
        (mine / "run.json").write_text(text)
        for use in (lambda: resume(mine), lambda: ntkbench.load(mine)):
            with pytest.raises(StoreError) as caught:
                use()
            assert message in str(caught.value)
            assert str(mine) in str(caught.value)

    def test_the_command_line_names_the_damaged_file(self, mine):
        file = sorted((mine / "cells").glob("*.parquet"))[0]
        file.write_bytes(b"PAR1")
        assert str(file) in json.loads(invoke("results", "list", mine, "--json").stdout)[0]["cells"]
        for arguments in (("results", "show", mine), ("results", "export", mine)):
            found = invoke(*arguments)
            assert found.exit_code == 2
            assert str(file) in found.stderr
            assert "Traceback" not in found.stderr
            assert found.stdout == ""


def test_a_reader_that_knows_no_digests_finds_a_changed_page_by_its_checksum(done, tmp_path):
    file = sorted((done / "predictions").glob("*.parquet"))[0]
    content = file.read_bytes()
    column = pq.ParquetFile(file).metadata.row_group(0).column(pq.read_schema(file).get_field_index("value"))
    assert pq.ParquetFile(file, page_checksum_verification=True).read().num_rows
    last = column.data_page_offset + column.total_compressed_size - 1
    changed = tmp_path / "changed.parquet"
    changed.write_bytes(content[:last] + bytes([content[last] ^ 1]) + content[last + 1 :])
    assert not pq.read_table(changed).equals(pq.read_table(file))  # without checksums it is another number
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(changed, page_checksum_verification=True).read()
