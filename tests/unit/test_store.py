"""Statements that must mean the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from rooms import store
from rooms.access import EVERYTHING
from rooms.database import Database
from rooms.publishing import Event
from rooms.rows import Interval, Message, Window
from rooms.store.statements import tables
from rooms.tables import ApiKey, Channel, IdempotencyRecord, Participant, Server

SERVER, CHANNEL, OTHER_CHANNEL = "server", "channel", "other-channel"
ANNA, BERT = "anna", "bert"
SAID = range(1, 11)  # the seqs of ten messages, of which the seq-th was sent at second seq


def message(seq: int, channel_id: str = CHANNEL) -> Message:
    """Return the message of that seq."""
    return Message(
        id=f"message-{channel_id}-{seq}",
        server_id=SERVER,
        channel_id=channel_id,
        seq=seq,
        author_id=ANNA,
        by_agent=False,
        content=f"text {seq}",
        source_type="user_message",
        parent_id=None,
        root_id=None,
        hops=0,
        raw_message={"n": [1, {"deep": None}]},
        details={"é": "ü"},
        attachments=[{"url": "https://example.org/a.png"}],
        mentions=[],
        reply_count=0,
        created_at=seq * 1_000,
        updated_at=seq * 1_000,
        author_name="Anna",
    )


def furnish(connection: Connection) -> None:
    """Store a server, two channels, two people and ten messages."""
    store.servers.add(connection, Server(id=SERVER, name="s", source_type="t").model_dump())
    for channel_id in (CHANNEL, OTHER_CHANNEL):
        channel = Channel(id=channel_id, server_id=SERVER, name=channel_id, type="text")
        store.channels.add(connection, channel.model_dump())
    people = [{"id": who, "kind": "user", "name": who.title(), "created_at": 0} for who in (ANNA, BERT)]
    store.entities.add(connection, people)
    store.messages.add(connection, [message(seq) for seq in SAID])
    store.messages.add(connection, [message(5, OTHER_CHANNEL)])


@pytest.fixture
async def furnished(database: Database) -> Database:
    """Give each kind of database with something in it."""
    await database.write(furnish)
    return database


def membership(joined_seq: int, left_seq: int | None = None, entity_id: str = ANNA) -> dict[str, Any]:
    """Return the row of a membership interval."""
    return Participant(
        channel_id=CHANNEL,
        entity_id=entity_id,
        joined_seq=joined_seq,
        left_seq=left_seq,
        joined_at=joined_seq * 1_000,
    ).model_dump()


# History


async def test_a_message_is_read_as_it_was_stored(furnished: Database) -> None:
    """Every column survives, JSON with its types among them."""
    found = await furnished.read(lambda connection: store.messages.find(connection, [message(3).id, "none"]))
    assert found == {message(3).id: message(3)}


@pytest.mark.parametrize(
    ("window", "seqs"),
    [
        (Window(3), [8, 9, 10]),
        (Window(3, before_seq=8), [5, 6, 7]),
        (Window(3, after_seq=4), [5, 6, 7]),
        (Window(9, after_seq=4, before_seq=7), [5, 6]),
        (Window(1, after_seq=4, before_seq=7), [6]),
        (Window(3, before=8_000), [5, 6, 7]),
        (Window(3, after=4_000), [5, 6, 7]),
        (Window(3, after=4_001), [5, 6, 7]),
        (Window(3, after=3_999), [4, 5, 6]),
        (Window(3, offset=0), [1, 2, 3]),
        (Window(3, offset=9), [10]),
        (Window(3, offset=10), []),
        (Window(3, offset=2, newest_first=True), [6, 7, 8]),
        (Window(3, after_seq=10), []),
        (Window(3, before_seq=1), []),
    ],
)
async def test_a_window_shows_its_part_of_the_history(
    furnished: Database, window: Window, seqs: list[int]
) -> None:
    """A page is nearest to its bound, or the newest; bounds are not part of it; it is in order of seq."""
    page = await furnished.read(
        lambda connection: store.messages.list_page(connection, CHANNEL, EVERYTHING, window)
    )
    assert page == [message(seq) for seq in seqs]


@pytest.mark.parametrize(
    ("visible", "seqs"),
    [
        (EVERYTHING, list(SAID)),
        ([], []),
        ([Interval(4, None)], [4, 5, 6, 7, 8, 9, 10]),
        ([Interval(2, 4)], [2, 3]),
        ([Interval(2, 4), Interval(8, None)], [2, 3, 8, 9, 10]),
        ([Interval(2, 2)], []),
    ],
)
async def test_only_what_lies_in_the_intervals_is_visible(
    furnished: Database, visible: list[Interval], seqs: list[int]
) -> None:
    """An interval holds its first seq and ends before its end; listing and counting agree."""
    listed = await furnished.read(
        lambda connection: store.messages.list_page(connection, CHANNEL, visible, Window(50))
    )
    counted = await furnished.read(lambda connection: store.messages.count(connection, CHANNEL, visible))
    assert [found.seq for found in listed] == seqs
    assert counted == len(seqs)


# Memberships


async def test_a_membership_holds_until_it_is_ended(furnished: Database) -> None:
    """Who leaves and comes back has two intervals, of which the second holds; the name is the registry's."""

    def work(connection: Connection) -> None:
        store.participants.add(connection, [membership(2)])
        store.participants.end(connection, CHANNEL, ANNA, 4)
        assert store.participants.find(connection, {(CHANNEL, ANNA)}) == {}
        store.participants.add(connection, [membership(7)])
        active = store.participants.find(
            connection, {(CHANNEL, ANNA), (CHANNEL, BERT), (OTHER_CHANNEL, ANNA)}
        )
        assert [row.name for row in active.values()] == ["Anna"]
        assert {pair: row.joined_at for pair, row in active.items()} == {(CHANNEL, ANNA): 7_000}
        rows = store.participants.list_memberships(connection, [CHANNEL], ANNA)
        assert [(row.joined_seq, row.left_seq) for row in rows] == [(2, 4), (7, None)]

    await furnished.write(work)


