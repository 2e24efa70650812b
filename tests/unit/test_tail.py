"""The tail: what was delivered on this node, once and in order, within its bound."""

from dataclasses import replace

from rooms.publishing import Event
from rooms.tail import ENTRY_COST, Position, Tail

SERVER, OTHER, CHANNEL = "server", "other", "channel"


def event(seq: int, server_id: str = SERVER, epoch: int = 1, kind: str = "message", size: int = 10) -> Event:
    """Return an event whose payload has a size in bytes."""
    return Event(server_id, epoch, seq, CHANNEL, kind, {}, b"x" * size)


def seqs(
    tail: Tail, after: int, limit: int = 100, server_id: str = SERVER, room: int = 1_000
) -> list[int] | None:
    """Return the seqs of what is read after a seq."""
    found = tail.read(server_id, after, limit, room)
    return None if found is None else [entry.seq for entry in found]


def test_a_log_begins_where_this_node_first_saw_it() -> None:
    """By what the database says, or by the first event, whichever comes first."""
    tail = Tail()
    assert tail.settle(SERVER, 1, 7) == Position(1, 7)
    assert tail.settle(SERVER, 1, 9) == Position(1, 7)
    tail.extend([event(5, OTHER)])
    assert tail.position(OTHER) == Position(1, 5)
    assert seqs(tail, 4, server_id=OTHER) == [5]


def test_what_was_delivered_is_not_delivered_again() -> None:
    """A repeated event, or an older one, is dropped."""
    tail = Tail()
    tail.settle(SERVER, 1, 0)
    assert [entry.seq for entry in tail.extend([event(1), event(2)])] == [1, 2]
    assert tail.extend([event(1), event(2)]) == []
    assert [entry.seq for entry in tail.extend([event(2), event(3)])] == [3]


def test_reading_from_before_what_is_kept_is_for_the_database() -> None:
    """None means that the log itself has to be asked; nothing that nothing is missing."""
    tail = Tail()
    tail.settle(SERVER, 1, 5)
    assert seqs(tail, 5) == []
    tail.extend([event(seq) for seq in range(6, 10)])
    assert (seqs(tail, 4), seqs(tail, 5), seqs(tail, 7), seqs(tail, 9)) == (None, [6, 7, 8, 9], [8, 9], [])
    assert seqs(tail, 5, limit=2) == [6, 7]
    assert (seqs(tail, 5, room=19), seqs(tail, 5, room=20), seqs(tail, 5, room=1)) == ([6, 7], [6, 7, 8], [6])


def test_all_logs_share_one_bound() -> None:
    """What was published first goes first, whichever log it is of."""
    tail = Tail(max_bytes=4 * (ENTRY_COST + 10))
    tail.extend([event(1, OTHER), event(1), event(2), event(2, OTHER)])
    assert seqs(tail, 0, server_id=OTHER) == [1, 2]
    tail.extend([event(3)])
    assert (seqs(tail, 0, server_id=OTHER), seqs(tail, 1, server_id=OTHER)) == (None, [2])
    tail.extend([event(4, size=5 * ENTRY_COST)])
    assert (seqs(tail, 3), seqs(tail, 4), seqs(tail, 1, server_id=OTHER)) == (None, [], None)


def test_another_epoch_begins_anew() -> None:
    """What was kept of the old one is dropped, whether an event says so or somebody who knows."""
    tail = Tail()
    tail.extend([event(1), event(2)])
    tail.extend([event(3, epoch=2)])
    assert (tail.position(SERVER), seqs(tail, 1), seqs(tail, 2)) == (Position(2, 3), None, [3])
    tail.renew(SERVER, 5)
    tail.renew(OTHER, 5)
    assert (tail.position(SERVER), seqs(tail, 2), seqs(tail, 3)) == (Position(5, 3), None, [])


def test_an_edit_drops_what_says_otherwise() -> None:
    """Entries from before an edit or a deletion are read from the log, which was rewritten."""
    tail = Tail()
    tail.extend([event(1), event(1, OTHER), event(2)])
    tail.extend([replace(event(3), kind="message_deleted"), event(4)])
    assert (seqs(tail, 1), seqs(tail, 2), seqs(tail, 0, server_id=OTHER)) == (None, [3, 4], [1])
