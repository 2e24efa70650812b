"""Deliveries over real databases and a real receiver: signed, answered, and tried again."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from dataclasses import replace

import pytest
from aiohttp import web

from rooms import completion, edits, participants, retention
from rooms.completion import Completion, Sign
from rooms.deliveries import MAX_ATTEMPTS, PAUSES_MS
from rooms.edits import Target
from rooms.outbox import SPREAD, State
from rooms.participants import Joining
from rooms.reach import Reach
from rooms.retention import Retention
from rooms.sealing import Sealer
from server import courier as couriers
from server.fetcher import fetching
from tests.receiving import receiving
from tests.unit.journaling import SERVICE
from tests.unit.posting import Post
from tests.unit.staging import BOT


async def test_a_run_is_sent_with_its_message_and_a_signature(post: Post) -> None:
    """The body is the envelope, and whoever has the secret can tell that it is Parley's."""
    run = await post.sent("what is new?")
    await post.work()
    (letter,) = post.letters
    assert letter.envelope["run"]["id"] == run.id
    assert letter.envelope["message"]["text"] == "what is new?"
    assert set(letter.envelope) == {"run", "message"}
    sent_id, sent_at = letter.headers["webhook-id"], letter.headers["webhook-timestamp"]
    assert (sent_id, sent_at) == ((await post.only()).id, "1700000000")
    key = base64.b64decode(post.secret.removeprefix("whsec_"))
    signature = hmac.new(key, f"{sent_id}.{sent_at}.".encode() + letter.body, hashlib.sha256).digest()
    assert letter.headers["webhook-signature"] == f"v1,{base64.b64encode(signature).decode()}"


async def test_an_accepted_delivery_takes_the_run(post: Post) -> None:
    """A 2xx is a sign of the agent, which has the usual time to answer from then on, by any door."""
    post.answering(202, text="thank you")
    run = await post.sent()
    await post.work()
    taken = await post.run(run)
    assert (taken.state, taken.holder, taken.due_at) == ("working", "webhook", 1_700_000_030_000)
    assert await post.states() == [State.DELIVERED]
    await completion.complete(post.ctx, Completion(Sign(BOT, run.id), "well."))
    assert await post.outcome(run) == ("completed", None)
    assert post.ends(run) == 1


async def test_an_answer_with_a_response_completes_the_run(post: Post) -> None:
    """The reply stands under the id that was reserved for it."""
    post.replying("all is new")
    run = await post.sent()
    await post.work()
    assert await post.outcome(run) == ("completed", None)
    reply = await edits.require(post.ctx, Target(SERVICE, run.reply_id))
    assert (reply.content, reply.author_id, reply.parent_id) == ("all is new", "bot", run.message_id)
    assert post.ends(run) == 1


async def test_an_empty_response_is_silence(post: Post) -> None:
    """An agent may have nothing to say."""
    post.replying("")
    run = await post.sent()
    await post.work()
    assert await post.outcome(run) == ("ignored", "silent")


@pytest.mark.parametrize("reply", [5, ["x"], "x\x00", "x" * 50_001])
async def test_an_unusable_response_ends_the_run(post: Post, reply: object) -> None:
    """What may not be submitted is no reply either: the run fails, and is not sent again."""
    post.replying(reply)
    run = await post.sent()
    await post.work()
    assert await post.outcome(run) == ("failed", "bad_response")
    assert await post.states() == [State.DELIVERED]


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b"{}", b'{"response":null}', b"\xff", b'{"response'])
async def test_an_answer_without_a_response_is_an_acceptance(post: Post, body: bytes) -> None:
    """Whatever else stands in the body of a 2xx."""
    post.answering(body=body)
    run = await post.sent()
    await post.work()
    assert await post.outcome(run) == ("working", None)


