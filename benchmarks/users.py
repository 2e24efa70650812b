"""Users with tokens of their own, each of whom has begun a session with the one agent that there is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import aiohttp
import jwt

from benchmarks.contestants import TOKEN_SECONDS
from benchmarks.failure import BenchmarkFailed
from benchmarks.process import Server

SESSIONS = "/api/messaging/sessions"
AGENT = "bot"
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a token, and the id of a session."""

    token: str
    session_id: str


async def begin_sessions(server: Server, count: int, secret: str) -> list[User]:
    """Register the agent, and begin so many sessions with it; the secret signs tokens."""
    headers = {"Authorization": f"Bearer {server.key}"}
    room = asyncio.Semaphore(AT_ONCE)
    expires = int(time.time()) + TOKEN_SECONDS
    async with aiohttp.ClientSession(f"http://{server.address}", headers=headers) as session:

        async def begin(user_id: str) -> User:
            wanted = {"agentId": AGENT, "userId": user_id}
            async with room, session.post(SESSIONS, json=wanted) as response:
                await _require(response, 201)
                token = jwt.encode({"sub": user_id, "exp": expires}, secret, "HS256")
                return User(token, (await response.json())["sessionId"])

        async with session.put(f"/api/messaging/agents/{AGENT}", json={"name": AGENT}) as response:
            await _require(response, 200)
        return await asyncio.gather(*(begin(f"user-{number}") for number in range(count)))


async def _require(response: aiohttp.ClientResponse, status: int) -> None:
    if response.status != status:
        raise BenchmarkFailed(f"{response.method} {response.url.path}: {await response.text()}")
