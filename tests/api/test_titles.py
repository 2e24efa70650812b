"""A title for a channel, as elizaOS's web client asks for one after each message of a dm."""

from typing import Any

import pytest

from rooms.ids import new_id
from tests.rest import API, Reply, Rest
from tests.running import Parley

TEXTS = ["Hello, how do I prune a pear tree?", "A young pear tree", "In winter?", "Thanks"]


async def generate(client: Rest, channel_id: str, agent_id: Any = "bot", **query: Any) -> Reply:
    """Ask for a title."""
    path = f"{API}/channels/{channel_id}/generate-title"
    return await client.post(path, {"agentId": agent_id}, params=query)


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of a user and an agent."""
    await parley.agent("bot")
    return await parley.service.new_channel("talk", "ann", "bot")


async def test_a_title_comes_with_the_fourth_message(parley: Parley, channel_id: str) -> None:
    """Before that there is none, and it is said why; nothing is renamed."""
    ann = (await parley.user("ann")).in_elizas_dialect()
    for text in TEXTS:
        none = (await generate(ann, channel_id)).data
        reason = "Not enough messages to generate a title"
        assert none == {"title": None, "channelId": channel_id, "reason": reason}
        await ann.submit(channel_id, text)
    assert (await generate(ann, channel_id)).data == {
        "title": "Prune Pear Tree Young",
        "channelId": channel_id,
    }
    assert (await ann.get(f"{API}/channels/{channel_id}")).data["name"] == "talk"


async def test_the_agent_may_say_the_title(parley: Parley, channel_id: str) -> None:
    """It says it in the metadata of any message of its own."""
    bot = await parley.agent("bot")
    for text in TEXTS:
        await parley.service.submit(channel_id, text, author_id="ann")
    await bot.submit(channel_id, "Prune it in February.", metadata={"title": "Pruning pear trees"})
    assert (await generate(parley.service, channel_id)).data["title"] == "Pruning pear trees"


async def test_only_so_many_messages_are_read(parley: Parley, channel_id: str) -> None:
    """``limit`` and ``before`` bound them."""
    for text in [*TEXTS, *["Let us talk about tomatoes"] * 4]:
        await parley.service.submit(channel_id, text, author_id="ann")
    assert (await generate(parley.service, channel_id, limit=4)).data["title"] == "Talk Tomatoes"
    assert (await generate(parley.service, channel_id, limit=3)).data["title"] is None
    assert (await generate(parley.service, channel_id, before=0)).data["title"] is None
    assert (await generate(parley.service, channel_id, limit=0)).refusal == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("agent_id", [None, 5, "", "a b", "x" * 129], ids=str)
async def test_a_bad_agent_is_refused(parley: Parley, channel_id: str, agent_id: Any) -> None:
    """It must be an id."""
    assert (await generate(parley.service, channel_id, agent_id)).refusal == (400, "VALIDATION_ERROR")


async def test_there_must_be_such_an_agent_and_such_a_channel(parley: Parley, channel_id: str) -> None:
    """Whoever may not see the channel learns nothing of it."""
    zoe = await parley.user("zoe")
    assert (await generate(parley.service, channel_id, "nobody")).refusal == (404, "RESOURCE_NOT_FOUND")
    for client, channel in ((zoe, channel_id), (parley.service, new_id())):
        assert (await generate(client, channel)).refusal == (404, "RESOURCE_NOT_FOUND")
