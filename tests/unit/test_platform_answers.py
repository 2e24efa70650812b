"""What platforms are answered, and what their own answers mean for replies; any database would do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from rooms import agents, edits, participants, uses
from rooms.edits import Target
from rooms.errors import AuthenticationFailed, PermissionDenied
from rooms.outbox import State
from rooms.participants import Joining
from rooms.replies import PAUSES_MS
from rooms.store.vault import UseFilter
from tests.migrated import lay_out
from tests.platforms import said
from tests.unit.abroad import ALL, Abroad
from tests.unit.journaling import SERVICE


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Give the address of a database with nothing in it."""
    lay_out(tmp_path / "parley.db")
    return f"sqlite:///{tmp_path / 'parley.db'}"


@pytest.mark.parametrize("status", [500, 502, 503, 408])
async def test_what_fails_is_tried_again_later_and_later(abroad: Abroad, status: int) -> None:
    """Until it succeeds; nothing is sent twice that has arrived."""
    await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    abroad.api.answers = [web.Response(status=status) for _ in range(3)]
    await abroad.post.work()
    assert await abroad.state("telegram") == (State.QUEUED, f"status_{status}")
    for pause in PAUSES_MS[:3]:
        await abroad.post.work(pause * 0.7 / 1000)
        await abroad.post.work(pause * 0.6 / 1000)
    assert abroad.said() == ["hello Ann"] * 4
    assert await abroad.state("telegram") == (State.DELIVERED, None)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_what_is_refused_for_good_is_dead_at_once(abroad: Abroad, status: int) -> None:
    """A token that was revoked, a user who has left: the same request would be refused again."""
    await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    abroad.api.answers = [web.Response(status=status)]
    await abroad.post.work()
    await abroad.post.work(4_000)
    assert await abroad.state("telegram") == (State.DEAD, f"status_{status}")
    assert len(abroad.api.sent) == 1


@pytest.mark.parametrize(
    "limited",
    [
        lambda _now: web.json_response({"parameters": {"retry_after": 90}}, status=429),
        lambda _now: web.json_response({"retry_after": 89.7}, status=429),
        lambda _now: web.Response(status=429, headers={"Retry-After": "90"}),
        lambda now: web.Response(status=429, headers={"x-rate-limit-reset": str(int(now) + 90)}),
    ],
)
async def test_a_platform_that_is_asked_too_much_is_left_alone(
    abroad: Abroad, limited: Callable[[float], web.Response]
) -> None:
    """For as long as it says, in whichever way it says it."""
    await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    abroad.api.answers = [limited(abroad.post.now)]
    await abroad.post.work()
    await abroad.post.work(88)
    assert len(abroad.api.sent) == 1
    await abroad.post.work(3)
    assert abroad.said() == ["hello Ann"] * 2


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"retry_after":"soon"}', b'{"parameters":[1]}'])
async def test_a_limit_without_a_time_is_a_failure_like_others(abroad: Abroad, body: bytes) -> None:
    """Whatever its body is."""
    await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    abroad.api.answers = [web.Response(status=429, body=body, headers={"Retry-After": "soon"})]
    await abroad.post.work()
    await abroad.post.work(2)
    assert await abroad.state("telegram") == (State.DELIVERED, None)


@pytest.mark.parametrize("kind", ALL)
async def test_what_comes_twice_is_run_and_answered_once(abroad: Abroad, kind: str) -> None:
    """A platform that has not heard the answer sends it again, and so does whoever listened."""
    await abroad.connect(kind)
    knock = said(kind, now=abroad.post.now)
    first, second = [await abroad.knock(kind, knock) for _ in range(2)]
    (run,) = await abroad.runs()
    if kind != "webhook":
        assert first == second
    else:
        assert (first["data"]["repeat"], second["data"]["repeat"]) == (False, True)
    await abroad.answer(run)
    await abroad.post.work()
    await abroad.knock(kind, knock)
    await abroad.post.work(60)
    assert abroad.said() == ["hello Ann"]


async def test_two_platforms_of_ones_own_share_no_users(abroad: Abroad) -> None:
    """Their ids mean nothing beyond each of them."""
    users = []
    for _ in range(2):
        await abroad.connect("webhook")
        users.append((await abroad.ask("webhook")).user_id)
    assert users[0] != users[1]


