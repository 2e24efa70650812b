"""Reading a channel's history: pages, order and bounds, in both dialects."""

import base64
import datetime
from typing import Any

import pytest

from tests.rest import API, Rest
from tests.running import Parley, Start

COUNT = 7
TEXTS = [f"m{n}" for n in range(COUNT)]
NEWEST_FIRST = TEXTS[::-1]


class Clock:
    """A clock that a test moves; it begins at a round second."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
async def clock(parley: Parley) -> Clock:
    """Let the test's clock tell the node what time it is."""
    moved = Clock()
    parley.node.ctx.journal.clock = moved
    return moved


@pytest.fixture
async def channel_id(parley: Parley, clock: Clock) -> str:
    """Give a channel with a message for each text, one a minute."""
    created = await parley.service.new_channel("talk", "ann")
    for text in TEXTS:
        clock.now += 60
        assert (await parley.service.submit(created, text, author_id="ann")).status == 201
    return created


@pytest.fixture
def eliza(parley: Parley) -> Rest:
    """Give a client of elizaOS's dialect."""
    return parley.service.in_elizas_dialect()


def minute(number: int) -> int:
    """Return when the message of this number was stored, in epoch milliseconds."""
    return (1_700_000_000 + 60 * (number + 1)) * 1000


# What is asked for, and the page that a Bearer client and one of elizaOS's get.
PAGES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({}, TEXTS, NEWEST_FIRST),
    ({"limit": 3}, TEXTS[-3:], NEWEST_FIRST[:3]),
    ({"limit": 3, "offset": 0}, TEXTS[:3], NEWEST_FIRST[:3]),
    ({"limit": 3, "offset": 2}, TEXTS[2:5], NEWEST_FIRST[2:5]),
    ({"limit": 3, "offset": 6}, TEXTS[6:], NEWEST_FIRST[6:]),
    ({"offset": 7}, [], []),
    ({"offset": 10**14}, [], []),
    ({"limit": 10_000}, TEXTS, NEWEST_FIRST),
    ({"order": "asc", "limit": 2}, TEXTS[-2:], TEXTS[-2:]),
    ({"order": "desc", "limit": 2}, NEWEST_FIRST[:2], NEWEST_FIRST[:2]),
    ({"order": "asc", "limit": 2, "offset": 1}, TEXTS[1:3], TEXTS[1:3]),
    ({"order": "desc", "limit": 2, "offset": 1}, NEWEST_FIRST[1:3], NEWEST_FIRST[1:3]),
    ({"before": minute(3)}, TEXTS[:3], TEXTS[:3][::-1]),
    ({"after": minute(3)}, TEXTS[4:], TEXTS[4:][::-1]),
    ({"after": minute(1), "before": minute(4)}, TEXTS[2:4], TEXTS[2:4][::-1]),
    ({"before": minute(3), "limit": 2}, TEXTS[1:3], TEXTS[1:3][::-1]),
    ({"after": minute(3), "limit": 2}, TEXTS[4:6], TEXTS[4:6][::-1]),
    ({"before": minute(0)}, [], []),
    ({"after": minute(6)}, [], []),
    ({"before": 0}, [], []),
    ({"after": 0}, TEXTS, NEWEST_FIRST),
]


async def test_a_page_is_the_one_that_was_asked_for(parley: Parley, channel_id: str, eliza: Rest) -> None:
    """Ascending for Bearer and newest first for others, each counted from where its order begins."""
    for query, documented, elizas in PAGES:
        assert await parley.service.texts(channel_id, **query) == documented, query
        assert await eliza.texts(channel_id, **query) == elizas, query


@pytest.mark.parametrize(
    "written",
    [
        "2023-11-14T22:17:20Z",
        "2023-11-14T22:17:20.000Z",
        "2023-11-14T22:17:20",
        "2023-11-14T23:17:20+01:00",
        "Tue Nov 14 2023 23:17:20 GMT+0100 (Central European Standard Time)",
        "Tue Nov 14 2023 22:17:20 GMT+0000",
        str(minute(3)),
    ],
)
async def test_a_bound_may_be_written_as_a_time(parley: Parley, channel_id: str, written: str) -> None:
    """ISO 8601 with or without an offset, what JavaScript prints, and epoch milliseconds mean the same."""
    moment = datetime.datetime.fromtimestamp(minute(3) / 1000, datetime.UTC)
    assert moment.isoformat() == "2023-11-14T22:17:20+00:00"
    assert await parley.service.texts(channel_id, before=written) == TEXTS[:3]
    assert await parley.service.texts(channel_id, after=written) == TEXTS[4:]


