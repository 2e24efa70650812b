"""Runs as elizaOS's clients look at them: summaries, details, and an agent's log."""

from typing import Any

import pytest

from tests.rest import API, Rest
from tests.running import Parley

BOT = "/api/agents/bot"


@pytest.fixture
async def channel_id(parley: Parley) -> str:
    """Give a channel of a user and an agent."""
    await parley.agent("bot")
    return await parley.service.new_channel("talk", "ann", "bot")


async def ask(parley: Parley, channel_id: str, end: dict[str, Any] | None = None) -> str:
    """Say something, end the run that it opens if told how, and return the run's id."""
    stored = (await parley.service.submit(channel_id, "well?", author_id="ann")).data
    (run,) = (await parley.service.get(f"{API}/messages/{stored['id']}/runs")).data["runs"]
    if end is not None:
        await parley.service.post(f"{API}/complete", {"run_id": run["id"], **end})
    return str(run["id"])


async def listed(client: Rest, **query: Any) -> list[tuple[str, str]]:
    """Return the ids and states of the runs of a list."""
    runs = (await client.get(f"{BOT}/runs", **query)).data["runs"]
    return [(run["runId"], run["status"]) for run in runs]


async def test_runs_are_told_in_elizas_words(parley: Parley, channel_id: str) -> None:
    """The newest first; what is over has an end, and what has failed says why."""
    done = await ask(parley, channel_id, {"response": "well."})
    failed = await ask(parley, channel_id, {"failed": True})
    begun = await ask(parley, channel_id)
    told = [(begun, "started"), (failed, "error"), (done, "completed")]
    assert await listed(parley.service) == told
    page = (await parley.service.get(f"{BOT}/runs", limit=2)).data
    assert (len(page["runs"]), page["total"], page["hasMore"]) == (2, 3, True)
    for run_id, status in told:
        assert await listed(parley.service, status=status) == [(run_id, status)]
        assert (await listed(parley.service, status="all", roomId=channel_id.upper())) == told
        detail = (await parley.service.get(f"{BOT}/runs/{run_id}", roomId=channel_id)).data
        summary, events = detail["summary"], detail["events"]
        assert (summary["runId"], summary["status"], summary["roomId"]) == (run_id, status, channel_id)
        assert [event["type"] for event in events] == ["RUN_STARTED", "RUN_ENDED"][: len(events)]
        assert len(events) == (1 if status == "started" else 2)
        assert summary["counts"]["errors"] == int(status == "error")
    ended = (await parley.service.get(f"{BOT}/runs/{failed}")).data["events"][-1]
    assert ended["data"]["error"] == "agent_error"
    assert await listed(parley.service, **{"from": summary["startedAt"], "to": summary["startedAt"]})
    assert await listed(parley.service, to=summary["startedAt"] - 1) == []


async def test_runs_are_for_those_who_may_read_their_channel(parley: Parley, channel_id: str) -> None:
    """Somebody who knows the agent from another channel is shown none of this one's."""
    run_id = await ask(parley, channel_id)
    await parley.service.new_channel("elsewhere", "ben", "bot")
    ann, ben = await parley.user("ann"), await parley.user("ben")
    assert await listed(ann) == [(run_id, "started")]
    assert await listed(ben) == []
    assert (await ben.get(f"{BOT}/logs")).data == []
    for path in (f"{BOT}/runs/{run_id}", f"{BOT}/runs?roomId={channel_id}"):
        assert (await ben.get(path)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_runs_of_a_deleted_channel_are_listed_for_nobody(parley: Parley, channel_id: str) -> None:
    """What is listed can be opened: elizaOS's page asks for each run of the list by itself."""
    await ask(parley, channel_id, {"response": "well."})
    await parley.service.delete(f"{API}/channels/{channel_id}")
    assert (await parley.service.get(f"{BOT}/runs")).data == {"runs": [], "total": 0, "hasMore": False}
    assert (await parley.service.get(f"{BOT}/logs")).data == []
    assert (await parley.service.get(f"{API}/runs")).data["runs"] == []


async def test_a_run_of_another_agent_or_room_is_not_found(parley: Parley, channel_id: str) -> None:
    """Nor is one that does not exist."""
    await parley.agent("other")
    run_id = await ask(parley, channel_id)
    for path in (f"/api/agents/other/runs/{run_id}", f"{BOT}/runs/x", f"{BOT}/runs/{run_id}?roomId={run_id}"):
        assert (await parley.service.get(path)).refusal == (404, "RESOURCE_NOT_FOUND")


async def test_an_agents_log_says_when_its_runs_began_and_ended(parley: Parley, channel_id: str) -> None:
    """In pages; entries of another type than runs' there are none."""
    done = await ask(parley, channel_id, {"response": "well."})
    begun = await ask(parley, channel_id)
    log = (await parley.service.get(f"{BOT}/logs")).data
    told = {(entry["body"]["runId"], entry["body"]["status"]) for entry in log}
    assert told == {(done, "started"), (done, "completed"), (begun, "started")}
    assert len({entry["id"] for entry in log}) == 3
    assert [entry["createdAt"] for entry in log] == sorted(
        (entry["createdAt"] for entry in log), reverse=True
    )
    pages = [(await parley.service.get(f"{BOT}/logs", count=1, offset=offset)).data for offset in range(4)]
    assert pages == [[entry] for entry in log] + [[]]
    assert (await parley.service.get(f"{BOT}/logs", type="action")).data == []
    assert (await parley.service.get(f"{BOT}/logs", excludeTypes="run_event")).data == []


@pytest.mark.parametrize(
    "query", [{"status": "happy"}, {"limit": "0"}, {"limit": "x"}, {"from": "yesterday"}, {"to": "-1"}]
)
async def test_a_bad_parameter_is_refused(parley: Parley, channel_id: str, query: dict[str, str]) -> None:
    """Whatever is wrong with it."""
    assert (await parley.service.get(f"{BOT}/runs", **query)).refusal == (400, "VALIDATION_ERROR")