@pytest.mark.parametrize("kind", ALL)
async def test_what_is_forged_changes_nothing_and_is_told(abroad: Abroad, kind: str) -> None:
    """No message, no run; the audit says how often somebody has tried."""
    platform = await abroad.connect(kind)
    good = said(kind, now=abroad.post.now)
    name = "webhook-signature" if kind == "webhook" else next(iter(good.headers))
    forged = good.having(**{name: "0" * 128})
    for _ in range(3):
        with pytest.raises(AuthenticationFailed):
            await abroad.knock(kind, forged)
    assert await abroad.runs() == []
    line, checked = await uses.list_page(abroad.post.ctx, SERVICE, UseFilter(), None, 50)
    assert (checked.purpose, checked.outcome) == ("check", "opened")
    assert (line.purpose, line.outcome, line.subject, line.times) == ("incoming", "forged", platform.id, 3)


@pytest.mark.parametrize("kind", ["telegram", "twitter"])
async def test_what_was_said_a_day_ago_is_let_go(abroad: Abroad, kind: str) -> None:
    """By then it is not known any more what has come before; these platforms sign no time."""
    await abroad.connect(kind)
    old = said(kind, now=abroad.post.now - 25 * 60 * 60)
    assert await abroad.knock(kind, old) == {}
    assert await abroad.runs() == []


async def test_the_user_is_told_what_cannot_be_taken(abroad: Abroad) -> None:
    """On the platform, as far as it can be told there; it would send the same again otherwise."""
    for kind in ("telegram", "discord", "twitter"):
        await abroad.connect(kind)
    long, now = "x" * 10_001, abroad.post.now
    told = await abroad.knock("telegram", said("telegram", long, now=now))
    assert (told["method"], told["chat_id"]) == ("sendMessage", -100)
    assert "4096" in told["text"]
    told = await abroad.knock("discord", said("discord", long, now=now))
    assert (told["type"], told["data"]["flags"]) == (4, 64)
    assert await abroad.knock("twitter", said("twitter", long, now=now)) == {}
    assert await abroad.runs() == []


@pytest.mark.parametrize(
    ("kind", "length"), [("telegram", 4_096), ("discord", 6_000), ("twitter", 10_000), ("webhook", 4_000)]
)
async def test_what_can_be_said_there_is_not_too_long(abroad: Abroad, kind: str, length: int) -> None:
    """Though it is longer than what people may say here; a bridge keeps to that, and can tell its users."""
    await abroad.connect(kind)
    run = await abroad.ask(kind, "x" * length)
    assert len((await edits.require(abroad.post.ctx, Target(SERVICE, run.message_id))).content) == length


async def test_who_was_removed_stays_that_and_is_told_so(abroad: Abroad) -> None:
    """On the platform, as far as it can be told there; nothing is stored until somebody brings them back."""
    ctx, now = abroad.post.ctx, abroad.post.now
    for kind in ALL:
        await abroad.connect(kind)
        run = await abroad.ask(kind)
        await participants.remove(ctx, SERVICE, run.channel_id, run.user_id)
        again = said(kind, "again", 2, now=now)
        if kind == "webhook":
            with pytest.raises(PermissionDenied, match="removed"):
                await abroad.knock(kind, again)
        else:
            told = orjson.dumps(await abroad.knock(kind, again)).decode()
            assert ("was removed" in told) is (kind != "twitter")
        assert (await abroad.runs())[0] == run
        await participants.add(ctx, Joining(SERVICE, run.channel_id, run.user_id))
        assert (await abroad.ask(kind, "and now?", 3)).user_id == run.user_id


async def test_a_command_that_nobody_answers_is_told_so(abroad: Abroad) -> None:
    """Discord would show a deferred answer for a quarter of an hour."""
    await abroad.connect("discord")
    assert await abroad.knock("discord", said("discord", now=abroad.post.now)) == {"type": 5}
    await agents.change(abroad.post.ctx, agents.Change(SERVICE, "bot", is_active=False))
    told = await abroad.knock("discord", said("discord", "again", 2, now=abroad.post.now))
    assert told["type"] == 4