async def test_nobody_is_in_a_channel_twice(furnished: Database) -> None:
    """The database itself refuses a second membership that holds."""
    await furnished.write(lambda connection: store.participants.add(connection, [membership(2)]))
    with pytest.raises(IntegrityError):
        await furnished.write(lambda connection: store.participants.add(connection, [membership(3)]))


async def test_a_known_entity_stays_as_it_is(furnished: Database) -> None:
    """Registering again changes neither kind nor name."""

    def work(connection: Connection) -> tuple[str, str]:
        again = {"id": ANNA, "kind": "agent", "name": "Somebody else", "created_at": 9}
        store.entities.add(connection, [again])
        found = store.entities.find(connection, [ANNA])[ANNA]
        return found.kind, found.name

    assert await furnished.write(work) == ("user", "Anna")


# Channels of two


async def test_a_pair_has_one_dm_in_a_server(furnished: Database) -> None:
    """The database itself refuses a second channel of the pair."""
    pair = f"{ANNA} {BERT}"
    await furnished.write(lambda connection: store.channels.set_dm_key(connection, CHANNEL, pair))
    found = await furnished.read(lambda connection: store.channels.find_dm(connection, SERVER, pair))
    assert found is not None
    assert found.id == CHANNEL
    with pytest.raises(IntegrityError):
        await furnished.write(lambda connection: store.channels.set_dm_key(connection, OTHER_CHANNEL, pair))


async def test_the_same_pair_may_have_a_dm_in_each_server(furnished: Database) -> None:
    """Tenants know nothing of each other."""

    def work(connection: Connection) -> None:
        store.servers.add(connection, Server(id="second", name="s", source_type="t").model_dump())
        for server_id in (SERVER, "second"):
            channel = Channel(id=f"dm-{server_id}", server_id=server_id, name="dm", type="dm", dm_key="a b")
            store.channels.add(connection, channel.model_dump())

    await furnished.write(work)
    found = await furnished.read(lambda connection: store.channels.find_dm(connection, "second", "a b"))
    assert found is not None
    assert found.id == "dm-second"


# Idempotency keys


def record(key: str, created_at: int, author_id: str = ANNA) -> dict[str, Any]:
    """Return the row of an idempotency key."""
    row = {"author_id": author_id, "key": key, "created_at": created_at}
    return {**row, "fingerprint": b"\x00\xff", "message_id": f"message of {key}"}


