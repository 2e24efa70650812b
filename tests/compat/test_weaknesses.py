"""What elizaOS's server does wrong, and Parley does not; docs/elizaos.md names each, and its test."""

import pytest

from rooms.principals import Kind
from tests.planning import noting_statements, plan
from tests.rest import API, Rest
from tests.running import Parley, Start
from tests.sessions import begin, furnish
from tests.talking import talking


@pytest.mark.parametrize("query", [{}, {"before": "2999-01-01T00:00:00Z"}, {"offset": "1"}], ids=str)
async def test_history_is_found_by_an_index(parley: Parley, query: dict[str, str]) -> None:
    """Reading a page looks at no other channel's messages."""
    channel_id = await parley.service.new_channel("talk", "ann")
    for text in ("one", "two"):
        await parley.service.submit(channel_id, text, author_id="ann")
    with noting_statements() as noted:
        assert (await parley.service.history(channel_id, **query)).status == 200
    asked = [statement for statement in noted if "FROM messages" in statement[0]]
    assert asked
    for statement in asked:
        for step in plan(parley, statement):
            assert not step.startswith("SCAN messages"), (step, statement[0])


async def test_an_answer_costs_an_agent_one_request(start: Start) -> None:
    """A conversation of 100 turns within a minute is under the default limits of everybody in it."""
    parley = await start(rate_limits="on")
    agent = {"token": await parley.key(Kind.AGENT, "bot")}
    people = [await parley.user(who) for who in ("ann", "ben")]
    channel_id = await parley.service.new_channel("talk", "ann", "ben", "bot")
    async with talking(parley.url, agent) as bot:
        for turn in range(100):
            asked = await people[turn % 2].submit(channel_id, f"question {turn}")
            assert asked.status == 201, asked.raw
            (told, *_) = (await bot.wait_for("message", 2 * turn + 1))[2 * turn :]
            body = {"channel_id": channel_id, "in_reply_to_message_id": told["id"]}
            await bot.data("submit", {**body, "content": f"answer {turn}"})
    assert (await parley.service.history(channel_id)).data["pagination"]["total"] == 200


async def test_agents_hear_each_other(parley: Parley) -> None:
    """What one says in a group addresses the others, by whatever door it was said."""
    bots = [await parley.agent(who) for who in ("one", "two")]
    channel_id = await parley.service.new_channel("talk", "ann", "one", "two")
    said = (await parley.service.submit(channel_id, "who is there?", author_id="ann")).data
    reply = {"in_reply_to_message_id": said["id"], "content": "me", "source_type": "agent_response"}
    answered = (await bots[0].submit(channel_id, **reply)).data
    runs = (await bots[1].get(f"{API}/messages/{answered['id']}/runs")).data["runs"]
    assert [run["agent_id"] for run in runs] == ["two"]
    told = (await bots[1].get(f"{API}/agents/two/inbox", wait=0)).data["events"]
    assert [event["data"]["message"]["text"] for event in told] == ["who is there?", "me"]


async def say_of_sessions(bot: Rest, minutes: int) -> None:
    """Have the agent say how long its sessions last."""
    settings = {"SESSION_TIMEOUT_MINUTES": minutes}
    reply = await bot.request("PATCH", f"{API}/agents/bot", json={"settings": settings})
    assert reply.status == 200


async def test_what_an_agent_says_of_its_sessions_holds_from_then_on(parley: Parley) -> None:
    """It is read anew for each session, not once for the process's life."""
    ann, bot = await furnish(parley)
    for minutes in (10, 20):
        await say_of_sessions(bot, minutes)
        assert (await begin(ann))["timeoutConfig"]["timeoutMinutes"] == minutes
