"""Sealing: what the database holds tells nothing without the operator's secret."""

import pytest

from rooms.sealing import Sealer, Unreadable

SECRET = "an operator's secret of some length"
PLAIN = b"what nobody else may read"


def test_what_was_sealed_is_read_again() -> None:
    """Another process with the same secret reads it, and no two texts are alike."""
    first, second = (Sealer(SECRET).seal(PLAIN, "bot") for _ in range(2))
    assert first != second
    assert PLAIN not in first
    assert [Sealer(SECRET).unseal(sealed, "bot") for sealed in (first, second)] == [PLAIN, PLAIN]


@pytest.mark.parametrize(("secret", "owner"), [(SECRET + "x", "bot"), (SECRET, "other"), (SECRET, "")])
def test_nobody_else_reads_it(secret: str, owner: str) -> None:
    """Another secret is of no use, nor is the row of another owner."""
    sealed = Sealer(SECRET).seal(PLAIN, "bot")
    with pytest.raises(Unreadable):
        Sealer(secret).unseal(sealed, owner)


def test_what_was_changed_is_not_read() -> None:
    """Each byte counts, the version's too, and so does the end."""
    sealed = Sealer(SECRET).seal(PLAIN, "bot")
    changed = [
        sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))
    ]
    for text in (*changed, sealed[:-1], sealed + b"x", sealed[:5], b""):
        with pytest.raises(Unreadable):
            Sealer(SECRET).unseal(text, "bot")
