"""Sessions over REST: bare answers as elizaOS's clients read them, and the errors that they know."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rooms.ids import new_id
from rooms.principals import Scope
from rooms.sessions import KEPT_DAYS
from tests.rest import Reply, Rest
from tests.running import Parley, Start, running_parley
from tests.sessions import MINUTE, SESSIONS, Clock, begin, furnish

NOT_FOUND = (404, "SESSION_NOT_FOUND")
EXPIRED = (410, "SESSION_EXPIRED")
INVALID = (400, "VALIDATION_ERROR")

CREATED = {
    "sessionId",
    "channelId",
    "agentId",
    "userId",
    "createdAt",
    "metadata",
    "expiresAt",
    "timeoutConfig",
}
INFO = CREATED | {"lastActivity", "renewalCount", "timeRemaining", "isNearExpiration", "status"}
DEFAULTS = {
    "timeoutMinutes": 30,
    "autoRenew": True,
    "maxDurationMinutes": 720,
    "warningThresholdMinutes": 5,
}


def touches(client: Rest, session_id: str) -> dict[str, Callable[[], Awaitable[Reply]]]:
    """Return every request about one session, by what it does."""
    path = f"{SESSIONS}/{session_id}"
    return {
        "get": lambda: client.get(path),
        "renew": lambda: client.post(f"{path}/renew"),
        "change": lambda: client.request("PATCH", f"{path}/timeout", json={"timeoutMinutes": 60}),
        "heartbeat": lambda: client.post(f"{path}/heartbeat"),
        "delete": lambda: client.delete(path),
    }


async def test_a_session_is_answered_bare(parley: Parley) -> None:
    """Creating, looking, renewing, changing, a heartbeat and deleting answer what elizaOS's server does."""
    ann, _ = await furnish(parley)
    session = await begin(ann, metadata={"topic": "tea"})
    assert set(session) == CREATED
    assert (session["agentId"], session["userId"], session["metadata"]) == ("bot", "ann", {"topic": "tea"})
    assert session["timeoutConfig"] == DEFAULTS
    for name, touch in touches(ann, session["sessionId"]).items():
        reply = await touch()
        assert reply.status == 200
        if name == "delete":
            ended = {"success": True, "message": f"Session {session['sessionId']} deleted successfully"}
            assert reply.body == {**ended, "data": ended}
        else:
            assert set(reply.body) == INFO
            assert {key: reply.body[key] for key in ("sessionId", "channelId", "createdAt")} == {
                key: session[key] for key in ("sessionId", "channelId", "createdAt")
            }


async def test_an_expired_session_answers_410_for_a_month(parley: Parley) -> None:
    """Every request is told so, again and again; what nobody has heard of is 404."""
    clock = Clock.of(parley)
    ann, _ = await furnish(parley)
    session = await begin(ann, timeoutConfig={"timeoutMinutes": 10})
    clock.now += 10 * MINUTE
    for _ in range(2):
        for touch in touches(ann, session["sessionId"]).values():
            assert (await touch()).refusal == EXPIRED
        clock.now += (KEPT_DAYS - 1) * 24 * 60 * MINUTE
    for unknown in (new_id(), "nonsense", "%00"):
        for touch in touches(ann, unknown).values():
            assert (await touch()).refusal == NOT_FOUND


async def test_a_deleted_session_answers_404(parley: Parley) -> None:
    """It is not expired, it is gone."""
    ann, _ = await furnish(parley)
    session = await begin(ann)
    await ann.delete(f"{SESSIONS}/{session['sessionId']}")
    for touch in touches(ann, session["sessionId"]).values():
        assert (await touch()).refusal == NOT_FOUND


async def test_the_session_of_another_answers_404(parley: Parley) -> None:
    """Nobody learns that it exists, and nothing happens to it."""
    ann, bot = await furnish(parley)
    ben = await parley.user("ben")
    session = await begin(ann)
    for client in (ben, bot):
        for touch in touches(client, session["sessionId"]).values():
            assert (await touch()).refusal == NOT_FOUND
    assert (await ann.get(f"{SESSIONS}/{session['sessionId']}")).body["renewalCount"] == 0
    assert (await ben.get(SESSIONS)).body["total"] == 0
    assert (await ben.get(SESSIONS, userId="ann")).body["total"] == 0
    refused = await ben.post(SESSIONS, {"agentId": "bot", "userId": "ann"})
    assert refused.refusal == (403, "PERMISSION_DENIED")


async def test_who_may_only_write_changes_no_session_that_it_may_not_see(parley: Parley) -> None:
    """The answer to a change says what a look-up would have said."""
    ann, _ = await furnish(parley)
    writer = await parley.restricted_service(Scope.MESSAGES_WRITE)
    session = await begin(ann)
    for touch in touches(writer, session["sessionId"]).values():
        assert (await touch()).refusal == NOT_FOUND


