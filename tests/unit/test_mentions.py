"""Mentions over real databases: whom a text means, who is told, and what reading it costs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from rooms import channels, edits, mentions, participants, store
from rooms.channels import ChannelDraft
from rooms.database import Database
from rooms.edits import Edit, Target
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rows import Mentionable, Message
from rooms.rules import DEFAULT_SERVER_ID
from rooms.tables import Channel
from tests.unit.journaling import SERVICE, World, running

ANN = Principal("ann", Kind.USER)
UUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

# id, kind, name and handle of everybody; the last two take no part.
PEOPLE = [
    (ANN.id, Kind.USER, "Ann Lee", "ann.lee"),
    ("user-2", Kind.USER, "Ben", "Benny"),
    ("discord:3", Kind.USER, "Čeněk", None),
    (UUID, Kind.AGENT, "Helper", "help_bot"),
    ("sam-1", Kind.USER, "Sam", None),
    ("sam-2", Kind.USER, "SAM", "other-sam"),
    ("relay", Kind.SERVICE, "Relay", "relay-bot"),
    ("eve", Kind.USER, "benny", None),
    ("zoe", Kind.USER, "Zoe", "zoe-handle"),
    ("ben", Kind.USER, "Zoe the second", None),
]
OUTSIDERS = 2
AMBIGUOUS = "ambiguous"

# What is said, and whom it means: ids in order, or a name that several have.
TABLE: dict[str, list[str]] = {
    "@ann.lee hello": ["ann"],
    "hello @Ann.Lee": ["ann"],
    "hello @ann": ["ann"],
    "is @ann.lee.": ["ann"],
    "who? @benny, of course": ["user-2"],
    "(@benny)": ["user-2"],
    "@benny: look!": ["user-2"],
    "@benny's turn": ["user-2"],
    "@benny-": ["user-2"],
    "@benny…": ["user-2"],
    "“@benny”": ["user-2"],
    "@Ben": ["user-2"],
    "@BENNY @ben @user-2": ["user-2"],
    "@ann @benny @ann": ["ann", "user-2"],
    "@discord:3": ["discord:3"],
    "@čeněk": ["discord:3"],
    "@C\u030cene\u030ck!": ["discord:3"],
    f"@{UUID}": [UUID],
    f"@{UUID.upper()}": [UUID],
    "@help_bot\nwhat is this?": [UUID],
    '@"Ann Lee" hello': ["ann"],
    '@"ann lee"s': ["ann"],
    '@"Ann Lee': [],
    '@"Ann\nLee"': [],
    '@""': [],
    '@"ann.lee"': [],
    "@[Ann](ann)": ["ann"],
    "@[whatever it says](user-2), hello": ["user-2"],
    f"@[Helper]({UUID.upper()})": [UUID],
    "@[Ann](nobody)": [],
    "@[Ann](ann": [],
    "@[Ann] (ann)": [],
    "@[](ann)": ["ann"],
    "@[a @[Ben](user-2)": ["user-2"],
    "@sam": [AMBIGUOUS],
    '@"Sam" and @sam': [AMBIGUOUS],
    "@sam-1 and @other-sam": ["sam-1", "sam-2"],
    "ann@benny.example": [],
    "write to ann@ann.lee": [],
    "@ann@social.example": [],
    "https://example.com/@ann": [],
    "a.@ann": [],
    "@@ann": [],
    "@": [],
    "@ ann": [],
    "@...": [],
    "@nobody": [],
    "@zoe": [],
    "@zoe-handle": [],
    "@relay-bot": [],
    f"@{'a' * 129}": [],
}


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """Give a running journal over each kind of database, with people in its channel."""
    async with running(database) as world:
        await world.database.inner.write(_register)
        for entity_id, *_ in PEOPLE[:-OUTSIDERS]:
            await participants.add(world.ctx, Joining(SERVICE, world.channel_id, entity_id))
        world.heard.events.clear()
        yield world


def _register(connection: Connection) -> None:
    for entity_id, kind, name, handle in PEOPLE:
        store.entities.put(connection, {"id": entity_id, "kind": kind, "name": name, "created_at": 0})
        store.entities.change(connection, entity_id, name=name, handle=handle)


async def say(world: World, content: str, **fields: Any) -> Message:
    """Store a message of the user's."""
    return (await world.submit(content, principal=ANN, author_id=ANN.id, **fields)).message


