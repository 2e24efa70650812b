"""Cursors and pids: nobody makes one but the server, and each means one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.cursors import Cursor, CursorSigner, Lag, Pid, Reason
from rooms.errors import ValidationFailed

SERVER, CHANNEL = "3c90c3cc-0d44-4b50-8888-8dd25736052a", "00000000-0000-0000-0000-000000000001"
SIGNER = CursorSigner(b"a secret")
SEQS = st.integers(0, 2**64 - 1)
LAGS = st.none() | st.builds(Lag, st.just(CHANNEL), SEQS, SEQS)
CURSORS = st.builds(Cursor, st.just(SERVER), SEQS, SEQS, LAGS)


@given(CURSORS)
def test_a_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    """Whatever it says, with a lag or without."""
    assert SIGNER.read(SIGNER.write(cursor)) == cursor


@given(CURSORS, st.integers(0), st.integers(1, 63))
def test_a_changed_cursor_is_refused(cursor: Cursor, place: int, change: int) -> None:
    """One character more or less, or another one, and it is nobody's."""
    text = SIGNER.write(cursor)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = place % (len(text) - 1)  # the last character may hold bits that mean nothing
    other = letters[(letters.index(text[at]) + change) % 64]
    for forged in (text[:at] + other + text[at + 1 :], text[:-1], text + "A", text[1:], ""):
        with pytest.raises(ValidationFailed):
            SIGNER.read(forged)


def test_a_cursor_of_another_secret_is_refused() -> None:
    """Two deployments do not read each other's."""
    with pytest.raises(ValidationFailed):
        CursorSigner(b"another").read(SIGNER.write(Cursor(SERVER, 1, 1)))


@pytest.mark.parametrize("reason", [None, *Reason])
def test_a_pid_is_its_owners_and_no_cursor(reason: Reason | None) -> None:
    """A pid says whose it is, where it began, and why anew; neither is read as the other."""
    pid = Pid.make("ann", Cursor(SERVER, 7, 9), reason)
    text = SIGNER.write_pid(pid)
    assert SIGNER.read_pid(text) == pid
    assert (pid.belongs_to("ann"), pid.belongs_to("eve")) == (True, False)
    with pytest.raises(ValidationFailed):
        SIGNER.read(text)
    with pytest.raises(ValidationFailed):
        SIGNER.read_pid(SIGNER.write(pid.start))


@pytest.mark.parametrize("length", range(64))
def test_a_ticket_is_no_cursor_and_no_pid(length: int) -> None:
    """However long it is: what a ticket says is nothing that a position could be read from."""
    ticket = SIGNER.write_ticket(bytes(length))
    assert SIGNER.read_ticket(ticket) == bytes(length)
    with pytest.raises(ValidationFailed):
        SIGNER.read(ticket)
    with pytest.raises(ValidationFailed):
        SIGNER.read_pid(ticket)


@pytest.mark.parametrize("text", ["ü", "====", "A" * 5_000, "\x00", "%%%%", " "])
def test_what_was_never_a_cursor_is_refused(text: str) -> None:
    """Any text may come from outside."""
    with pytest.raises(ValidationFailed):
        SIGNER.read(text)
