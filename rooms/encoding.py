"""JSON that is kept for a while."""

from __future__ import annotations

from typing import Any

import orjson


def encode(value: Any) -> bytes:
    """Return the value as JSON, in no more memory than it needs.

    orjson leaves its buffer, of 4 KB at least, behind what it returns.
    """
    return bytes(memoryview(orjson.dumps(value)))
