"""Replies to platforms over real databases and a real API: sent once, in parts, and tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from rooms import agents, completion, deliveries, edits, incoming, platforms, replies, uses, vault, webhooks
from rooms.completion import Completion, Sign
from rooms.edits import Target
from rooms.errors import AuthenticationFailed, Conflict, NotFound, Unavailable
from rooms.external import user_id
from rooms.outbox import State
from rooms.parcels import Outcome
from rooms.platform_tables import Platform
from rooms.platforms import Change, PlatformDraft
from rooms.replies import PAUSES_MS
from rooms.rows import Run
from rooms.run_tables import Delivery
from rooms.runs import Filter
from rooms.runs import list_page as list_runs
from rooms.store.vault import UseFilter
from tests.platforms import SECRETS, FakeApi, Knock, said
from tests.receiving import receiving
from tests.unit.journaling import SERVICE
from tests.unit.posting import Post
from tests.unit.staging import BOT

ALL = ["discord", "telegram", "twitter", "webhook"]


@dataclass
class Abroad:
    """A platform of each kind that is asked for, with one fake API behind all of them."""

    post: Post
    url: str
    api: FakeApi = field(default_factory=FakeApi)
    connected: dict[str, Platform] = field(default_factory=dict)

    async def connect(self, kind: str) -> Platform:
        """Connect a platform of the kind, with secrets that are granted to the agent."""
        names = {use: f"{kind}-{use}" for use in SECRETS[kind]}
        for use, name in names.items():
            await vault.put(self.post.ctx, SERVICE, name, SECRETS[kind][use])
            await vault.grant(self.post.ctx, SERVICE, name, "bot")
        draft = PlatformDraft(SERVICE, kind, "bot", names, self.url)
        self.connected[kind] = await platforms.create(self.post.ctx, draft)
        return self.connected[kind]

    async def knock(self, kind: str, knock: Knock) -> Any:
        """Send a request to the platform's door, and return what is answered."""
        door = await incoming.find_door(self.post.ctx, self.connected[kind].id)
        assert door is not None
        assert door.is_timely(knock.headers, int(self.post.now))
        return await incoming.receive(self.post.ctx, door, knock.headers, knock.body)

    async def ask(self, kind: str, content: str = "hello", number: int = 1) -> Run:
        """Say something on the platform, and return the run that it opens."""
        await self.knock(kind, said(kind, content, number, now=self.post.now))
        return (await self.runs())[0]

    async def runs(self) -> list[Run]:
        """Return the agent's runs, the newest first."""
        return list(await list_runs(self.post.ctx, SERVICE, Filter(agent_id="bot")))

    async def answer(self, run: Run, reply: str | None = "hello Ann") -> None:
        """End the run as its agent does."""
        await completion.complete(self.post.ctx, Completion(Sign(BOT, run.id), reply))

    async def delivery(self, kind: str) -> Delivery:
        """Return the one reply to the platform that there is."""
        platform = self.connected[kind]
        (found,) = await replies.list_page(self.post.ctx, SERVICE, platform.id, None, None, 50)
        return found

    async def state(self, kind: str) -> tuple[str, str | None]:
        """Return where that one stands, and why the last attempt has failed."""
        found = await self.delivery(kind)
        return found.state, found.error

    def said(self) -> list[str]:
        """Return what the API was told to say."""
        bodies = [sent.body for sent in self.api.sent if sent.raw]
        return [body.get("text") or body.get("content") or body.get("response") for body in bodies]


@pytest.fixture
async def abroad(post: Post) -> AsyncIterator[Abroad]:
    """Give the fake API, and the agent without a webhook, on each kind of database."""
    await webhooks.remove(post.ctx, BOT, "bot")
    api = FakeApi()
    async with receiving(api.take) as port:
        yield Abroad(post, f"http://127.0.0.1:{port}", api)