async def test_idempotency_keys_are_forgotten_when_they_are_old(furnished: Database) -> None:
    """A record from the very bound is kept, one from before it is gone."""

    def work(connection: Connection) -> set[tuple[str, str]]:
        store.idempotency.add(connection, [record("old", 999), record("at", 1_000), record("new", 1_001)])
        store.idempotency.forget(connection, 1_000)
        return set(store.idempotency.find(connection, {(ANNA, "old"), (ANNA, "at"), (ANNA, "new")}))

    assert await furnished.write(work) == {(ANNA, "at"), (ANNA, "new")}


async def test_an_idempotency_key_belongs_to_its_author(furnished: Database) -> None:
    """Two authors may use the same key, one author may not use it twice."""

    def work(connection: Connection) -> dict[tuple[str, str], IdempotencyRecord]:
        store.idempotency.add(connection, [record("k", 1), record("k", 2, BERT)])
        return store.idempotency.find(connection, {(ANNA, "k"), (BERT, "x")})

    found = await furnished.write(work)
    assert {pair: bytes(row.fingerprint) for pair, row in found.items()} == {(ANNA, "k"): b"\x00\xff"}
    with pytest.raises(IntegrityError):
        await furnished.write(lambda connection: store.idempotency.add(connection, [record("k", 3)]))


# The log


def event(seq: int, message_id: str | None = None) -> Event:
    """Return an event of the log."""
    kind = "message" if message_id else "participant_joined"
    return Event(SERVER, 0, seq, CHANNEL, kind, {}, b'{"seq":%d}' % seq, message_id)


@pytest.mark.parametrize(
    ("seqs", "floor", "stands_at", "is_complete"),
    [
        ([], 0, 0, True),
        ([1, 2, 3], 0, 3, True),
        ([1, 3], 0, 3, False),
        ([2, 3], 0, 3, False),
        ([1, 2], 0, 3, False),
        ([1], 0, 0, False),
        ([2, 3], 1, 3, True),
        ([], 3, 3, True),
        ([1, 3], 1, 3, False),
        ([1, 2, 3], 1, 3, False),
        ([3], 1, 3, False),
        ([], 4, 3, False),
    ],
)
async def test_a_log_is_complete_from_its_floor_to_where_its_server_stands(
    furnished: Database, seqs: list[int], floor: int, stands_at: int, is_complete: bool
) -> None:
    """A hole, a missing begin, a missing end, a surplus and a floor in the air are all found."""

    def work(connection: Connection) -> bool:
        store.log.raise_floor(connection, SERVER, floor)
        if seqs:
            store.log.append(connection, [event(seq) for seq in seqs], now=0)
        store.log.advance(connection, [event(stands_at)], now=0)
        (summary,) = store.log.summarise(connection)
        return summary.is_complete

    assert await furnished.write(work) is is_complete


async def test_an_event_that_has_lost_its_message_is_counted(furnished: Database) -> None:
    """The log has no hole then, and is damaged all the same."""

    def work(connection: Connection) -> tuple[int, bool]:
        store.log.append(connection, [event(1, message(1).id), event(2, "gone")], now=0)
        store.log.advance(connection, [event(2)], now=0)
        (summary,) = store.log.summarise(connection)
        return summary.orphans, summary.is_complete

    assert await furnished.write(work) == (1, True)


async def test_an_event_is_recognised_by_its_bytes(furnished: Database) -> None:
    """Another event in the same place is not the same."""
    written = event(1)
    await furnished.write(lambda connection: store.log.append(connection, [written], now=0))
    other = Event(SERVER, 0, 1, CHANNEL, "message", {}, b'{"seq":1,"other":true}')
    assert await furnished.read(lambda connection: store.log.has(connection, written))
    assert not await furnished.read(lambda connection: store.log.has(connection, other))
    assert not await furnished.read(lambda connection: store.log.has(connection, event(2)))


async def test_a_channel_counts_its_messages(furnished: Database) -> None:
    """Events move server and channel on; only messages are counted."""

    def work(connection: Connection) -> tuple[tuple[int, int], int, int]:
        store.log.advance(connection, [event(11, "m1"), event(12), event(13, "m2")], now=7)
        channel = store.channels.find(connection, [CHANNEL])[CHANNEL]
        return store.servers.lock(connection, [SERVER])[SERVER], channel.seq, channel.message_count

    assert await furnished.write(work) == ((0, 13), 13, 2)


