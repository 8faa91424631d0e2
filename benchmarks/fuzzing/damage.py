"""Damage to the bytes of a file."""

from __future__ import annotations

from hypothesis import strategies as st

_PLACE = st.floats(0, 1, exclude_max=True)
_ONE = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "repeat", "zeros"]), _PLACE, st.binary(min_size=1, max_size=8)
)
DAMAGES = st.just([]) | st.just([]) | st.lists(_ONE, min_size=1, max_size=3)


def damaged(content: bytes, damages: list[tuple[str, float, bytes]]) -> bytes:
    """Return the bytes after each damage: its kind, its place as a fraction of the length, and bytes for it."""
    for kind, place, data in damages:
        at = int(place * len(content))
        if kind == "flip" and content:
            content = content[:at] + bytes([content[at] ^ (data[0] or 1)]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "insert":
            content = content[:at] + data + content[at:]
        elif kind == "repeat":
            content += content[at:]
        else:
            content = content[:at] + bytes(len(data)) + content[at + len(data) :]
    return content