async def test_renewing_what_has_lasted_as_long_as_it_may_is_refused(parley: Parley) -> None:
    """It says that another session is needed, and why."""
    clock = Clock.of(parley)
    ann, _ = await furnish(parley)
    session = await begin(ann, timeoutConfig={"timeoutMinutes": 10, "maxDurationMinutes": 10})
    clock.now += 10 * MINUTE
    renewed = await ann.post(f"{SESSIONS}/{session['sessionId']}/renew")
    assert renewed.refusal == (400, "SESSION_RENEWAL_FAILED")
    assert (await ann.get(f"{SESSIONS}/{session['sessionId']}")).refusal == EXPIRED


@pytest.mark.parametrize("agent_id", ["nobody", "ann", "00000000-0000-0000-0000-00000000abcd"])
async def test_a_session_needs_an_agent(parley: Parley, agent_id: str) -> None:
    """Somebody unknown, or no agent, is 404 with a code of its own."""
    ann, _ = await furnish(parley)
    refused = await ann.post(SESSIONS, {"agentId": agent_id, "userId": "ann"})
    assert refused.refusal == (404, "AGENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("given", "granted"),
    [
        ({}, {}),
        ({"timeoutMinutes": 1}, {"timeoutMinutes": 5}),
        ({"timeoutMinutes": 100_000}, {"timeoutMinutes": 1_440, "maxDurationMinutes": 1_440}),
        ({"timeoutMinutes": "45"}, {"timeoutMinutes": 45}),
        ({"timeoutMinutes": "soon"}, {}),
        ({"timeoutMinutes": "NaN"}, {}),
        ({"timeoutMinutes": None, "autoRenew": None}, {}),
        ({"timeoutMinutes": [5], "maxDurationMinutes": {}, "warningThresholdMinutes": True}, {}),
        ({"autoRenew": False}, {"autoRenew": False}),
        ({"maxDurationMinutes": 1}, {"maxDurationMinutes": 30}),
        ({"maxDurationMinutes": "100000"}, {"maxDurationMinutes": 2_880}),
        ({"warningThresholdMinutes": -3}, {"warningThresholdMinutes": 1}),
    ],
)
async def test_a_new_session_gets_what_comes_closest_to_the_wish(
    parley: Parley, given: dict[str, Any], granted: dict[str, Any]
) -> None:
    """What is out of range is clamped, and what is no number is the default."""
    ann, _ = await furnish(parley)
    assert (await begin(ann, timeoutConfig=given))["timeoutConfig"] == DEFAULTS | granted


@pytest.mark.parametrize(
    "raw",
    [
        "{}",
        '{"agentId": "bot"}',
        '{"userId": "ann"}',
        '{"agentId": "", "userId": "ann"}',
        '{"agentId": 5, "userId": "ann"}',
        '{"agentId": "bot", "userId": "a b"}',
        '{"agentId": "bot", "userId": "%s"}' % ("x" * 129),
        '{"agentId": "bot", "userId": "ann", "metadata": 5}',
        '{"agentId": "bot", "userId": "ann", "metadata": {"a b": 1}}',
        '{"agentId": "bot", "userId": "ann", "metadata": {"a": "%s"}}' % ("x" * 16_384),
        '{"agentId": "bot", "userId": "ann", "metadata": {"a": {"b": {"c": {"d": {"e": {}}}}}}}',
        '{"agentId": "bot", "userId": "ann", "timeoutConfig": 30}',
        '{"agentId": "bot", "userId": "ann", "timeoutConfig": {"autoRenew": "yes"}}',
    ],
)
async def test_a_bad_session_is_refused(parley: Parley, raw: str) -> None:
    """Nothing is created, and nobody is registered."""
    ann, _ = await furnish(parley)
    headers = {"Content-Type": "application/json"}
    refused = await ann.request("POST", SESSIONS, data=raw, headers=headers)
    assert refused.refusal == INVALID
    assert (await ann.get(SESSIONS)).body["total"] == 0