async def test_what_the_log_tells_of_a_message_is_found_and_rewritten(furnished: Database) -> None:
    """Its own event and those that followed from it; those of other messages stay as they are."""
    one, other = message(1), message(2)
    events = [
        event(1, one.id),
        event(2, other.id),
        replace(event(3, one.id), kind="message_updated"),
        replace(event(4, other.id), kind="message_updated"),
        replace(event(5, one.id), kind="message_deleted"),
        event(6),
    ]

    def work(connection: Connection) -> list[list[tuple[int, bytes]]]:
        store.log.append(connection, events, now=0)
        found = store.log.list_payloads(connection, one)
        store.log.rewrite(connection, SERVER, [(seq, b"anew %d" % seq) for seq, _ in found])
        return [found, store.log.list_payloads(connection, one), store.log.list_payloads(connection, other)]

    found, anew, others = await furnished.write(work)
    assert sorted(found) == [(seq, b'{"seq":%d}' % seq) for seq in (1, 3, 5)]
    assert sorted(anew) == [(seq, b"anew %d" % seq) for seq in (1, 3, 5)]
    assert sorted(others) == [(seq, b'{"seq":%d}' % seq) for seq in (2, 4)]


async def test_one_message_is_changed(furnished: Database) -> None:
    """What it says, and whether it is there, is as told; everything else, and every other message, stays."""
    changed = message(3)._replace(
        content="anew", raw_message={}, details={"a": 1}, attachments=[], updated_at=9, deleted_at=9
    )

    def work(connection: Connection) -> dict[str, Message]:
        store.messages.change(connection, changed._replace(author_id=BERT, seq=99))
        return store.messages.find(connection, [message(3).id, message(4).id])

    assert await furnished.write(work) == {changed.id: changed, message(4).id: message(4)}


def kept(connection: Connection, server_id: str) -> tuple[int, list[int]]:
    """Return up to which seq the server's events are forgotten, and which are there."""
    events = tables["events"]
    found = connection.execute(select(events.c.seq).where(events.c.server_id == server_id))
    return store.servers.find(connection, [server_id])[server_id].floor_seq, sorted(found.scalars())


async def test_a_floor_takes_the_events_below_it_of_one_server(furnished: Database) -> None:
    """The event at the floor goes, the next one stays, and so does all that other servers have."""

    def work(connection: Connection) -> None:
        store.servers.add(connection, Server(id="second", name="s", source_type="t").model_dump())
        of_second = [replace(event(seq), server_id="second") for seq in (1, 2)]
        store.log.append(connection, [*map(event, range(1, 6)), *of_second], now=0)
        store.log.raise_floor(connection, SERVER, 3)

    await furnished.write(work)
    assert await furnished.read(lambda connection: kept(connection, SERVER)) == (3, [4, 5])
    assert await furnished.read(lambda connection: kept(connection, "second")) == (0, [1, 2])


@pytest.mark.parametrize(
    ("after", "until", "since", "last"),
    [(0, 5, 3_000, 2), (0, 5, 2_999, 2), (0, 5, 3_001, 5), (0, 2, 3_000, 2), (2, 5, 3_000, 2), (0, 5, 0, 0)],
)
async def test_a_log_is_old_up_to_its_first_event_that_is_not(
    furnished: Database, after: int, until: int, since: int, last: int
) -> None:
    """An older event behind a newer one does not count: clocks may have been set back."""

    def work(connection: Connection) -> int:
        for seq, second in ((1, 1), (2, 2), (3, 3), (4, 1), (5, 2)):
            store.log.append(connection, [event(seq)], now=second * 1_000)
        return store.log.find_last_before(connection, SERVER, after, until, since)

    assert await furnished.write(work) == last


async def test_a_revoked_key_is_not_valid(furnished: Database) -> None:
    """Nor is one that there never was."""

    def work(connection: Connection) -> dict[str, bool]:
        for n in (1, 2, 3):
            row = ApiKey(
                id=f"key-{n}", prefix="p", digest=bytes([n]), kind="user", principal_id=ANNA, name="n"
            )
            store.keys.add(connection, row.model_dump())
        store.keys.revoke(connection, "key-2", now=7)
        return store.keys.find_valid(connection, ["key-1", "key-2", "key-4"])

    assert await furnished.write(work) == {"key-1": True}
