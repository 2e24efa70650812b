"""Replies that are streamed: what a client makes of the pieces that it gets."""

from collections.abc import Iterable, Mapping
from typing import Any


def shown(pieces: Iterable[Mapping[str, Any]]) -> str:
    """Return what a client shows that was sent these pieces of one reply.

    Each must begin where the one before has ended, or be the first of all.
    """
    text, following = "", 0
    for piece in pieces:
        if piece["index"] == 0:
            text, following = "", 0
        assert piece["index"] == following, piece
        assert piece.get("count", 1) >= 1
        text += piece["chunk"]
        following += piece.get("count", 1)
    return text
