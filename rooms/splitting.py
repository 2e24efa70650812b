"""Long texts in pieces that a platform takes, cut where a reader would."""

from __future__ import annotations

from collections.abc import Iterator

_CUTS = ("\n\n", "\n", " ")  # the best place first


def split(text: str, limit: int) -> list[str]:
    """Return the text in pieces of at most so many UTF-16 units, in which platforms count at the worst.

    White space at a cut goes; a text that is nothing else is no piece.
    """
    return list(_pieces(text.strip(), limit))


def _pieces(text: str, limit: int) -> Iterator[str]:
    while text:
        head = _head(text, limit)
        if len(head) < len(text):
            head = head[: _cut(head)]
        yield head.rstrip()
        text = text[len(head) :].lstrip()


def _head(text: str, limit: int) -> str:
    """Return as much of the text as there is room for."""
    if len(text) * 2 <= limit:
        return text
    head = text[:limit]
    while (excess := len(head.encode("utf-16-le")) // 2 - limit) > 0:
        head = head[: -max(1, excess // 2)]
    return head


def _cut(head: str) -> int:
    """Return where to cut: behind the last paragraph, line or word that fills half of it, or at its end."""
    for sign in _CUTS:
        found = head.rfind(sign)
        if found >= len(head) // 2:
            return found
    return len(head)
