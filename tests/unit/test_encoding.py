"""JSON that is kept takes the memory that it needs."""

import tracemalloc

import orjson
import pytest

from rooms.encoding import encode


@pytest.mark.parametrize("length", [10, 700, 5_000])
def test_what_is_kept_takes_little_more_than_its_length(length: int) -> None:
    """The bound of what a node keeps of its logs is one in lengths."""
    value = {"text": "x" * length}
    assert encode(value) == orjson.dumps(value)
    kept = [b""] * 200
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(len(kept)):
            kept[number] = encode(value)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(kept) < len(kept[0]) + 100