async def test_who_may_not_speak_is_sent_nothing(post: Post) -> None:
    """An observer has no runs, and so no letters."""
    await participants.remove(post.ctx, SERVICE, post.world.channel_id, "bot")
    await participants.add(
        post.ctx, Joining(SERVICE, post.world.channel_id, "bot", participants.Role.OBSERVER)
    )
    await post.say()
    await post.work()
    assert post.letters == []


async def test_five_failures_make_a_dead_letter(post: Post) -> None:
    """Tried at once and after about 1, 2, 4 and 8 seconds; then the run ends, once."""
    post.answering(500)
    run = await post.sent()
    due = []
    for pause in (0, *PAUSES_MS):
        await post.work(pause * (1 - SPREAD) / 1000 - 0.002)
        assert len(post.letters) == len(due) or not pause
        await post.work(pause * 2 * SPREAD / 1000 + 0.004)
        due.append((await post.only()).due_at)
        assert len(post.letters) == len(due)
        assert await post.outcome(run) == (("queued", None) if due[-1] else ("failed", "undeliverable"))
    delivery = await post.only()
    assert (delivery.state, delivery.attempts, delivery.error) == ("dead", MAX_ATTEMPTS, "status_500")
    assert {letter.headers["webhook-id"] for letter in post.letters} == {delivery.id}
    await post.work(3_600)
    assert len(post.letters) == MAX_ATTEMPTS
    assert post.ends(run) == 1


async def test_what_is_over_is_forgotten_when_it_is_old(post: Post) -> None:
    """What is still to be sent is kept, however old, and all is kept as long as the log."""
    await post.sent("first")
    await post.work()
    await post.sent("second")
    assert await post.states() == [State.DELIVERED, State.QUEUED]
    for days, left in ((29, [State.DELIVERED, State.QUEUED]), (31, [State.QUEUED])):
        then = time.time() + days * 86_400
        ctx = replace(post.ctx, clock=lambda then=then: then)
        async for _ in retention.forget(ctx, Retention(days=30)):
            pass
        assert await post.states() == left


async def test_a_receiver_that_redirects_has_failed(post: Post) -> None:
    """Nobody goes where it points to, be it private or not."""
    visits: list[str] = []

    async def note(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.Response()

    async with receiving(note, "127.0.0.2") as port:
        post.answering(307, headers={"Location": f"http://127.0.0.2:{port}/metadata"})
        run = await post.sent()
        await post.fail_until_dead()
    assert (await post.only()).error == "redirect"
    assert await post.outcome(run) == ("failed", "undeliverable")
    assert visits == []


async def test_a_receiver_that_hangs_has_failed(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run waits for as long as its delivery is tried, and ends with that."""
    monkeypatch.setattr(couriers, "ATTEMPT_SECONDS", 0.05)

    async def hang(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    post.answer = hang
    run = await post.sent()
    for pause in (0, *PAUSES_MS):
        assert await post.outcome(run) == ("queued", None)
        post.now += 15  # which the attempt takes, by default
        await post.end_overdue()
        await post.work(pause * (1 + SPREAD) / 1000)
    assert (await post.only()).error == "timeout"
    assert await post.outcome(run) == ("failed", "undeliverable")


async def test_a_receiver_that_has_moved_to_a_private_address_has_failed(post: Post) -> None:
    """What was allowed when the webhook was set is judged again with each attempt."""
    await post.sent()
    async with fetching(Reach()) as fetcher:
        post.fetcher = fetcher
        await post.work()
    assert (await post.only()).error == "forbidden_address"
    assert post.letters == []


async def test_a_secret_that_cannot_be_read_signs_nothing(post: Post) -> None:
    """Under another PARLEY_SECRET nothing is sent; the dead letters say why."""
    post.ctx = replace(post.ctx, sealer=Sealer("another secret, set after the first one"))
    run = await post.sent()
    await post.fail_until_dead()
    assert (await post.only()).error == "unreadable_secret"
    assert await post.outcome(run) == ("failed", "undeliverable")
    assert post.letters == []
