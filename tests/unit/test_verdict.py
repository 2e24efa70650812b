"""The verdict over what clients saw: it finds each thing that can be wrong, and nothing in what is right."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.history import Entry, History, Log, Place, Resync, Sight, Stay, Stored, Submission, Visit
from chaos.verdict import Kind, judge

EPOCH = 7
KINDS = ["participant_joined", "participant_joined", "message", "message", "message_deleted", "message"]
CHANNELS = ["lobby", "room", "lobby", "room", "room", "lobby"]
MESSAGES = [None, None, "m3", "m4", "m4", "m6"]


def log() -> Log:
    """Return six events of two channels; ben is in both, but leaves the room before the fifth event."""
    return Log(
        epoch=EPOCH,
        floor=0,
        top=6,
        entries=[
            Entry(seq, *rest) for seq, rest in enumerate(zip(KINDS, CHANNELS, MESSAGES, strict=True), 1)
        ],
        stays=[Stay("ben", "lobby", 1, None), Stay("ben", "room", 2, 5)],
        messages=[
            Stored("m3", "ann", "a said", False),
            Stored("m4", "ann", "", True),
            Stored("m6", "ann", "c said", False),
        ],
    )


def submissions() -> list[Submission]:
    """Return what ann was acknowledged."""
    return [
        Submission("ann", "lobby", "a", "a said", "m3", 3),
        Submission("ann", "room", "b", "", "m4", 4, deleted_at=50.0),
        Submission("ann", "lobby", "c", "c said", "m6", 6),
    ]


def visit(*seqs: int, start: int | None = None, **more: object) -> Visit:
    """Return a visit that saw these events of the log."""
    seen = [Sight(seq, KINDS[seq - 1], CHANNELS[seq - 1], None, 10.0 + seq) for seq in seqs]
    place = None if start is None else Place(EPOCH, start)
    made = Visit("stream", began_at=10.0, start=place, seen=seen)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def found(*visits: Visit, who: str | None = "ben", only: str | None = None, until: int = 6) -> list[Kind]:
    """Return which kinds of fault are found in one client's visits."""
    history = History("client", who, only, list(visits))
    return [fault.kind for fault in judge(log(), submissions(), [history], until)]


def test_nothing_is_wrong_with_a_client_that_saw_what_it_may() -> None:
    """On one visit or on several, from its beginning on, up to where it had time to look."""
    assert found(visit(1, 2, 3, 4, 6, start=0)) == []
    assert found(visit(1, 2, start=0), visit(start=2), visit(3, 4, 6)) == []
    assert found(visit(4, 6, start=3)) == []
    assert found(visit(1, 2, 3, 4, start=0), until=5) == []


def test_a_service_sees_every_channel_or_the_one_that_it_follows() -> None:
    """It needs no membership."""
    assert found(visit(1, 2, 3, 4, 5, 6, start=0), who=None) == []
    assert found(visit(4, 5, start=3), who=None, only="room") == []
    assert found(visit(4, 5, 6, start=3), who=None, only="room") == [Kind.FORBIDDEN]
    assert found(visit(4, 6, start=3), who=None) == [Kind.LOST]


def test_an_event_that_a_client_did_not_see_is_lost() -> None:
    """Between two visits, too, and at the end."""
    assert found(visit(1, 2, start=0), visit(4, 6)) == [Kind.LOST]
    assert found(visit(1, 2, 3, start=0)) == [Kind.LOST, Kind.LOST]
    assert found(visit(start=4)) == [Kind.LOST]


def test_an_event_that_a_client_saw_twice_is_doubled() -> None:
    """On one visit, or again on the next."""
    assert found(visit(1, 2, 3, 3, 4, 6, start=0)) == [Kind.DOUBLED]
    assert found(visit(1, 2, 3, start=0), visit(3, 4, 6)) == [Kind.DOUBLED]


def test_an_event_after_a_later_one_is_out_of_order() -> None:
    """Though each came once."""
    assert found(visit(1, 2, 4, 3, 6, start=0)) == [Kind.DISORDERED]


def test_an_event_of_a_channel_that_a_client_was_not_in_is_forbidden() -> None:
    """So is one from before its beginning."""
    assert found(visit(1, 2, 3, 4, 5, 6, start=0)) == [Kind.FORBIDDEN]
    assert found(visit(3, 4, 6, start=3)) == [Kind.FORBIDDEN]


def test_an_event_that_is_not_what_the_log_holds_is_false() -> None:
    """Its kind and its channel are the log's."""
    told = visit(1, 2, 3, 4, 6, start=0)
    told.seen[2] = told.seen[2]._replace(kind="message_updated")
    assert found(told) == [Kind.FALSE]


def test_what_was_deleted_before_a_visit_must_not_be_told_on_it() -> None:
    """Who was connected before may have seen it."""
    told = visit(1, 2, 3, 4, 6, start=0)
    told.seen[3] = told.seen[3]._replace(text="b said")
    assert found(told) == []
    told.began_at = 51.0
    assert found(told) == [Kind.FORBIDDEN]


def test_a_client_begins_anew_only_for_a_reason() -> None:
    """What it missed by then is not lost, what it missed before the last event that it saw is."""
    whole, pruned = Place(EPOCH, 2), Place(EPOCH - 1, 2)
    for stated, faults in ((whole, [Kind.FALSE]), (pruned, []), (None, [])):
        again = visit(6, start=4, resync=Resync("epoch", stated))
        assert found(visit(1, 2, start=0), again) == faults
    again = visit(6, start=4, resync=Resync("epoch", pruned))
    assert found(visit(1, 3, start=0), again) == [Kind.LOST]
    assert found(visit(1, 2, start=0), visit(start=4, resync=Resync("epoch", pruned))) == [Kind.LOST]


def lose_a_message(log: Log) -> Log:
    """Return the log without an end that was acknowledged."""
    return replace(log, top=5, entries=log.entries[:5], messages=log.messages[:2])


def lose_an_entry(log: Log) -> Log:
    """Return the log with a hole."""
    return replace(log, entries=[*log.entries[:1], *log.entries[2:]])


def undo_a_deletion(log: Log) -> Log:
    """Return the log with a message that was deleted."""
    back = Stored("m4", "ann", "b said", False)
    return replace(log, messages=[log.messages[0], back, log.messages[2]])


def store_twice(log: Log) -> Log:
    """Return the log with a message that is there once more."""
    return replace(log, messages=[*log.messages, Stored("m7", "eve", "c said", False)])


def store_unasked(log: Log) -> Log:
    """Return the log with a deleted message that nobody submitted."""
    return replace(log, messages=[*log.messages, Stored("m7", "ann", "", True)])


@pytest.mark.parametrize(
    ("harm", "kinds"),
    [
        (lose_a_message, {Kind.LOST}),
        (lose_an_entry, {Kind.LOST}),
        (undo_a_deletion, {Kind.LOST}),
        (store_twice, {Kind.DOUBLED}),
        (store_unasked, {Kind.DOUBLED}),
    ],
)
def test_a_log_that_does_not_keep_what_was_acknowledged_is_found_out(
    harm: Callable[[Log], Log], kinds: set[Kind]
) -> None:
    """Whatever the clients saw."""
    assert judge(log(), submissions(), [], 6) == []
    assert {fault.kind for fault in judge(harm(log()), submissions(), [], 6)} == kinds


def test_every_order_but_the_right_one_is_found_out() -> None:
    """No permutation of what a client saw is taken for the log's order."""
    for seqs in itertools.permutations((1, 2, 3, 4, 6)):
        assert (found(visit(*seqs, start=0)) == []) == (seqs == (1, 2, 3, 4, 6))