@pytest.mark.parametrize(
    "raw",
    [
        '{"timeoutMinutes": 4}',
        '{"timeoutMinutes": 1441}',
        '{"timeoutMinutes": "soon"}',
        '{"timeoutMinutes": NaN}',
        '{"timeoutMinutes": "NaN"}',
        '{"timeoutMinutes": 1e999}',
        '{"timeoutMinutes": true}',
        '{"timeoutMinutes": [60]}',
        '{"maxDurationMinutes": "long"}',
        '{"warningThresholdMinutes": {}}',
        '{"autoRenew": "false"}',
        '{"autoRenew": 0}',
    ],
)
async def test_a_bad_change_of_the_timeout_is_refused(parley: Parley, raw: str) -> None:
    """Nothing of the session changes."""
    ann, _ = await furnish(parley)
    session = await begin(ann)
    path = f"{SESSIONS}/{session['sessionId']}"
    headers = {"Content-Type": "application/json"}
    assert (await ann.request("PATCH", f"{path}/timeout", data=raw, headers=headers)).refusal == INVALID
    assert (await ann.get(path)).body["timeoutConfig"] == DEFAULTS


async def test_a_change_of_the_timeout_keeps_what_is_not_sent(parley: Parley) -> None:
    """Each change merges with the one before."""
    ann, _ = await furnish(parley)
    session = await begin(ann, timeoutConfig={"timeoutMinutes": 45, "maxDurationMinutes": 90})
    path = f"{SESSIONS}/{session['sessionId']}/timeout"
    expected = session["timeoutConfig"]
    for sent in ({"timeoutMinutes": "60"}, {"autoRenew": False}, {"warningThresholdMinutes": 9}, {}):
        changed = await ann.request("PATCH", path, json=sent)
        expected |= {key: 60 if key == "timeoutMinutes" else value for key, value in sent.items()}
        assert changed.body["timeoutConfig"] == expected


async def test_sessions_are_found_by_user_and_agent(parley: Parley) -> None:
    """Also those that have ended, with the channel in which the conversation can be read."""
    clock = Clock.of(parley)
    ann, _ = await furnish(parley)
    old = await begin(ann, timeoutConfig={"timeoutMinutes": 5})
    clock.now += 6 * MINUTE
    new = await begin(ann)
    listed = (await parley.service.get(SESSIONS, userId="ann", agentId="bot")).body
    assert [(one["sessionId"], one["status"]) for one in listed["sessions"]] == [
        (new["sessionId"], "active"),
        (old["sessionId"], "expired"),
    ]
    assert listed["total"] == 2
    assert listed["stats"] == {"totalSessions": 2, "activeSessions": 1, "expiredSessions": 1}
    assert listed["sessions"][1]["timeRemaining"] == 0
    assert (await ann.history(old["channelId"])).data["messages"] == []
    paged = (await ann.get(SESSIONS, limit=1, before=new["sessionId"])).body
    assert ([one["sessionId"] for one in paged["sessions"]], paged["total"]) == ([old["sessionId"]], 2)
    live = (await ann.get(SESSIONS, status="active")).body
    assert [one["sessionId"] for one in live["sessions"]] == [new["sessionId"]]
    assert (await ann.get(SESSIONS, status="old")).refusal == INVALID


async def test_how_many_sessions_there_are_is_public(parley: Parley) -> None:
    """Nothing but numbers is told."""
    ann, _ = await furnish(parley)
    await begin(ann)
    await begin(ann, timeoutConfig={"timeoutMinutes": 5})
    health = (await parley.anonymous.get(f"{SESSIONS}/health")).body
    assert (health["status"], health["activeSessions"], health["expiringSoon"]) == ("healthy", 2, 1)
    assert health["uptime"] >= 0


async def test_a_session_outlasts_the_server(tmp_path: Path) -> None:
    """After a restart it is there as it was, and goes on."""
    async with running_parley(tmp_path / "data") as parley:
        ann, _ = await furnish(parley)
        session = await begin(ann, metadata={"topic": "tea"})
        path = f"{SESSIONS}/{session['sessionId']}"
        before = (await ann.post(f"{path}/renew")).body
    async with running_parley(tmp_path / "data") as parley:
        ann = parley.bearer(ann.secret or "")
        after = (await ann.get(path)).body
        assert {**after, "timeRemaining": 0} == {**before, "timeRemaining": 0}
        assert (await ann.post(f"{path}/heartbeat")).body["renewalCount"] == 2


async def test_the_operator_sets_how_long_sessions_last(start: Start) -> None:
    """Defaults and bounds are settings."""
    parley = await start(
        session_default_timeout_minutes=20,
        session_min_timeout_minutes=10,
        session_max_timeout_minutes=60,
        session_max_duration_minutes=600,
        session_warning_threshold_minutes=3,
    )
    ann, _ = await furnish(parley)
    assert (await begin(ann))["timeoutConfig"] == {
        "timeoutMinutes": 20,
        "autoRenew": True,
        "maxDurationMinutes": 120,
        "warningThresholdMinutes": 3,
    }
    for wished, granted in ((5, 10), (90, 60)):
        session = await begin(ann, timeoutConfig={"timeoutMinutes": wished})
        assert session["timeoutConfig"]["timeoutMinutes"] == granted
