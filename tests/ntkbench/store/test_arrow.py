"""Tables in memory and files that are written whole."""

from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from ntkbench.errors import StoreError
from ntkbench.plugin.hashing import digest_of_bytes
from ntkbench.store.arrow import parquet_bytes, read_table, row_table, to_table, write_bytes


class TestArrow:
    KEY: ClassVar = {"schema_version": 1, "attempt": 1, "run_id": "x", "cell_id": "y"}
    ROW: ClassVar = {
        **dict.fromkeys(("member", "step", "time", "residual_projection")),
        "kernel": "ntk",
        "component": 0,
        "output": 0,
        "eigenvalue": 1.0,
        "target_projection": 1.0,
    }

    def test_scalars_fill_their_column(self):
        columns = self.ROW | {"component": np.arange(3), "member": np.ma.masked_equal([0, 1, 2], 1)}
        table = to_table("spectra", columns, self.KEY)
        assert table["component"].to_pylist() == [0, 1, 2]
        assert table["member"].to_pylist() == [0, None, 2]
        assert table["eigenvalue"].to_pylist() == [1.0] * 3
        assert table["residual_projection"].null_count == 3

    def test_no_rows_are_a_table_too(self):
        columns = self.ROW | {"component": [], "eigenvalue": []}
        assert to_table("spectra", columns, self.KEY).num_rows == 0

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"extra": 1}, r"unknown or missing columns \['extra'\]"),
            ({"eigenvalue": "large"}, "table spectra, column eigenvalue"),
            ({"eigenvalue": None}, "a value is missing"),
            ({"component": 0.5}, "table spectra, column component"),
            ({"kernel": "\udcff"}, "table spectra, column kernel"),
        ],
    )
    def test_what_does_not_fit_is_named(self, change, message):
        with pytest.raises(ValueError, match=message):
            row_table("spectra", self.KEY | self.ROW | change)

    @pytest.mark.parametrize("size", [3, 5000])
    def test_a_file_is_written_whole(self, tmp_path, size):
        table = to_table("spectra", self.ROW | {"component": np.arange(size)}, self.KEY)
        file, content = tmp_path / "a.parquet", parquet_bytes(table)
        write_bytes(content, file, tmp_path / "part", sync=True)
        assert pq.read_table(file).equals(table)
        assert read_table(file, "spectra", digest_of_bytes(content)).equals(table)
        assert not (tmp_path / "part").exists()
        for broken in (b"", b"PAR", content[:-1], content[1:]):
            file.write_bytes(broken)
            with pytest.raises(StoreError, match=r"a.parquet: damaged"):
                read_table(file, "spectra", digest_of_bytes(content))
        file.unlink()
        with pytest.raises(StoreError, match=r"a.parquet: is missing"):
            read_table(file, "spectra", digest_of_bytes(content))