async def test_cursors_lead_through_the_whole_history(parley: Parley, channel_id: str, eliza: Rest) -> None:
    """Following ``before`` back and ``after`` forth shows every message once, in either dialect."""
    for client in (parley.service, eliza):
        page = (await client.history(channel_id, limit=3)).data
        back = sorted(message["seq"] for message in page["messages"])
        while (page := (await client.history(channel_id, limit=3, before=page["cursors"]["before"])).data)[
            "messages"
        ]:
            back = sorted(message["seq"] for message in page["messages"]) + back
        assert len(back) == len(set(back)) == COUNT
        assert back == sorted(back)
        page = (await client.history(channel_id, limit=3, after=0)).data
        forth = sorted(message["seq"] for message in page["messages"])
        while (page := (await client.history(channel_id, limit=3, after=page["cursors"]["after"])).data)[
            "messages"
        ]:
            forth += sorted(message["seq"] for message in page["messages"])
        assert forth == back


async def test_a_cursor_parts_messages_of_one_millisecond(parley: Parley, clock: Clock) -> None:
    """Where a time would skip or repeat messages that were stored together, a cursor does not."""
    channel_id = await parley.service.new_channel("burst")
    for text in TEXTS:
        await parley.service.submit(channel_id, text, author_id="ann")
    newest = (await parley.service.history(channel_id, limit=3)).data
    assert {message["created_at"] for message in newest["messages"]} == {int(clock.now * 1000)}
    assert await parley.service.texts(channel_id, before=newest["cursors"]["before"]) == TEXTS[:-3]


async def page_back(client: Rest, channel_id: str, limit: int, less: int = 0) -> list[list[str]]:
    """Return what each page says, read by the time of the oldest message, less some milliseconds."""
    pages: list[list[str]] = []
    query: dict[str, Any] = {"limit": limit}
    while page := (await client.history(channel_id, **query)).data["messages"]:
        pages.append([message["text"] for message in page])
        oldest = datetime.datetime.fromisoformat(page[-1]["createdAt"])
        oldest -= datetime.timedelta(milliseconds=less)
        query["before"] = oldest.isoformat(timespec="milliseconds")
        assert len(pages) < 2 * COUNT
    return pages


async def test_times_lead_back_through_bursts(parley: Parley, clock: Clock, eliza: Rest) -> None:
    """Of what was stored in one millisecond elizaOS's clients get all at once, and lose nothing."""
    channel_id = await parley.service.new_channel("burst")
    for number, text in enumerate(TEXTS):
        clock.now += 60 if number in (2, 6) else 0
        await parley.service.submit(channel_id, text, author_id="ann")
    assert await page_back(eliza, channel_id, 2) == [["m6", "m5", "m4", "m3", "m2"], ["m1", "m0"]]
    assert await page_back(eliza, channel_id, 3) == [["m6", "m5", "m4", "m3", "m2"], ["m1", "m0"]]
    assert await page_back(eliza, channel_id, 1) == [["m6"], ["m5", "m4", "m3", "m2"], ["m1", "m0"]]


async def test_elizas_page_loses_nothing_between_two_milliseconds(
    parley: Parley, clock: Clock, eliza: Rest
) -> None:
    """It goes on a millisecond before the oldest that it has: what was stored just then is on that page."""
    channel_id = await parley.service.new_channel("quick")
    for number, text in enumerate(TEXTS):
        clock.now += 60 if number == 3 else 0.001
        await parley.service.submit(channel_id, text, author_id="ann")
    assert await page_back(eliza, channel_id, 2, less=1) == [["m6", "m5", "m4", "m3"], ["m2", "m1", "m0"]]


