"""What elizaOS's agents tell of their actions: messages that change as they go on, and are no answers."""

from typing import Any

import pytest

from rooms.ids import new_id
from rooms.rules import DEFAULT_SERVER_ID
from tests.realtime.posting import Stage, next_run, stage
from tests.rest import API, Reply, Rest
from tests.running import Parley
from tests.sessions import Clock
from tests.talking import ELIZA, talking

REFUSED = (400, "VALIDATION_ERROR")


@pytest.fixture
async def channel(parley: Parley) -> Stage:
    """Give a channel of a user and two agents, with a client for each."""
    return await stage(parley, "one", "two")


async def act(client: Rest, channel: Stage, **fields: Any) -> Reply:
    """Tell of an action as elizaOS's agents do."""
    body = {
        "channel_id": channel.id,
        "message_server_id": DEFAULT_SERVER_ID,
        "author_id": "one",
        "content": "Executing action: LOOK_UP",
        "source_type": "agent_action",
        "raw_message": {"text": "Executing", "actionStatus": "executing", "actions": ["LOOK_UP"]},
        "metadata": {"agent_id": "one", "agentName": "One", "isDm": False},
    }
    return await client.post(f"{API}/action", {**body, **fields})


async def go_on(client: Rest, action_id: str, **fields: Any) -> Reply:
    """Tell how an action goes on."""
    return await client.request("PATCH", f"{API}/action/{action_id}", json=fields)


async def states(channel: Stage) -> dict[str, str]:
    """Return how the runs of the channel stand, by their agents."""
    found = (await channel.ann.get(f"{API}/runs", channel_id=channel.id)).data["runs"]
    return {run["agent_id"]: run["state"] for run in found}


async def test_an_action_is_one_message_that_changes(parley: Parley, channel: Stage) -> None:
    """Clients on ``/`` hear it twice under one id; it stands in the history as it is now."""
    one, action_id = channel.agents["one"], new_id()
    done = {"actionStatus": "completed", "actionResult": {"text": "found"}}
    async with talking(parley.url, {"token": channel.ann.secret}, ELIZA) as socket:
        assert (await act(one, channel, messageId=action_id)).data["id"] == action_id
        changed = await go_on(one, action_id, raw_message=done, metadata={"actionStatus": "completed"})
        assert changed.status == 200
        assert (changed.data["raw_message"], changed.data["source_type"]) == (done, "agent_action")
        first, second = await socket.wait_for("messageBroadcast", 2)
    assert first["id"] == second["id"] == action_id
    assert (first["source"], second["source"]) == ("agent_action", "agent_action")
    assert first["rawMessage"]["actionStatus"] == "executing"
    assert (first["actions"], first["updatedAt"]) == (["LOOK_UP"], first["createdAt"])
    assert (second["rawMessage"], second["text"]) == (done, "Executing action: LOOK_UP")
    assert isinstance(second["updatedAt"], int)
    (stored,) = (await channel.ann.history(channel.id)).data["messages"]
    assert stored["raw_message"] == done
    assert stored["metadata"] == {"agent_name": "one", "actionStatus": "completed"}


async def test_an_action_is_stored_once(channel: Stage) -> None:
    """The same messageId again is the same action; what is unchanged is not told again."""
    one, action_id = channel.agents["one"], new_id()
    first = await act(one, channel, messageId=action_id)
    await go_on(one, action_id, content="Done")
    again = await act(one, channel, messageId=action_id)
    assert (first.status, again.status, again.data["id"]) == (201, 201, action_id)
    before = (await go_on(one, action_id)).data
    assert (await go_on(one, action_id, content="Done", raw_message=None)).data == before
    assert await channel.ann.texts(channel.id) == ["Done"]


async def test_an_action_ends_no_run_and_opens_none(channel: Stage) -> None:
    """The agent is still asked for its answer, and no other agent takes the action for one."""
    one = channel.agents["one"]
    await channel.post("look it up")
    run = await next_run(one, "one")
    for parent in ({}, {"in_reply_to_message_id": run["message_id"]}):
        assert (await act(one, channel, **parent)).status == 201
        assert await states(channel) == {"one": "queued", "two": "queued"}
    refused = await act(one, channel, messageId=run["reply_id"])
    assert refused.refusal == (409, "CONFLICT")
    await one.submit(channel.id, "found it", in_reply_to_message_id=run["message_id"])
    states_now = await states(channel)
    assert states_now["one"] == "completed"


async def test_an_action_keeps_its_run_waiting(parley: Parley, channel: Stage) -> None:
    """An agent that acts is at work: its run waits as long again, whether it was taken or not."""
    one, clock = channel.agents["one"], Clock.of(parley)
    await channel.post("look it up")
    run = await next_run(one, "one")
    clock.now += 50
    await act(one, channel)
    queued = (await channel.ann.get(f"{API}/runs/{run['id']}")).data
    assert (queued["state"], queued["due_at"]) == ("queued", int((clock.now + 60) * 1000))
    await one.post(f"{API}/runs/{run['id']}/claim", {})
    taken = (await channel.ann.get(f"{API}/runs/{run['id']}")).data
    clock.now += 10
    await act(one, channel, in_reply_to_message_id=run["message_id"])
    renewed = (await channel.ann.get(f"{API}/runs/{run['id']}")).data
    assert (renewed["state"], renewed["due_at"]) == ("working", taken["due_at"] + 10_000)


