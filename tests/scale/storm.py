"""Submissions that are sent at the same time, each over a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from benchmarks.client import Client, connect
from benchmarks.http_client import HttpClient
from benchmarks.ws_client import WsClient
from rooms.rules import DEFAULT_SERVER_ID

HOST = "127.0.0.1"
CONNECTING_AT_ONCE = 50
DEADLINE = 60.0

Answers = dict[str, dict[str, Any]]  # by messageId


@dataclass
class Storm:
    """Sends every body, through REST and Socket.IO in turn, and keeps what is acknowledged."""

    port: int
    key: str
    watch: Callable[[int], None] = lambda _count: None  # told how many there are at each acknowledgement
    answers: Answers = field(default_factory=dict)
    _left: int = 0

    async def rage(self, bodies: Sequence[dict[str, Any]]) -> Answers:
        """Return the acknowledgements once each body has one, or has lost its connection."""
        self._left, self._over = len(bodies), asyncio.Event()
        clients = [self._client(number, body["messageId"]) for number, body in enumerate(bodies)]
        for first in range(0, len(clients), CONNECTING_AT_ONCE):
            chunk = clients[first : first + CONNECTING_AT_ONCE]
            await asyncio.gather(*(connect(client, HOST, self.port) for client in chunk))
        for client, body in zip(clients, bodies, strict=True):
            client.submit(orjson.dumps(body))
        await asyncio.wait_for(self._over.wait(), DEADLINE)
        return self.answers

    def take(self, message_id: str, answer: bytes) -> None:
        """Keep an acknowledgement."""
        envelope = orjson.loads(answer)
        assert envelope["success"], envelope
        self.answers[message_id] = envelope["data"]
        self.watch(len(self.answers))

    def end_one(self, client: Client) -> None:
        """Let a client go that has nothing to wait for any more."""
        client.close()
        self._left -= 1
        if not self._left:
            self._over.set()

    def _client(self, number: int, message_id: str) -> Client:
        submission = _Submission(self, message_id)
        if number % 2:
            return HttpClient(submission, HOST, self.key)
        return WsClient(submission, HOST, self.key, DEFAULT_SERVER_ID)


@dataclass(frozen=True)
class _Submission:
    """Who waits for the acknowledgement of one message."""

    storm: Storm
    message_id: str

    def answered(self, client: Client, answer: bytes) -> None:
        """Take the acknowledgement."""
        try:
            self.storm.take(self.message_id, answer)
        finally:
            self.storm.end_one(client)

    def failed(self, client: Client, _reason: str) -> None:
        """Learn that none will come."""
        self.storm.end_one(client)