async def test_times_lead_back_through_large_messages(parley: Parley, clock: Clock, eliza: Rest) -> None:
    """A page that is cut because it is large ends between two milliseconds, too."""
    channel_id = await parley.service.new_channel("large")
    raw = {"filler": "x" * 60_000}
    for number, text in enumerate(TEXTS):
        clock.now += 60 if number in (2, 4, 6) else 0
        await parley.service.submit(channel_id, text, author_id="ann", raw_message=raw)
    assert await page_back(eliza, channel_id, 7) == [["m6", "m5", "m4"], ["m3", "m2", "m1", "m0"]]


async def test_elizas_clients_find_the_names_that_they_show(parley: Parley, eliza: Rest) -> None:
    """Who wrote a message, and what an agent thought, stands in its metadata; nobody takes another's name."""
    bot, ann = await parley.agent("bot", "Helper"), await parley.user("ann", "Ann Smith")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    image = {"url": "https://example.com/a.png", "contentType": "image"}
    lies = {"authorDisplayName": "Zoe", "agentName": "Zoe", "isAgent": True}
    await ann.submit(channel_id, "look", attachments=[image], metadata={**lies, "mood": "good"})
    raw = {"thought": "hm", "actions": ["REPLY"], "attachments": ["broken", image]}
    await bot.submit(channel_id, "well", raw_message=raw)
    said, shown = (await eliza.history(channel_id)).data["messages"]
    assert said["metadata"] == {
        "agent_name": "Helper",
        "agentName": "Helper",
        "authorDisplayName": "Helper",
        "isAgent": True,
        "thought": "hm",
        "actions": ["REPLY"],
        "attachments": [image],
    }
    named = {"authorDisplayName": "Ann Smith", "isAgent": False}
    assert shown["metadata"] == {**named, "mood": "good", "attachments": [image]}
    assert (shown["content"], shown["authorId"], shown["channelId"]) == ("look", "ann", channel_id)
    assert shown["createdAt"].endswith("Z")
    assert isinstance(shown["created_at"], int)
    asked, answered = (await parley.service.history(channel_id)).data["messages"]
    assert asked["metadata"] == {"isAgent": True, "mood": "good"}
    assert answered["metadata"] == {"agent_name": "Helper"}


async def test_nobody_is_shown_as_an_agent_whose_name_they_state(parley: Parley, eliza: Rest) -> None:
    """Not by what they say, not by an edit, and not when a service speaks for them."""
    claims = {"agentName": "Helper", "agent_name": "Helper"}
    ann = await parley.user("ann", "Ann")
    await parley.agent("bot", "Helper")
    channel_id = await parley.service.new_channel("talk", "ann", "bot")
    said = (await ann.submit(channel_id, metadata=claims)).data
    assert (said["metadata"], said["authorName"], said["agentId"]) == ({}, "Ann", None)
    path = f"{API}/messages/{said['id']}"
    edited = (await ann.request("PATCH", path, json={"content": "hi", "metadata": claims})).data
    assert edited["metadata"] == {}
    passed_on = (await parley.service.submit(channel_id, author_id="dora", metadata=claims)).data
    assert (passed_on["authorName"], passed_on["agentId"]) == ("dora", None)
    for shown in (await eliza.history(channel_id)).data["messages"]:
        assert claims.keys().isdisjoint(shown["metadata"])
        assert shown["metadata"]["isAgent"] is False
        assert shown["metadata"]["authorDisplayName"] in ("Ann", "dora")


async def test_a_cursor_is_good_for_its_own_log_only(start: Start, parley: Parley, channel_id: str) -> None:
    """A cursor that was changed, or is of another deployment or server, is 400."""
    cursor = (await parley.service.history(channel_id)).data["cursors"]["after"]
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[-20] ^= 1
    forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    other = await start(parley.data_dir.with_name("other"))
    elsewhere = await other.service.new_channel("talk")
    await other.service.submit(elsewhere, author_id="ann")
    foreign = (await other.service.history(elsewhere)).data["cursors"]["after"]
    server_id = (await parley.service.post("/api/messaging/message-servers", {"name": "two"})).data["server"][
        "id"
    ]
    second = await parley.service.new_channel("second", serverId=server_id)
    for bad, where in (
        (forged, channel_id),
        (foreign, channel_id),
        (cursor[:-2], channel_id),
        (cursor, second),
    ):
        assert (await parley.service.history(where, after=bad)).refusal == (400, "VALIDATION_ERROR")
    assert (await parley.service.history(channel_id, after=cursor)).status == 200


