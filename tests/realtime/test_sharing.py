"""A node with an agent whose replies are cacheable: who waits is answered, and the agent is asked once."""

import asyncio
from typing import Any

from tests.rest import API
from tests.running import Parley
from tests.sessions import begin, furnish, send


async def test_clients_that_ask_alike_are_answered_by_one_call(parley: Parley) -> None:
    """While the agent thinks, and after that: each gets the reply, and its inbox tells of one run."""
    ann, bot = await furnish(parley)
    described = await bot.request("PATCH", f"{API}/agents/bot", json={"settings": {"RESPONSE_CACHE": True}})
    assert described.status == 200
    sessions = [await begin(ann) for _ in range(4)]
    asked = [asyncio.create_task(send(ann, session, transport="http")) for session in sessions[:3]]
    (told,) = await _read_inbox(bot)
    await bot.post(f"{API}/complete", {"run_id": told["data"]["run"]["id"], "response": "hello yourself"})
    answers = [reply.body for reply in await asyncio.gather(*asked)]
    answers.append((await send(ann, sessions[3], transport="http")).body)
    assert [answer["agentResponse"]["text"] for answer in answers] == ["hello yourself"] * 4
    marks = sorted(answer["agentResponse"]["metadata"].get("cached", False) for answer in answers)
    assert marks == [False, True, True, True]
    assert await _read_inbox(bot, wait=0) == []


async def _read_inbox(bot: Any, wait: int = 10) -> Any:
    return (await bot.get(f"{API}/agents/bot/inbox", wait=wait)).data["events"]
