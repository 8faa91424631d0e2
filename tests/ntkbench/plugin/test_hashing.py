"""Equal parameters have one text and one digest; bytes and files have another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntkbench.plugin.hashing import canonical_json, digest, digest_of_bytes, digest_of_file


class TestCanonicalJson:
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )

    @settings(max_examples=settings().max_examples // 3)
    @given(st.dictionaries(st.text(), json_values, max_size=5))
    def test_the_order_of_keys_is_nothing(self, value):
        turned = dict(reversed(list(value.items())))
        assert canonical_json(value) == canonical_json(turned)
        assert digest(value, 16) == digest(turned, 16)

    def test_equal_numbers_of_different_types_differ(self):
        assert canonical_json({"b": 1, "a": [1.0, None]}) == '{"a":[1.0,null],"b":1}'


class TestContent:
    """128 bits of BLAKE2b, as ``b2sum --length 128`` prints them."""

    @pytest.mark.parametrize(
        ("data", "expected"),
        [(b"", "cae66941d9efbd404e4d88758ea67670"), (b"abc", "cf4ab791c62b8d2b2109c90275287816")],
    )
    def test_digits_are_those_of_another_program(self, tmp_path, data, expected):
        file = tmp_path / "content"
        file.write_bytes(data)
        assert digest_of_bytes(data) == digest_of_bytes(memoryview(data)) == digest_of_file(file) == expected

    def test_files_of_several_buffers(self, tmp_path):
        content = np.random.default_rng(0).bytes(3_000_001)
        (tmp_path / "large").write_bytes(content)
        assert digest_of_file(tmp_path / "large") == digest_of_bytes(content)
