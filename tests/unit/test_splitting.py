"""Long texts are cut where a reader would cut them, and nothing of them is lost."""

from hypothesis import given
from hypothesis import strategies as st

from rooms.splitting import split


@given(st.text(), st.integers(2, 50))
def test_every_piece_fits_and_nothing_is_lost(text: str, limit: int) -> None:
    """But for white space at the cuts; platforms count astral signs twice at the worst."""
    pieces = split(text, limit)
    assert all(0 < len(piece.encode("utf-16-le", "surrogatepass")) // 2 <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_cut_is_at_a_paragraph_a_line_or_a_word() -> None:
    """The best place that leaves a piece at least half full."""
    assert split("aaa bbb\n\nccc ddd", 12) == ["aaa bbb", "ccc ddd"]
    assert split("aaa bbb\nccc ddd", 12) == ["aaa bbb", "ccc ddd"]
    assert split("aaa bbb ccc", 9) == ["aaa bbb", "ccc"]
    assert split("a bbbbbbbbbbbb", 10) == ["a bbbbbbbb", "bbbb"]


def test_a_short_text_is_one_piece_and_an_empty_one_none() -> None:
    """White space alone says nothing."""
    assert split("short", 10) == ["short"]
    assert split(" \n ", 10) == []
