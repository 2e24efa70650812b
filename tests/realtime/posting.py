"""A channel of a user and agents, what they do in it, and the events that answer a message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tests.rest import API, Reply, Rest
from tests.running import Parley

Block = tuple[str, Any]


@dataclass(frozen=True)
class Stage:
    """A channel of ann and of agents, and a client for each of them."""

    id: str
    ann: Rest
    agents: dict[str, Rest]

    async def post(self, content: Any = "hello", wait: Any = None, **fields: Any) -> Reply:
        """Say something in the channel as ann."""
        path = f"{API}/channels/{self.id}/messages"
        return await self.ann.post(
            path if wait is None else f"{path}?wait={wait}", {"content": content, **fields}
        )

    @asynccontextmanager
    async def asking(self, content: str = "hello", **fields: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Say something and give the answer before it is read."""
        url = f"{self.ann.url}{API}/channels/{self.id}/messages"
        body = {"content": content, **fields}
        async with self.ann.session.post(url, json=body, headers=self.ann.headers) as response:
            yield response

    async def say(self, agent_id: str, run: Any, index: int, chunk: str) -> None:
        """Say a part of an agent's reply."""
        path = f"{API}/runs/{run['id']}/chunks"
        reply = await self.agents[agent_id].post(path, {"index": index, "chunk": chunk})
        assert reply.status == 200, reply.raw

    async def complete(self, agent_id: str, run: Any = None, **end: Any) -> None:
        """End the run that the agent has, or gets."""
        agent = self.agents[agent_id]
        run = run or await next_run(agent, agent_id)
        assert (await agent.post(f"{API}/complete", {"run_id": run["id"], **end})).status == 200


async def stage(parley: Parley, *agent_ids: str) -> Stage:
    """Make a channel of ann and these agents."""
    ann = await parley.user("ann")
    agents = {agent_id: await parley.agent(agent_id) for agent_id in agent_ids}
    channel_id = await parley.service.new_channel("talk", "ann", *agent_ids)
    return Stage(channel_id, ann, agents)


async def next_run(agent: Rest, agent_id: str = "bot") -> Any:
    """Return the oldest run that the agent has to take, once there is one."""
    told = (await agent.get(f"{API}/agents/{agent_id}/inbox", wait=10)).data["events"]
    return told[0]["data"]["run"]


@asynccontextmanager
async def streaming(
    channel: Stage, content: str = "hello", **fields: Any
) -> AsyncIterator[AsyncIterator[Block]]:
    """Say something in the channel and give the events that answer it, as they come."""
    async with channel.asking(content, transport="sse", **fields) as response:
        yield blocks_of(response)


async def blocks_of(response: aiohttp.ClientResponse) -> AsyncIterator[Block]:
    """Give the events of an answer that is a stream, as they come."""
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, orjson.loads(line.removeprefix("data: "))


async def rest_of(blocks: AsyncIterator[Block]) -> list[Block]:
    """Return what is left of a stream, which must end."""
    async with asyncio.timeout(10):
        return [block async for block in blocks]