@pytest.mark.parametrize("kind", ALL)
async def test_a_reply_goes_back_to_where_its_question_came_from(abroad: Abroad, kind: str) -> None:
    """Once it is there, and once; the user and the channel are the platform's."""
    await abroad.connect(kind)
    run = await abroad.ask(kind)
    assert await abroad.state(kind) == (State.WAITING, None)
    await abroad.post.work()
    assert abroad.api.sent == []
    await abroad.answer(run)
    for _ in range(2):
        await abroad.post.work(60)
    assert abroad.said() == ["hello Ann"]
    assert await abroad.state(kind) == (State.DELIVERED, None)
    if kind != "webhook":
        assert run.user_id == user_id(kind, "5")


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


async def test_after_an_hour_it_is_dead_and_can_be_sent_again(abroad: Abroad) -> None:
    """As a dead letter, which an operator has sent once the platform is well."""
    platform = await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    abroad.api.answers = [web.Response(status=500) for _ in range(99)]
    for _ in range(20):
        await abroad.post.work(400)
    dead = await abroad.delivery("telegram")
    assert (dead.state, dead.error) == (State.DEAD, "status_500")
    assert len(abroad.api.sent) == 9
    abroad.api.answers.clear()
    again = await replies.redeliver(abroad.post.ctx, SERVICE, platform.id, dead.id)
    assert (again.state, again.attempts) == (State.QUEUED, 0)
    await abroad.post.work()
    assert await abroad.state("telegram") == (State.DELIVERED, None)
    with pytest.raises(Conflict):
        await replies.redeliver(abroad.post.ctx, SERVICE, platform.id, dead.id)
    with pytest.raises(NotFound):
        await replies.redeliver(abroad.post.ctx, SERVICE, platform.id, platform.id)


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


async def test_of_a_long_reply_only_what_has_not_arrived_is_sent_again(abroad: Abroad) -> None:
    """Its parts are sent one by one, in order."""
    await abroad.connect("discord")
    text = "\n\n".join(letter * 1_500 for letter in "abc")
    await abroad.answer(await abroad.ask("discord"), text)
    abroad.api.answers = [web.Response(), web.Response(status=500)]
    await abroad.post.work()
    assert (await abroad.delivery("discord")).sent == 1
    await abroad.post.work(2)
    await abroad.post.work()
    assert [text[0] for text in abroad.said()] == ["a", "b", "b", "c"]
    assert await abroad.state("discord") == (State.DELIVERED, None)
    assert [sent.method for sent in abroad.api.sent] == ["PATCH", "POST", "POST", "POST"]


async def test_a_run_without_a_reply_says_nothing(abroad: Abroad) -> None:
    """But to Discord, whose deferred answer is taken back."""
    for kind in ("telegram", "discord"):
        await abroad.connect(kind)
        await abroad.answer(await abroad.ask(kind), None)
        await abroad.post.work()
    assert [(sent.method, sent.path.rpartition("/")[2]) for sent in abroad.api.sent] == [
        ("DELETE", "@original")
    ]
    assert [await abroad.state(kind) for kind in ("telegram", "discord")] == [
        (State.OBSOLETE, None),
        (State.DELIVERED, None),
    ]


async def test_a_reply_that_was_deleted_meanwhile_is_not_said(abroad: Abroad) -> None:
    """Nor one to a platform that is not connected any more."""
    for kind in ("telegram", "twitter"):
        await abroad.connect(kind)
        await abroad.answer(run := await abroad.ask(kind))
        if kind == "telegram":
            await edits.delete(abroad.post.ctx, Target(SERVICE, run.reply_id))
    gone = abroad.connected["twitter"]
    await platforms.remove(abroad.post.ctx, SERVICE, gone.id)
    await abroad.post.work()
    assert abroad.api.sent == []
    assert await abroad.state("telegram") == (State.OBSOLETE, None)
    assert await incoming.find_door(abroad.post.ctx, gone.id) is None


