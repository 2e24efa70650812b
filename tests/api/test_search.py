"""Searching over REST, as elizaOS's client asks for it."""

from typing import Any

import pytest

from rooms.ids import new_id
from rooms.rules import DEFAULT_SERVER_ID
from tests.rest import API, Reply, Rest
from tests.running import Parley

SEARCH = f"{API}/messages/search"


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of two users, who have talked about tea."""
    created = await parley.service.new_channel("talk", "ann", "ben")
    for number in range(5):
        await parley.service.submit(created, f"tea {number}", author_id="ben" if number % 2 else "ann")
    return created


async def search(client: Rest, **fields: Any) -> Reply:
    """Search; ``since`` stands for the word that Python keeps to itself."""
    since = {"from": fields.pop("since")} if "since" in fields else {}
    return await client.post(SEARCH, fields | since)


async def test_what_is_found_is_answered_as_a_history(parley: Parley, channel_id: str) -> None:
    """Whole messages, the newest first, in the dialect of whoever asks, and which page it is."""
    ann = (await parley.user("ann")).in_elizas_dialect()
    await parley.service.submit(await parley.service.new_channel("hidden", "ben"), "tea", author_id="ben")
    found = (await search(ann, query="TEA", limit=2)).data
    assert [message["content"] for message in found["messages"]] == ["tea 4", "tea 3"]
    history = (await ann.history(channel_id, limit=2)).data["messages"]
    assert found["messages"] == history[:2]  # which goes on to the end of a millisecond
    assert (found["pagination"], found["searchedTo"]) == ({"limit": 2, "offset": 0, "hasMore": True}, None)
    for paged in ({"offset": 4}, {"page": 3}):
        found = (await search(ann, query="tea", limit=2, **paged)).data
        assert [message["content"] for message in found["messages"]] == ["tea 0"]
        assert found["pagination"] == {"limit": 2, "offset": 4, "hasMore": False}


async def test_every_bound_may_be_told(parley: Parley, channel_id: str) -> None:
    """Times are ISO 8601 or milliseconds, what is null is not told; a page has 200 messages at most."""
    service = parley.service
    stored = (await service.history(channel_id)).data["messages"]
    last = stored[-1]["created_at"]
    for bounds, count in (
        ({"query": "tea", "channelId": channel_id, "authorId": "ben"}, 2),
        ({"channelId": channel_id.upper(), "query": None, "from": None, "to": None, "authorId": None}, 5),
        ({"messageServerId": DEFAULT_SERVER_ID, "since": "2020-01-01T00:00:00.000Z"}, 5),
        ({"since": 0, "to": last}, 5),
        ({"since": last + 1}, 0),
        ({"to": "2020-01-01"}, 0),
        ({"limit": 100_000}, 5),
    ):
        found = (await search(service, **bounds)).data
        assert len(found["messages"]) == count, bounds
    assert found["pagination"]["limit"] == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"query": 5},
        {"query": "x" * 257},
        {"query": "a\0b"},
        {"channelId": "x"},
        {"messageServerId": 5},
        {"authorId": "a b"},
        {"since": "soon"},
        {"since": -1},
        {"since": True},
        {"to": [1]},
        {"to": 10**16},
        {"limit": 0},
        {"limit": "5"},
        {"offset": -1},
        {"offset": 10_001},
        {"page": 0},
        {"page": 1.5},
    ],
    ids=str,
)
async def test_a_bad_search_is_refused(parley: Parley, fields: dict[str, Any]) -> None:
    """The refusal names the field."""
    reply = await search(parley.service, **fields)
    assert reply.refusal == (400, "VALIDATION_ERROR")
    name = "from" if "since" in fields else next(iter(fields))
    assert f"'{name}'" in reply.error["details"]


async def test_what_one_may_not_see_is_not_searched(parley: Parley, channel_id: str) -> None:
    """A foreign channel, and a server or channel that nobody has made, do not exist."""
    zoe = await parley.user("zoe")
    for fields in ({"channelId": channel_id}, {"channelId": new_id()}, {"messageServerId": new_id()}):
        assert (await search(zoe, query="tea", **fields)).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await search(zoe, query="tea")).data["messages"] == []