async def remembered(world: World, message: Message) -> set[str]:
    """Return whom the message is remembered to mention."""
    statement = select(store.mentions.table.c.entity_id).where(
        store.mentions.table.c.message_id == message.id
    )
    return set(await world.database.inner.read(lambda c: c.execute(statement).scalars().all()))


def mentioned(world: World) -> list[list[str]]:
    """Return who was to be told by each event that mentions somebody."""
    return [list(event.mentioned) for event in world.heard.events if event.mentioned]


def meant(entries: list[dict[str, Any]]) -> list[str]:
    """Return the ids, or the reasons, of what a message mentions."""
    return [entry.get("id") or entry["reason"] for entry in entries]


async def test_each_text_means_whom_it_should(world: World) -> None:
    """Handle, then id, then a name that only one participant has; all texts take one statement."""
    statements: list[str] = []

    def look_up(connection: Connection) -> dict[str, list[str]]:
        channel = store.channels.find(connection, [world.channel_id])[world.channel_id]
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        directory = mentions.look_up(connection, [(channel.id, text) for text in TABLE])
        return {text: meant(directory.resolve(channel, text)) for text in TABLE}

    assert await world.database.inner.read(look_up) == TABLE
    assert len(statements) == 1


@pytest.mark.parametrize(
    ("handle", "is_taken"),
    [("Benny", True), ("ČENĚK", False), ("Discord:3", True), ("SAM-1", True), ("ann", False), ("new", False)],
)
async def test_a_handle_is_free_if_nobody_else_is_called_so(
    world: World, handle: str, is_taken: bool
) -> None:
    """Handles and ids count, without regard to case; names do not, nor what is one's own."""
    assert await world.database.inner.read(lambda c: store.entities.is_taken(c, handle, ANN.id)) is is_taken


async def test_what_mentions_nobody_asks_nobody(world: World) -> None:
    """Neither a text without the sign nor an address costs a statement."""

    def look_up(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *_: pytest.fail("it asked"))
        mentions.look_up(connection, [(world.channel_id, text) for text in ("ann", "ann@example.com")])

    await world.database.inner.read(look_up)


async def test_a_message_says_whom_it_mentions(world: World) -> None:
    """Its entries have the part of the text, and who is meant; they are stored, and in the event."""
    message = await say(world, '@benny, ask @"sam" or @[me](ann)')
    entries = [
        {"text": "@benny", "id": "user-2", "name": "Ben"},
        {"text": '@"sam"', "name": "sam", "reason": AMBIGUOUS},
        {"text": "@[me](ann)", "id": "ann", "name": "Ann Lee"},
    ]
    assert message.mentions == entries
    assert (await edits.require(world.ctx, Target(ANN, message.id))).mentions == entries
    (told,) = (event.payload for event in world.heard.events if event.kind == "message")
    assert told["mentions"] == entries
    assert mentions.entity_ids(message) == ["user-2", "ann"]
    # Nobody is told of what they said themselves.
    assert mentioned(world) == [["user-2"]]
    assert await remembered(world, message) == {"user-2"}


async def test_an_open_channel_mentions_anybody_but_by_name(world: World) -> None:
    """Where anybody may read, handles and ids mean everybody but services; names, participants only."""
    draft = ChannelDraft(ANN, DEFAULT_SERVER_ID, "open", "text", joinable=True)
    channel = await channels.create(world.ctx, draft)
    content = '@zoe-handle @ben @relay-bot @"Zoe"'
    said = await say(world, content, channel_id=channel.id)
    assert mentions.entity_ids(said) == ["zoe", "ben"]