async def test_an_empty_page_has_no_cursors(parley: Parley) -> None:
    """Where nothing is, there is nothing to go on from."""
    channel_id = await parley.service.new_channel("empty")
    page = (await parley.service.history(channel_id)).data
    assert page == {
        "messages": [],
        "pagination": {"limit": 50, "offset": 0, "total": 0},
        "cursors": {"before": None, "after": None},
    }


NO_NUMBERS = ["-1", "abc", "1.5", "", " 1", "1e3", "0x10", "１", "1_000", str(10**30), "9" * 5_000, "\0"]
NO_MOMENTS = ["yesterday", "", "-1", "2023-13-01", str(10**30), "9" * 5_000, "nan", "\0", "AAAA"]
OUT_OF_RANGE = {
    "limit": [text for text in [*NO_NUMBERS, "0"] if len(text) < 16],
    "offset": NO_NUMBERS,
    "before": NO_MOMENTS,
    "after": NO_MOMENTS,
    "order": ["up", "ASC", ""],
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
async def test_a_parameter_that_cannot_be_one_is_refused(parley: Parley, name: str) -> None:
    """What is no number, no moment or no order is 400 and names the parameter, in both dialects."""
    channel_id = await parley.service.new_channel("talk")
    for value in OUT_OF_RANGE[name]:
        for client in (parley.service, parley.service.in_elizas_dialect()):
            refused = await client.history(channel_id, **{name: value})
            assert refused.refusal == (400, "VALIDATION_ERROR"), value
            assert f"'{name}'" in refused.error["details"]


async def test_a_page_has_fifty_messages_unless_told_and_two_hundred_at_most(parley: Parley) -> None:
    """The pagination says which limit was applied, and how many messages there are in all."""
    channel_id = await parley.service.new_channel("busy")
    for _ in range(3):
        batch = [{"channel_id": channel_id, "author_id": "ann", "content": "x"} for _ in range(70)]
        assert (await parley.service.post("/api/messaging/submit/batch", {"messages": batch})).status == 201
    for query, limit in (({}, 50), ({"limit": 200}, 200), ({"limit": 201}, 200), ({"limit": 10**30}, 200)):
        page = (await parley.service.history(channel_id, **query)).data
        assert len(page["messages"]) == limit
        assert page["pagination"] == {"limit": limit, "offset": 0, "total": 210}


async def test_a_page_is_bounded_in_bytes_and_can_be_gone_on_from(parley: Parley) -> None:
    """Long messages make shorter pages; none is lost on the way through."""
    bot = await parley.agent("bot")
    channel_id = await parley.service.new_channel("long", "bot")
    for n in range(8):
        assert (await bot.submit(channel_id, f"{n}" * 50_000)).status == 201
    reply = await bot.history(channel_id, after=0)
    assert len(reply.raw) <= 512 * 1024
    seen = [message["text"][0] for message in reply.data["messages"]]
    assert 0 < len(seen) < 8
    while len(seen) < 8:
        reply = await bot.history(channel_id, after=reply.data["cursors"]["after"])
        assert reply.data["messages"], "the history ended early"
        seen += [message["text"][0] for message in reply.data["messages"]]
    assert seen == list("01234567")


async def test_a_strangers_history_is_no_history(parley: Parley, channel_id: str) -> None:
    """Somebody else's channel answers like one that does not exist, before parameters are looked at."""
    eve = await parley.user("eve")
    absent = "11111111-2222-3333-4444-555555555555"
    foreign, unknown = await eve.history(channel_id), await eve.history(absent)
    assert foreign.refusal == unknown.refusal == (404, "RESOURCE_NOT_FOUND")
    assert foreign.raw.replace(channel_id.encode(), absent.encode()) == unknown.raw
