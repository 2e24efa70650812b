"""Parley's answers have all that those of elizaOS's own server have, in the same places."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rooms.principals import Kind
from rooms.rules import DEFAULT_SERVER_ID
from tests.compat.elizaos_server import ADA, AGENTS, BOB, Eliza, elizaos
from tests.rest import API
from tests.running import Start

KIM = "00000011-0000-4000-8000-000000000000"

# What Parley leaves out, or answers in another form, and means to.
DELIBERATE = {
    "an agent: .data.settings.secrets",  # it keeps none
    "an agent: .data.bio",  # one line is a text, several are a list
    # A message says what was said; of the session, its session says that.
    "a message in a session: .userMessage.raw_message.content",
    *(
        f"{place}.metadata.{word}"
        for place in ("a message in a session: .userMessage", "what a session said: .messages[0]")
        for word in ("userId", "agentId", "timeoutConfig")
    ),
}


async def ask(eliza: Eliza) -> dict[str, Any]:
    """Do what clients do, and return each answer by what it is."""
    answers: dict[str, Any] = {}

    async def note(name: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
        reply = await eliza.client.request(method, path, json=body, params=query)
        assert reply.status in {200, 201, 202}, (name, reply.text)
        answers[name] = reply.body
        return reply.body

    group = await eliza.channel("Talk", KIM, ADA, BOB, metadata={"source": "client_group_chat"})
    channel, server = f"{API}/channels/{group}", f"{API}/message-servers/{DEFAULT_SERVER_ID}"
    pair = {"currentUserId": KIM, "targetUserId": ADA}
    await note("a dm", "GET", f"{API}/dm-channel", **pair)
    said = {"channel_id": group, "message_server_id": DEFAULT_SERVER_ID, "author_id": ADA, "content": "hello"}
    thought = {
        "thought": "hm",
        "actions": ["REPLY"],
        "attachments": [{"id": "1", "url": "https://x.example/a.png"}],
    }
    submitted = said | {
        "source_type": "agent_response",
        "raw_message": thought,
        "metadata": {"agentName": "Ada"},
    }
    await note("a message", "POST", f"{API}/submit", submitted)
    await note("a history", "GET", f"{channel}/messages")
    await note("a history, as before 1.6.5", "GET", f"{API}/central-channels/{group}/messages")
    action = said | {"source_type": "agent_action", "raw_message": {"actionStatus": "executing"}}
    message_id = (await note("an action", "POST", f"{API}/action", action))["data"]["id"]
    await note("its change", "PATCH", f"{API}/action/{message_id}", {"content": "done"})
    outside = said | {"author_id": KIM, "source_type": "discord", "source_id": "1"}
    await note("a message from outside", "POST", f"{API}/ingest-external", outside)
    posted = {"author_id": KIM, "content": "hello", "message_server_id": DEFAULT_SERVER_ID}
    await note("a post", "POST", f"{channel}/messages", posted)
    await note("a channel", "GET", f"{channel}/details")
    await note("its participants", "GET", f"{channel}/participants")
    await note("its agents", "GET", f"{channel}/agents")
    await note("an agent less", "DELETE", f"{channel}/agents/{BOB}")
    await note("an agent more", "POST", f"{channel}/agents", {"agentId": BOB})
    await note("another name", "PATCH", channel, {"name": f"renamed {uuid.uuid4()}"})
    await note("the servers", "GET", f"{API}/message-servers")
    await note("the servers, as before 1.6.5", "GET", f"{API}/central-servers")
    await note("the default server", "GET", f"{API}/message-server/current")
    await note("the channels of a server", "GET", f"{server}/channels")
    await note("the agents of a server", "GET", f"{server}/agents")
    await note("the servers of an agent", "GET", f"{API}/agents/{ADA}/message-servers")
    made = await note("a session", "POST", f"{API}/sessions", {"agentId": ADA, "userId": KIM})
    session = f"{API}/sessions/{made['sessionId']}"
    await note("a message in a session", "POST", f"{session}/messages", {"content": "hello"})
    await note("what a session said", "GET", f"{session}/messages")
    await note("how a session is", "GET", session)
    await note("a heartbeat", "POST", f"{session}/heartbeat")
    await note("a session's timeout", "PATCH", f"{session}/timeout", {"timeoutMinutes": 20})
    await note("a renewal", "POST", f"{session}/renew")
    await note("the sessions", "GET", f"{API}/sessions")
    await note("how sessions are", "GET", f"{API}/sessions/health")
    await note("a session's end", "DELETE", session)
    job = {"agentId": ADA, "userId": KIM, "content": "hello"}
    made = await note("a job", "POST", f"{API}/jobs", job)
    await note("how a job is", "GET", f"{API}/jobs/{made['jobId']}")
    await note("the jobs", "GET", f"{API}/jobs")
    await note("how jobs are", "GET", f"{API}/jobs/health")
    await note("the agents", "GET", "/api/agents")
    await note("an agent", "GET", f"/api/agents/{ADA}")
    for path in ("/api/server/ping", "/api/server/status", "/api/system/version", "/health"):
        await note(path, "GET", path)
    return answers


def lacking(original: Any, answer: Any, place: str) -> Iterator[str]:
    """Yield the places of what is in an answer of elizaOS's, and not in Parley's, or of another kind."""
    number = (int, float)
    if isinstance(original, dict) and isinstance(answer, dict):
        for key, value in original.items():
            if key in answer:
                yield from lacking(value, answer[key], f"{place}.{key}")
            elif value is not None:
                yield f"{place}.{key}"
    elif isinstance(original, list) and isinstance(answer, list):
        for first, other in zip(original[:1], answer[:1], strict=False):
            yield from lacking(first, other, f"{place}[0]")
    elif not isinstance(answer, number if isinstance(original, number) else type(original)):
        yield place


async def test_answers_have_what_elizaos_answers(tmp_path: Path, start: Start) -> None:
    """But for what is left out on purpose."""
    async with elizaos(tmp_path) as eliza:
        originals = await ask(eliza)
    parley = await start(auth="open")
    for agent_id, name in AGENTS.items():
        await parley.key(Kind.AGENT, agent_id, name)
    answers = await ask(Eliza(parley.anonymous))
    found = {gap for name, one in originals.items() for gap in lacking(one, answers[name], f"{name}: ")}
    assert found == DELIBERATE