async def test_an_edit_tells_those_who_are_mentioned_only_now(world: World) -> None:
    """What the message mentions is what it says now, in every place that tells of it."""
    message = await say(world, "@benny @sam-1")
    once = await edits.edit(world.ctx, Edit(Target(ANN, message.id), "@sam-1 @sam-2"))
    assert mentions.entity_ids(once) == ["sam-1", "sam-2"]
    assert mentioned(world) == [["user-2", "sam-1"], ["sam-2"]]
    assert await remembered(world, message) == {"sam-1", "sam-2"}
    await edits.edit(world.ctx, Edit(Target(ANN, message.id), "nobody"))
    assert mentioned(world) == [["user-2", "sam-1"], ["sam-2"]]
    assert await remembered(world, message) == set()
    payloads = await world.database.inner.read(lambda c: store.log.list_payloads(c, message))
    assert all(b"mentions" not in payload and b"sam" not in payload for _, payload in payloads)


async def test_a_deleted_message_mentions_nobody(world: World) -> None:
    """Neither what is left of it, nor what is counted, tells whom it named."""
    message = await say(world, "@benny")
    left = await edits.delete(world.ctx, Target(ANN, message.id))
    assert left.mentions == []
    assert await remembered(world, message) == set()


async def test_only_the_first_fifty_are_mentions(world: World) -> None:
    """The rest of a text is plain text, whoever it names."""
    others = " ".join(f"@nobody-{number}" for number in range(49))
    assert mentions.entity_ids(await say(world, f"{others} @benny @ann")) == ["user-2"]


class Counted(str):
    """A text that counts how much of it is looked at."""

    looked_at = 0

    def __getitem__(self, key: Any) -> str:
        """Count what is taken out."""
        taken = super().__getitem__(key)
        Counted.looked_at += len(taken)
        return taken

    def find(self, sign: str, begin: Any = 0, end: Any = None) -> int:
        """Count what is passed on the way to the sign."""
        found = super().find(sign, begin)
        Counted.looked_at += (found + 1 if found >= 0 else len(self)) - begin
        return found


@pytest.mark.parametrize(
    "pattern", ["@", "@a", "@a ", '@"', '@" ', "@[", "@[a](", "@[a](b", "@[a]", '@"\n', "@.", "x@", "@[ "]
)
@pytest.mark.parametrize("end", ["", '"', "]", "](a)", "](a b\n)"])
def test_ten_thousand_signs_cost_what_their_length_does(
    monkeypatch: pytest.MonkeyPatch, pattern: str, end: str
) -> None:
    """However often a mention seems to begin, each part of the text is looked at a few times at most."""
    monkeypatch.setattr(mentions, "MAX_MENTIONS", 1_000_000)
    text = Counted(pattern * 10_000 + end)
    Counted.looked_at = 0
    mentions.find_tokens(text)
    assert Counted.looked_at < 6 * len(text)


async def test_a_storm_of_mentions_is_one_message(world: World) -> None:
    """A text that is nothing but signs is stored like every other."""
    message = await say(world, "@" * 4_000)
    assert (message.mentions, mentioned(world)) == ([], [])


async def test_replies_are_counted_where_their_thread_begins(world: World) -> None:
    """Whatever they answer in it; a deleted reply counts no longer."""
    root = await say(world, "a question")
    reply = await say(world, "an answer", parent_id=root.id)
    nested = await say(world, "thanks", parent_id=reply.id)
    assert (reply.root_id, nested.root_id) == (root.id, root.id)

    async def counts() -> list[int]:
        found = await world.database.inner.read(
            lambda c: store.messages.find(c, [root.id, reply.id, nested.id])
        )
        return [found[message.id].reply_count for message in (root, reply, nested)]

    assert await counts() == [2, 0, 0]
    await edits.delete(world.ctx, Target(ANN, reply.id))
    await edits.delete(world.ctx, Target(ANN, reply.id))
    assert await counts() == [1, 0, 0]


def test_a_channel_is_enough() -> None:
    """Who is looked up for one channel is not mentioned in another that does not show what is said."""
    known = Mentionable("ben", Kind.USER, "Ben", "ben", "ben", "here")
    tokens = {"@ben": mentions.find_tokens("@ben")}
    directory = mentions.Directory(tokens, [known])
    here, there = (Channel(id=name, server_id="", name="", type="text") for name in ("here", "there"))
    assert meant(directory.resolve(here, "@ben")) == ["ben"]
    assert directory.resolve(there, "@ben") == []
