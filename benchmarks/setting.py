"""What a workload needs on a new server before it begins, made through the API."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from typing import Any

from benchmarks.failure import BenchmarkFailed
from benchmarks.process import HOST, Server

SERVER_ID = "00000000-0000-0000-0000-000000000000"


def create_channels(server: Server, count: int, members: Sequence[Sequence[str]] = ()) -> list[str]:
    """Create channels in the default message server, with members if there are any, and return their ids."""
    connection = http.client.HTTPConnection(HOST, server.port)
    try:
        return [
            _create_channel(connection, server.key, f"channel-{number}", members[number] if members else ())
            for number in range(count)
        ]
    finally:
        connection.close()


def _create_channel(
    connection: http.client.HTTPConnection, key: str, name: str, members: Sequence[str]
) -> str:
    wanted: dict[str, Any] = {"serverId": SERVER_ID, "name": name, "type": "text"}
    if members:
        wanted["participantCentralUserIds"] = list(members)
    body = json.dumps(wanted)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/api/messaging/central-channels", body, headers)
    answer: dict[str, Any] = json.load(connection.getresponse())
    if not answer["success"]:
        raise BenchmarkFailed(f"no channel: {answer['error']}")
    return str(answer["data"]["id"])