async def test_a_service_tells_of_an_agents_action(parley: Parley, channel: Stage) -> None:
    """An agent that nobody knew before is registered as one, under the name that it says."""
    stored = (await act(parley.service, channel, author_id="three", metadata={"agentName": "Three"})).data
    assert (stored["agentId"], stored["authorName"]) == ("three", "Three")


async def test_only_its_agent_changes_an_action(parley: Parley, channel: Stage) -> None:
    """Others are refused; what is no action, or not to be seen, does not exist."""
    one, ben = channel.agents["one"], await parley.user("ben")
    action_id = (await act(one, channel)).data["id"]
    said = (await channel.ann.submit(channel.id, "hello")).data["id"]
    assert (await go_on(channel.agents["two"], action_id, content="x")).refusal == (403, "PERMISSION_DENIED")
    assert (await go_on(channel.ann, action_id, content="x")).refusal == (403, "PERMISSION_DENIED")
    for client, message_id in ((ben, action_id), (channel.ann, said), (one, new_id()), (one, "x")):
        assert (await go_on(client, message_id, content="x")).refusal == (404, "RESOURCE_NOT_FOUND")
    assert (await act(channel.agents["two"], channel)).refusal == (403, "PERMISSION_DENIED")


async def test_a_users_own_source_makes_no_action(channel: Stage) -> None:
    """What a user says opens runs, whatever it calls itself."""
    await channel.ann.submit(channel.id, "hello", source_type="agent_action")
    assert await states(channel) == {"one": "queued", "two": "queued"}


@pytest.mark.parametrize(
    "fields",
    [
        {"channel_id": None},
        {"channel_id": "x"},
        {"message_server_id": "x"},
        {"author_id": 5},
        {"content": None},
        {"content": ""},
        {"source_type": "user_message"},
        {"raw_message": "x"},
        {"metadata": []},
        {"messageId": ""},
        {"in_reply_to_message_id": "x"},
    ],
    ids=str,
)
async def test_a_bad_action_is_refused(channel: Stage, fields: dict[str, Any]) -> None:
    """Nothing is stored."""
    assert (await act(channel.agents["one"], channel, **fields)).refusal == REFUSED
    assert await channel.ann.texts(channel.id) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"content": ""},
        {"content": 5},
        {"raw_message": "x"},
        {"raw_message": {"a": "x" * 65_536}},
        {"metadata": {"a b": 1}},
        {"author_id": "a b"},
        {"in_reply_to_message_id": "x"},
    ],
    ids=str,
)
async def test_a_bad_change_of_an_action_is_refused(channel: Stage, fields: dict[str, Any]) -> None:
    """The action stays as it was."""
    one = channel.agents["one"]
    stored = (await act(one, channel)).data
    assert (await go_on(one, stored["id"], **fields)).refusal == REFUSED
    assert (await one.message(stored["id"])).data == stored


async def test_elizas_client_submits_an_agents_reply(parley: Parley, channel: Stage) -> None:
    """It names the agent, the channel and the message in its own words, and nothing else."""
    asked = (await channel.post("well?")).body["data"]
    body = {"agentId": "two", "channelId": channel.id, "content": "well.", "inReplyToMessageId": asked["id"]}
    for client in (channel.agents["two"], parley.service):
        reply = await client.post(f"{API}/submit", body | {"content": f"by {client.secret}"})
        assert (reply.data["agentId"], reply.data["source_type"]) == ("two", "agent_response")
        assert reply.data["in_reply_to_message_id"] == asked["id"]
    assert (await states(channel))["two"] == "completed"
    assert (await channel.ann.post(f"{API}/submit", body)).refusal == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(("status", "state"), [("completed", "ignored"), ("failed", "failed")])
async def test_elizas_client_completes_a_message(channel: Stage, status: str, state: str) -> None:
    """It names the message, or the reply that it has given; where there is no run nothing is wrong."""
    asked = (await channel.post("well?")).body["data"]
    one, two = channel.agents.values()
    done = await one.post(f"{API}/complete", {"messageId": asked["id"], "status": status, "error": "why"})
    assert (done.data["success"], done.data["run"]["state"]) == (True, state)
    run = await next_run(two, "two")
    replied = (await two.submit(channel.id, "well.", messageId=run["reply_id"])).data
    again = await two.post(f"{API}/complete", {"messageId": replied["id"], "status": status})
    assert (again.data["response"], again.data["run"]["state"]) == ("well.", "completed")
    assert (await states(channel))["two"] == "completed"
    lonely = (await channel.ann.submit((await channel.ann.new_channel("alone")), "hello")).data["id"]
    nothing = await channel.ann.post(f"{API}/complete", {"messageId": lonely, "status": status})
    assert nothing.data == {"success": True, "response": "", "run": None}


async def test_a_message_that_is_not_there_cannot_be_completed(parley: Parley, channel: Stage) -> None:
    """Neither can a foreign one, nor with a word that is no status."""
    asked, ben = (await channel.post("well?")).body["data"], await parley.user("ben")
    for client, message_id in ((ben, asked["id"]), (channel.ann, new_id())):
        reply = await client.post(f"{API}/complete", {"messageId": message_id, "status": "completed"})
        assert reply.refusal == (404, "RESOURCE_NOT_FOUND")
    for bad in ({"messageId": "x"}, {"messageId": asked["id"], "status": "done"}):
        assert (await channel.agents["one"].post(f"{API}/complete", bad)).refusal == REFUSED
    assert await states(channel) == {"one": "queued", "two": "queued"}
