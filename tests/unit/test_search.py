"""Searching: both databases find the same, and nothing that is not to be read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text as sql

from rooms import channels, edits, participants, search
from rooms.channels import ChannelDraft
from rooms.edits import Edit, Target
from rooms.errors import NotFound
from rooms.participants import Joining
from rooms.principals import Kind, Principal
from rooms.rules import DEFAULT_SERVER_ID
from rooms.search import Found, Search
from tests.unit.journaling import SERVICE
from tests.unit.staging import ANN, BEN, Stage

ZOE = Principal("zoe", Kind.USER)


async def find(stage: Stage, said: str = "", who: Principal = SERVICE, **fields: Any) -> Found:
    """Search the default server."""
    return await search.search(stage.world.ctx, Search(who, DEFAULT_SERVER_ID, said, **fields))


async def texts(stage: Stage, said: str = "", who: Principal = SERVICE, **fields: Any) -> list[str]:
    """Return what the messages say that are found."""
    return [message.content for message in (await find(stage, said, who, **fields)).messages]


async def new_channel(stage: Stage, name: str, owner: Principal) -> str:
    """Create a channel with its owner in it."""
    draft = ChannelDraft(owner, DEFAULT_SERVER_ID, name, "text", unique=True)
    return (await channels.create(stage.world.ctx, draft)).id


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("tea", ["More TEA, please", "Tea is ready"]),
        ("TEA ready", ["Tea is ready"]),
        ("ready tea", ["Tea is ready"]),
        ("eas", ["pleasant", "More TEA, please"]),
        ("straße", ["Die STRASSE ist lang"]),
        ("ЧАЙ", ["Выпьем чай"]),
        ("茶", ["我们喝茶吧"]),
        ("100%", ["100% sure"]),
        ("a_b", ["a_b"]),
        ("'; DROP TABLE", []),
        ("nowhere", []),
    ],
)
async def test_words_are_found_anywhere_in_any_case(stage: Stage, said: str, found: list[str]) -> None:
    """All words must be there, as parts of others, too; signs that databases know mean themselves."""
    for content in (
        *("Tea is ready", "More TEA, please", "pleasant", "Die STRASSE ist lang", "Выпьем чай"),
        *("我们喝茶吧", "100% sure", "100 percent", "a_b", "a-b"),
    ):
        await stage.say(content)
    assert await texts(stage, said) == found


async def test_nothing_but_bounds_finds_everything_within(stage: Stage) -> None:
    """Author, channel and times bound a search, each alone and together; both times belong to it."""
    other = await new_channel(stage, "other", BEN)
    start = int(stage.clock.now * 1000)
    for number in range(4):
        await stage.say(f"ann {number}")
        await stage.say(f"ben {number}", BEN)
        await stage.say(f"apart {number}", BEN, channel_id=other)
        stage.clock.now += 1
    assert await texts(stage, "1") == ["apart 1", "ben 1", "ann 1"]
    assert await texts(stage, author_id="ann") == ["ann 3", "ann 2", "ann 1", "ann 0"]
    assert await texts(stage, author_id="ben", channel_id=other, since=start + 2_000) == [
        "apart 3",
        "apart 2",
    ]
    assert await texts(stage, since=start + 1_000, until=start + 1_000) == ["apart 1", "ben 1", "ann 1"]
    assert await texts(stage, until=start - 1, author_id="ann") == []


async def test_pages_follow_each_other(stage: Stage) -> None:
    """Also through messages of one millisecond and of several channels; the last one says that it is."""
    other = await new_channel(stage, "other", ANN)
    for number in range(10):
        await stage.say(f"tea {number}", channel_id=other if number % 3 else stage.world.channel_id)
    pages = [await find(stage, "tea", limit=4, offset=offset) for offset in (0, 4, 8)]
    assert [message.content for page in pages for message in page.messages] == [
        f"tea {number}" for number in reversed(range(10))
    ]
    assert [(page.has_more, page.searched_to) for page in pages] == [
        (True, None),
        (True, None),
        (False, None),
    ]


async def test_only_what_may_be_read_is_found(stage: Stage) -> None:
    """Not other channels, nor what was said before one came where that is hidden, nor what one has left."""
    ctx, hidden = stage.world.ctx, await new_channel(stage, "hidden", BEN)
    await stage.say("secret tea", BEN, channel_id=hidden)
    await stage.say("early tea")

    def hide_history(connection: Any) -> None:
        connection.execute(sql("UPDATE channels SET earlier_history = false"))

    await stage.world.database.write(hide_history)
    await participants.add(ctx, Joining(SERVICE, stage.world.channel_id, ZOE.id))
    await stage.say("late tea")
    assert await texts(stage, "tea", ZOE) == ["late tea"]
    assert await texts(stage, "tea", ZOE, channel_id=stage.world.channel_id) == ["late tea"]
    await participants.remove(ctx, SERVICE, stage.world.channel_id, ZOE.id)
    assert await texts(stage, "tea", ZOE) == []
    for channel_id in (hidden, stage.world.channel_id):
        with pytest.raises(NotFound):
            await find(stage, "tea", ZOE, channel_id=channel_id)
    assert sorted(await texts(stage, "tea")) == ["early tea", "late tea", "secret tea"]


async def test_messages_are_found_as_they_are_now(stage: Stage) -> None:
    """By the text that was edited in, and not at all once they are deleted."""
    ctx = stage.world.ctx
    edited, deleted = await stage.say("coffee one"), await stage.say("coffee two")
    await edits.edit(ctx, Edit(Target(ANN, edited.id), "tea one"))
    await edits.delete(ctx, Target(ANN, deleted.id))
    assert await texts(stage, "coffee") == []
    assert await texts(stage, "tea") == ["tea one"]
    assert await texts(stage, author_id="ann") == ["tea one"]


async def test_a_search_ends_where_it_has_looked_at_enough(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says back to when it has looked, so that the next one goes on there; nothing is passed over."""
    monkeypatch.setattr(search, "MAX_LOOKED_AT", 5)
    monkeypatch.setattr(search, "PAGE", 2)
    for number in range(12):
        await stage.say("tea" if number in (1, 2, 9) else f"text {number}")
        stage.clock.now += 1
    seen: list[str] = []
    until: dict[str, int] = {}
    for _ in range(4):
        found = await find(stage, "tea", channel_id=stage.world.channel_id, **until)
        seen += [message.id for message in found.messages]
        if found.searched_to is None:
            break
        until = {"until": found.searched_to}
    assert len(set(seen)) == 3
    assert found.searched_to is None


async def test_only_the_channels_with_the_newest_events_are_searched(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many at once; one that is named is searched whatever happens elsewhere."""
    monkeypatch.setattr(search, "MAX_CHANNELS", 1)
    await stage.say("old tea")
    other = await new_channel(stage, "other", ANN)
    await stage.say("new tea", channel_id=other)
    assert await texts(stage, "tea") == ["new tea"]
    assert await texts(stage, "tea", channel_id=stage.world.channel_id) == ["old tea"]