async def test_replies_outlast_whoever_was_about_to_send_them(abroad: Abroad) -> None:
    """An attempt of a process that was killed is made again by the next one, half a minute later."""
    await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    (parcel,) = await abroad.post.take()
    assert parcel is not None
    await abroad.post.work(29)
    assert abroad.said() == []
    await abroad.post.work(2)
    assert abroad.said() == ["hello Ann"]
    assert await deliveries.settle(abroad.post.ctx, Outcome(parcel, error="timeout")) is None
    assert await abroad.state("telegram") == (State.DELIVERED, None)


async def test_an_agent_with_a_webhook_answers_abroad_too(abroad: Abroad) -> None:
    """Its run goes to its webhook, and what that answers to the platform; each is listed in its own place."""
    await abroad.post.set_webhook()
    abroad.post.replying("by the webhook")
    await abroad.connect("telegram")
    await abroad.ask("telegram")
    await abroad.post.work()
    assert abroad.said() == ["by the webhook"]
    assert await abroad.post.states() == [State.DELIVERED]
    assert await abroad.state("telegram") == (State.DELIVERED, None)


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
    (line,) = await uses.list_page(abroad.post.ctx, SERVICE, UseFilter(), None, 50)
    assert (line.purpose, line.outcome, line.subject, line.times) == ("incoming", "forged", platform.id, 3)


async def test_a_secret_is_used_as_long_as_it_is_granted(abroad: Abroad) -> None:
    """Then nothing comes in, and what is to go out waits for the grant; both are told."""
    await abroad.connect("telegram")
    await abroad.answer(await abroad.ask("telegram"))
    for use in ("secret_token", "bot_token"):
        await vault.withdraw(abroad.post.ctx, SERVICE, f"telegram-{use}", "bot")
    with pytest.raises(Unavailable):
        await abroad.knock("telegram", said("telegram", "more", 2, now=abroad.post.now))
    await abroad.post.work()
    assert abroad.api.sent == []
    assert await abroad.state("telegram") == (State.QUEUED, "secret_not_granted")
    await vault.grant(abroad.post.ctx, SERVICE, "telegram-bot_token", "bot")
    await abroad.post.work(2)
    assert abroad.said() == ["hello Ann"]
    lines = await uses.list_page(abroad.post.ctx, SERVICE, UseFilter(agent_id="bot"), None, 50)
    told = {(line.purpose, line.outcome) for line in lines if line.purpose != "webhook"}
    assert told == {
        ("incoming", "opened"),
        ("incoming", "not_granted"),
        ("reply", "not_granted"),
        ("reply", "opened"),
    }


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
    long, now = "x" * 4_001, abroad.post.now
    told = await abroad.knock("telegram", said("telegram", long, now=now))
    assert (told["method"], told["chat_id"]) == ("sendMessage", -100)
    assert "4000" in told["text"]
    told = await abroad.knock("discord", said("discord", long, now=now))
    assert (told["type"], told["data"]["flags"]) == (4, 64)
    assert await abroad.knock("twitter", said("twitter", long, now=now)) == {}
    assert await abroad.runs() == []


async def test_a_command_that_nobody_answers_is_told_so(abroad: Abroad) -> None:
    """Discord would show a deferred answer for a quarter of an hour."""
    await abroad.connect("discord")
    assert await abroad.knock("discord", said("discord", now=abroad.post.now)) == {"type": 5}
    await agents.change(abroad.post.ctx, agents.Change(SERVICE, "bot", is_active=False))
    told = await abroad.knock("discord", said("discord", "again", 2, now=abroad.post.now))
    assert told["type"] == 4


async def test_what_a_platform_is_like_can_change(abroad: Abroad) -> None:
    """Replies that wait go to where it is then."""
    platform = await abroad.connect("telegram")
    run = await abroad.ask("telegram")
    await platforms.change(abroad.post.ctx, Change(SERVICE, platform.id, api_url=f"{abroad.url}/moved/"))
    await abroad.answer(run)
    await abroad.post.work()
    assert abroad.api.sent[0].path.startswith("/moved/bot")
